/// What is fuzzed: each takes any bytes and must come to its end.
package enum Target: String, CaseIterable, Codable {
  case packets
  case texts
  case records
  case flow
  case train
  case tables
  case gateways

  package func run(_ bytes: UnsafeRawBufferPointer) {
    switch self {
    case .packets: unsafe PacketTarget.run(bytes)
    case .texts: TextTarget.run(unsafe Input(bytes))
    case .records: RecordTarget.run(unsafe Input(bytes))
    case .flow: FlowTarget.run(unsafe Input(bytes))
    case .train: TrainTarget.run(unsafe Input(bytes))
    case .tables: TableTarget.run(unsafe Input(bytes))
    case .gateways: GatewayTarget.run(unsafe Input(bytes))
    }
  }
}

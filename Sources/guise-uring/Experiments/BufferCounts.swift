internal import DataPlane

/// How many receive buffers the kernel should walk through, and how far apart they should lie.
enum BufferCounts: Experiment {
  static let name = "buffer-counts"
  static let question = "provided rings of 16 to 1024 buffers, 64 KiB apart and offset"
  static let decision = "0014-buffer-counts.md"

  static func run(_ bench: Bench) throws {
    let host = bench.host
    func entries(
      _ load: DatagramReceiver.Load, counts: [Int], strides: [Int]
    ) -> [Bench.Entry] {
      counts.flatMap { count in strides.map { (count, $0) } }.map { count, stride in
        (
          "\(count), \(stride) apart",
          {
            try DatagramReceiver(
              .recvmsgMultishot, load, on: host, bufferCount: count, stride: stride, isRead: true)
          }
        )
      }
    }
    let lone = DatagramReceiver.Load(batch: 8)
    let train = DatagramReceiver.Load(parts: 40, isMerged: true, batch: 8)
    try bench.compare(
      "1400 bytes", per: "datagram",
      entries(lone, counts: [16, 64, 256, 1_024], strides: [Limits.bufferStride, 65_536]))
    try bench.compare(
      "trains of 40", per: "train", fraction: 8,
      entries(train, counts: [16, 32, 64, 128, 256, 512, 1_024], strides: [Limits.bufferStride]))
  }
}

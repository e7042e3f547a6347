internal import DataPlane

/// How many receive buffers the kernel should walk through, and how far apart they should lie.
enum BufferCounts: Experiment {
  static let name = "buffer-counts"
  static let question = "provided rings of 16 to 1024 buffers, 64 KiB apart and offset"
  static let decision = "0014-buffer-counts.md"

  static func run(_ bench: Bench) throws {
    let host = bench.host
    func entries(_ load: DatagramReceiver.Load, stride: Int) -> [Bench.Entry] {
      [16, 32, 64, 128, 256, 512, 1_024].map { count in
        (
          "\(count)",
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
      "1400 bytes, buffers \(Limits.bufferStride) apart", per: "datagram",
      entries(lone, stride: Limits.bufferStride))
    try bench.compare(
      "1400 bytes, buffers 65536 apart", per: "datagram", entries(lone, stride: 65_536))
    try bench.compare(
      "trains of 40, buffers \(Limits.bufferStride) apart", per: "train", fraction: 8,
      entries(train, stride: Limits.bufferStride))
  }
}

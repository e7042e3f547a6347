// swift-tools-version: 6.3
import PackageDescription

let settings: [SwiftSetting] = [
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableExperimentalFeature("Lifetimes"),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
  name: "guise",
  products: [
    .executable(name: "guise", targets: ["guise"]),
    .executable(name: "guise-load", targets: ["guise-load"]),
    .executable(name: "guise-uring", targets: ["guise-uring"]),
    .executable(name: "guise-handoff-bench", targets: ["guise-handoff-bench"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
  ],
  targets: [
    // What Swift cannot say to liburing and the kernel: no decision, no loop.
    .target(name: "CLiburing", path: "CLiburing", linkerSettings: [.linkedLibrary("uring")]),

    // toml++ for Swift: no decision.
    .target(name: "CTomlPlusPlus", path: "CTomlPlusPlus"),

    // The packet's path. No Foundation, no allocation after start.
    .target(name: "DataPlane", dependencies: ["CLiburing"], swiftSettings: settings),

    // What a running gateway tells of itself, and takes orders by: control socket, metrics, page.
    .target(
      name: "Telemetry",
      dependencies: [
        "CLiburing", "DataPlane",
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
      ],
      resources: [.embedInCode("Page/page.html")], swiftSettings: settings),

    // What surrounds it: host set-up, supervision, the log.
    .target(
      name: "Control",
      dependencies: [
        "CLiburing", "CTomlPlusPlus", "DataPlane", "Telemetry",
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: settings),

    .executableTarget(
      name: "guise",
      dependencies: [
        "Control", "DataPlane", "Telemetry",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: settings),

    // The load generator's arithmetic: what datagrams carry, what arrivals mean, reports.
    .target(name: "LoadModel", swiftSettings: settings),

    .executableTarget(
      name: "guise-load",
      dependencies: [
        "CLiburing", "LoadModel",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Histogram", package: "hdrhistogram-swift"),
      ],
      swiftSettings: settings),

    // The experiments behind docs/decisions/: ways to ask io_uring for the same thing, against each other.
    .executableTarget(
      name: "guise-uring",
      dependencies: [
        "CLiburing", "Control", "DataPlane", "LoadModel",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: settings),

    // What a hand-off between two cores costs.
    .executableTarget(
      name: "guise-handoff-bench",
      dependencies: [
        "CLiburing", "DataPlane", "LoadModel",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: settings),

    // What is fuzzed, and what must hold whatever the bytes. Tests read the corpus; libFuzzer goes on from there.
    .target(
      name: "FuzzTargets", dependencies: ["CLiburing", "Control", "DataPlane", "Telemetry"],
      path: "fuzz/FuzzTargets", swiftSettings: settings),

    .testTarget(
      name: "DataPlaneTests", dependencies: ["DataPlane", "CLiburing"],
      resources: [.copy("Vectors")], swiftSettings: settings),
    .testTarget(
      name: "ControlTests",
      dependencies: [
        "CLiburing", "Control", "DataPlane", "Telemetry", .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: settings),
    .testTarget(
      name: "TelemetryTests", dependencies: ["Telemetry", "DataPlane"], swiftSettings: settings),
    .testTarget(
      name: "CommandTests",
      dependencies: [
        "Control", "DataPlane", "Telemetry", "guise",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], swiftSettings: settings),
    .testTarget(name: "FuzzTests", dependencies: ["FuzzTargets"], swiftSettings: settings),
    .testTarget(name: "LoadTests", dependencies: ["LoadModel", "guise-load"], swiftSettings: settings),
    .testTarget(name: "UringTests", dependencies: ["guise-uring"], swiftSettings: settings),
    .testTarget(name: "EndToEndTests", swiftSettings: settings),
  ],
  swiftLanguageModes: [.v6],
  cxxLanguageStandard: .cxx17
)

// `make fuzz` alone has the program: libFuzzer must be linked in. Built for debugging but for the code that is fuzzed most,
// since to optimise all that the program depends on would take most of the time.
if Context.environment["GUISE_FUZZ"] != nil {
  package.targets += [
    .systemLibrary(name: "CLibFuzzer", path: "fuzz/CLibFuzzer"),
    .executableTarget(
      name: "guise-fuzz", dependencies: ["CLibFuzzer", "FuzzTargets"], path: "fuzz/guise-fuzz",
      swiftSettings: settings),
  ]
  for target in package.targets where ["DataPlane", "FuzzTargets"].contains(target.name) {
    target.swiftSettings?.append(.unsafeFlags(["-O"]))
  }
}

// swift-tools-version: 6.2
import PackageDescription

// Imports point one way:
//
//   CZMQ, CSystem <- ZeroMQ <-+
//                             +- RPC <-+- Tinsmith (public SDK) <-+
//            CProto <- Wire <-+        |                          +- CLI, Tools
// CKernels, CSystem <- Engine <--------+- Trainer <---------------+
//         JSON <- Tokenizers <--------+  Catalog <---------------+
//   Trainer, Catalog <- … Checkpoints
//   Operations <- CLI

let argumentParser: Target.Dependency = .product(
  name: "ArgumentParser", package: "swift-argument-parser")
let collections: Target.Dependency = .product(
  name: "DequeModule", package: "swift-collections")
let heap: Target.Dependency = .product(name: "HeapModule", package: "swift-collections")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let histogram: Target.Dependency = .product(name: "Histogram", package: "hdrhistogram-swift")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let metrics: Target.Dependency = .product(name: "Metrics", package: "swift-metrics")

let package = Package(
  name: "tinsmith",
  products: [
    .executable(name: "tinsmith", targets: ["CLI"]),
    .executable(name: "tinsmith-bench", targets: ["Bench"]),
    .executable(name: "tinsmith-load", targets: ["LoadTest"]),
    .executable(name: "tinsmith-conformance", targets: ["Conformance"]),
    .library(name: "Tinsmith", targets: ["Tinsmith"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.0.0"),
  ],
  targets: [
    // C
    .systemLibrary(name: "CZMQ", providers: [.apt(["libzmq3-dev"])]),
    .target(name: "CSystem"),
    .target(name: "CProto", linkerSettings: [.linkedLibrary("protobuf-c")]),
    .target(
      name: "CKernels",
      // -O3 in debug builds, too: numeric tests stay quick. No contraction: it moves bits.
      cSettings: [.unsafeFlags(["-O3", "-ffp-contract=off"])],
      linkerSettings: [.linkedLibrary("dl"), .linkedLibrary("pthread")]),
    // Libraries
    .target(name: "ZeroMQ", dependencies: ["CSystem", "CZMQ"]),
    .target(name: "Wire", dependencies: ["CProto"]),
    .target(
      name: "RPC", dependencies: ["ZeroMQ", "Wire", crypto, logging, collections, heap],
      exclude: ["README.md"]),
    .target(name: "JSON"),
    .target(name: "Engine", dependencies: ["CKernels", "CSystem", "JSON"]),
    .target(name: "Journal", dependencies: ["Engine", "Wire"]),
    .target(
      name: "Checkpoints", dependencies: ["Engine", "RPC", "Wire", crypto, logging]),
    // The only one with SQLite, apart from those that are changed often.
    .target(
      name: "Catalog", dependencies: ["Checkpoints", "Engine", "RPC", "Wire", grdb, logging]),
    .target(name: "Operations", dependencies: [metrics]),
    .target(name: "Tokenizers", dependencies: ["JSON"]),
    .target(
      name: "Trainer",
      dependencies: [
        "CSystem", "Checkpoints", "Engine", "Journal", "RPC", "Tokenizers", "Wire", "ZeroMQ",
        logging,
      ],
      resources: [.copy("Resources")]),
    .target(name: "Tinsmith", dependencies: ["RPC", "Wire"]),
    // Programs
    .executableTarget(
      name: "CLI",
      dependencies: [
        "Catalog", "Engine", "JSON", "Operations", "RPC", "Tinsmith", "Tokenizers", "Trainer",
        "Wire", "ZeroMQ", argumentParser, crypto, logging, metrics,
      ]),
    .target(
      name: "BenchPeers", dependencies: ["CZMQ"], path: "Tools/Bench/Peers",
      cSettings: [.unsafeFlags(["-O3"])]),
    .executableTarget(
      name: "Bench",
      dependencies: [
        "BenchPeers", "CKernels", "Engine", "Operations", "RPC", "Tinsmith", "Wire", "ZeroMQ",
        argumentParser,
      ],
      path: "Tools/Bench", exclude: ["Peers"]),
    .target(
      name: "LoadTestCore", dependencies: [histogram, yams], path: "Tools/LoadTest/Core"),
    .executableTarget(
      name: "LoadTest", dependencies: ["LoadTestCore", "RPC", "Tinsmith", "Wire", argumentParser],
      path: "Tools/LoadTest/Command"),
    .executableTarget(
      name: "Conformance", dependencies: ["Wire", "ZeroMQ", argumentParser, crypto],
      path: "Tools/Conformance/Runner"),
    // Tests
    .target(name: "TestSupport", dependencies: ["Engine"], path: "Tests/Support"),
    .testTarget(name: "JournalTests", dependencies: ["Engine", "Journal", "TestSupport", "Wire"]),
    .testTarget(name: "ZeroMQTests", dependencies: ["TestSupport", "ZeroMQ"]),
    .testTarget(name: "WireTests", dependencies: ["CProto", "TestSupport", "Wire"]),
    .testTarget(
      name: "RPCTests", dependencies: ["RPC", "TestSupport", "Wire", "ZeroMQ", collections]),
    .testTarget(
      name: "SimulationTests",
      dependencies: [
        "Engine", "Journal", "RPC", "TestSupport", "Trainer", "Wire", "ZeroMQ", collections, heap,
        logging,
      ]),
    .testTarget(name: "CKernelsTests", dependencies: ["CKernels"]),
    .testTarget(
      name: "EngineTests", dependencies: ["Engine", "CKernels", "JSON", "TestSupport", crypto],
      exclude: ["Fixtures"]),
    .testTarget(name: "OperationsTests", dependencies: ["Operations"]),
    .testTarget(
      name: "TokenizersTests", dependencies: ["JSON", "Tokenizers"], exclude: ["Fixtures"]),
    .testTarget(
      name: "CheckpointsTests",
      dependencies: ["Checkpoints", "Engine", "RPC", "TestSupport", "Wire"]),
    .testTarget(
      name: "CatalogTests",
      dependencies: ["Catalog", "Checkpoints", "Engine", "RPC", "TestSupport", "Wire"]),
    .testTarget(
      name: "TrainerTests",
      dependencies: [
        "Checkpoints", "Engine", "Journal", "RPC", "TestSupport", "Tinsmith", "Trainer", "Wire",
        "ZeroMQ",
      ]),
    .testTarget(name: "TinsmithTests", dependencies: ["Tinsmith", "RPC", "Wire"]),
    .testTarget(name: "LoadTestTests", dependencies: ["LoadTestCore"]),
    .testTarget(
      name: "IntegrationTests",
      dependencies: [
        "CLI", "Engine", "Operations", "RPC", "TestSupport", "Tinsmith", "Wire", "ZeroMQ",
      ]),
  ],
  swiftLanguageModes: [.v6]
)

for target in package.targets where target.type != .system {
  target.swiftSettings = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
  ]
}

// Optimizing these takes minutes and gains nothing: what they wait for is in other modules.
for target in package.targets where ["IntegrationTests", "RPCTests"].contains(target.name) {
  target.swiftSettings?.append(.unsafeFlags(["-Onone"]))
}

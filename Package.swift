// swift-tools-version: 6.2
import PackageDescription

// One direction of imports: CKernels <- Engine; CZMQ <- ZeroMQ, CProto <- Wire, both <- RPC.

let package = Package(
  name: "tinsmith",
  products: [],
  dependencies: [],
  targets: [
    .target(
      name: "CKernels",
      cSettings: [.unsafeFlags(["-O3", "-ffp-contract=off"])],
      linkerSettings: [.linkedLibrary("m"), .linkedLibrary("dl"), .linkedLibrary("pthread")]),
    .target(name: "Engine", dependencies: ["CKernels"]),
  ],
  swiftLanguageModes: [.v6]
)
for target in package.targets where ![.system, .plugin].contains(target.type) {
  target.swiftSettings = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
  ]
}

import Foundation
import Testing

@testable import Engine

/// The packed copy of a model's weights, which all workers of a host map.
@Suite struct PackedWeightsTests {
  @Test("A damaged one is noticed and made again", arguments: [0, 1, 2, 3])
  func damage(kind: Int) throws {
    let cache = "\(NSTemporaryDirectory())tinsmith-packed-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: cache) }
    let kernels = try Kernels(threads: 1)
    func load() throws {
      _ = try BaseModel(
        name: "qwen3", folder: "\(Golden.folder)/models/qwen3", cache: cache,
        storage: FileStorage(), kernels: kernels)
    }
    try load()
    let name = try #require(
      try FileManager.default.contentsOfDirectory(atPath: cache).first { $0.hasSuffix(".bin") })
    let file = URL(fileURLWithPath: "\(cache)/\(name)")
    let whole = try Data(contentsOf: file)
    var damaged = whole
    switch kind {
    case 0: damaged[whole.count / 3] ^= 0x10
    case 1: damaged[whole.count - 64] ^= 1
    case 2: damaged[whole.count - 1] ^= 0x80
    default: damaged.removeLast(64)
    }
    try damaged.write(to: file)
    try load()
    #expect(try Data(contentsOf: file) == whole)
  }
}

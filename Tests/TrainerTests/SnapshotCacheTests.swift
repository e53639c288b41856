import Testing

@testable import Engine
@testable import Trainer

@Suite struct SnapshotCacheTests {
  private func adapter() throws -> Adapter {
    let site = AdapterSite(index: 0, module: "m", group: .mlp, inputs: 4, outputs: 4)
    return try Adapter(config: LoRAConfig(rank: 1), sites: [site])
  }

  @Test func keepsTheRecentlyUsed() throws {
    var cache = SnapshotCache(capacity: 2)
    var loads: [String] = []
    func use(_ path: String) throws {
      _ = try cache.adapter(path) {
        loads.append(path)
        return try adapter()
      }
    }
    try use("a")
    try use("b")
    try use("a")
    try use("c")
    try use("a")
    #expect(loads == ["a", "b", "c"])
    try use("b")
    #expect(loads == ["a", "b", "c", "b"])
    cache.remove("a")
    try use("a")
    #expect(loads.last == "a")
  }
}

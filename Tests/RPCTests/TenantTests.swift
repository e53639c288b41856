import Testing
import Wire

@testable import RPC

/// Who is let in, and as whom.
@Suite struct TenantTests {
  private func acme() throws -> TenantDirectory {
    try TenantDirectory([
      Tenant(name: "acme", weight: 3, key: "k-acme"), Tenant(name: "zeta", key: "k-zeta"),
    ])
  }

  @Test func aListLetsOnlyItsKeysIn() throws {
    let directory = try acme()
    #expect(try directory.tenant(forKey: "k-acme") == "acme")
    #expect(directory.weight(of: "acme") == 3)
    #expect(directory.weight(of: "zeta") == 1)
    #expect(directory.weight(of: "default") == nil)
    for key in ["", "k", "acme", "k-acme "] {
      let error = #expect(throws: RPCError.self) { try directory.tenant(forKey: key) }
      #expect(error?.code == .unauthenticated)
      #expect(error?.field == "api_key")
    }
  }

  @Test func withoutAListEachKeyIsATenant() throws {
    let directory = TenantDirectory()
    #expect(try directory.tenant(forKey: "") == "default")
    // printf secret | sha256sum
    #expect(try directory.tenant(forKey: "secret") == "key-2bb80d537b1d")
    #expect(try directory.tenant(forKey: "other") != directory.tenant(forKey: "secret"))
    #expect(directory.weight(of: "key-2bb80d537b1d") == 1)
  }

  @Test(arguments: ["", "a.b", "a b", "é", String(repeating: "a", count: 65)])
  func namesAreChecked(name: String) {
    #expect(throws: RPCError.self) { try Tenant(name: name, key: "k") }
  }

  @Test(arguments: [0, -1, 1e-9, 1e9, .nan, .infinity])
  func weightsAreChecked(weight: Double) {
    #expect(throws: RPCError.self) { try Tenant(name: "a", weight: weight, key: "k") }
  }

  @Test func namesAndKeysAreUnique() throws {
    let one = try Tenant(name: "a", key: "k")
    let sameName = try Tenant(name: "a", key: "l")
    let sameKey = try Tenant(name: "b", key: "k")
    #expect(throws: RPCError.self) { try TenantDirectory([one, sameName]) }
    #expect(throws: RPCError.self) { try TenantDirectory([one, sameKey]) }
  }

  @Test func aTokenOfATenantThatIsNotListedIsRefused() throws {
    var bench = RouterBench(tenants: try acme())
    bench.request("r", seq: 0)
    #expect(bench.actions() == ["answer 0 UNAUTHENTICATED to 1 field session_token", "drop r"])
    bench.request("create", .trainingCreateModel, seq: 0, tenant: "zeta")
    #expect(bench.actions() == ["command open(stream: \"s:train:0\", epoch: 1) to 101"])
  }

  @Test(.timeLimit(.minutes(30))) func workersAreToldTheTenant() async throws {
    let fixture = try Fixture(tenants: [try Tenant(name: "acme", key: "k-acme")])
    let (channel, session) = try await fixture.session(apiKey: "k-acme")
    let seen = try await channel.stream("\(session):sample:0").call(
      .samplingComputeLogprobs, Payload.empty, Payload.self)
    #expect(seen.text == "acme")
    let error = await #expect(throws: RPCError.self) {
      try await fixture.session(apiKey: "k-other")
    }
    #expect(error?.code == .unauthenticated)
    await fixture.stop()
  }
}

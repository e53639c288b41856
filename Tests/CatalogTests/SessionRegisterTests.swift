import Checkpoints
import Engine
import Foundation
import TestSupport
import Testing
import Wire

@testable import Catalog

/// Which sessions are recorded, and for how long.
@Suite struct SessionRegisterTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func register(limit: Int = 1 << 30) -> SessionRegister {
    SessionRegister(dataFolder: folder.path, storage: FileStorage(), limit: limit)
  }

  private func add(
    _ id: String, tenant: String = "ann", to register: SessionRegister
  ) async -> String? {
    await withCheckedContinuation { continuation in
      register.add(
        SessionRecords.Session(id, tenant: tenant, CreateSessionRequest(displayName: id))
      ) { continuation.resume(returning: $0) }
    }
  }

  @Test func theNextProcessKnowsThoseThatHaveNotEnded() async throws {
    let first = register()
    for id in ["s1", "s2"] { #expect(await add(id, to: first) == nil) }
    #expect(await add("s3", tenant: "bob", to: first) == nil)
    first.ended("s2")
    #expect(!first.has("s2", of: "ann") && first.has("s1", of: "ann"))
    // Behind the removal.
    #expect(await add("s4", to: first) == nil)
    let second = register()
    #expect(Set(second.sessions(of: "ann").map(\.id)) == ["s1", "s4"])
    #expect(second.has("s3", of: "bob") && !second.has("s3", of: "ann"))
    #expect(second.records.session("s1")?.displayName == "s1")
    #expect(second.records.session("s2") == nil)
    // One whose record is damaged is none.
    let file = "\(folder.path)/models/s1/session.json"
    let text = try String(contentsOfFile: file, encoding: .utf8)
    try text.replacing("ann", with: "bob").write(
      toFile: file, atomically: true, encoding: .utf8)
    #expect(register().sessions(of: "bob").map(\.id) == ["s3"])
  }

  @Test func oneTenantCannotTakeAllTheRoom() async throws {
    let register = register(limit: 64 << 10)
    var refused: String?
    for number in 0..<8 where refused == nil {
      refused = await add("s\(number)", to: register)
    }
    #expect(refused?.contains("too many") == true)
    #expect(register.sessions(of: "ann").count == 4)
    #expect(await add("b", tenant: "bob", to: register) == nil)
    // Room comes back.
    register.ended("s0")
    register.ended("s1")
    #expect(await add("again", to: register) == nil)
  }

  @Test func whatCannotBeWrittenIsSaid() async throws {
    let path = "\(folder.path)/file"
    try Data().write(to: URL(fileURLWithPath: path))
    let register = SessionRegister(dataFolder: path, storage: FileStorage())
    #expect(await add("s", to: register)?.contains("cannot") == true)
    #expect(register.sessions(of: "ann").isEmpty)
  }

  /// Removed by the sweep like everything of a session that nobody knows.
  @Test func aSessionThatNobodyUsesIsSweptUp() async throws {
    let keeper = CheckpointKeeper(
      dataFolder: folder.path, storage: FileStorage(), leaseMilliseconds: 0)
    let problem = await withCheckedContinuation { continuation in
      keeper.sessionBegins("s", tenant: "ann", CreateSessionRequest()) {
        continuation.resume(returning: $0)
      }
    }
    #expect(problem == nil && keeper.register.has("s", of: "ann"))
    keeper.sessionsAlive([])
    keeper.sweepsDone()
    #expect(!keeper.register.has("s", of: "ann"))
    #expect(keeper.register.records.session("s") == nil)
  }
}

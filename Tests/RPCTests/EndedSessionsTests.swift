import Foundation
import Synchronization
import Testing
import Wire
import ZeroMQ

@testable import RPC

/// A token ends with its session and with its tenant's key, also over restarts.
@Suite(.timeLimit(.minutes(30))) struct EndedSessionsTests {
  private static func path() -> String {
    FileManager.default.temporaryDirectory
      .appendingPathComponent("ended-\(UInt64.random(in: 0 ... .max))").path
  }

  private func add(_ session: String, to file: EndedSessionsFile) async -> RPCError? {
    await withCheckedContinuation { done in file.add(session) { done.resume(returning: $0) } }
  }

  @Test func whatIsAddedIsLoadedAgain() async throws {
    let path = Self.path()
    defer { unlink(path) }
    var file = try EndedSessionsFile(path: path)
    #expect(try file.load().isEmpty)
    #expect(await add("a", to: file) == nil)
    #expect(await add("b", to: file) == nil)
    #expect(await add("a", to: file) == nil)
    #expect(try file.load() == [SessionDigest("a"), SessionDigest("b")])
    // A crash may leave a part of a record.
    let handle = try #require(FileHandle(forWritingAtPath: path))
    try handle.seekToEnd()
    try handle.write(contentsOf: Data([1, 2, 3]))
    try handle.close()
    file = try EndedSessionsFile(path: path)
    #expect(await add("c", to: file) == nil)
    #expect(try EndedSessionsFile(path: path).load().last == SessionDigest("c"))
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)).count == 3 * SessionDigest.size)
  }

  @Test func theFileIsBounded() async throws {
    let path = Self.path()
    defer { unlink(path) }
    let file = try EndedSessionsFile(path: path, limit: 10)
    for number in 0..<95 { _ = await add("s\(number)", to: file) }
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)).count < 20 * SessionDigest.size)
    #expect(try file.load() == (85..<95).map { SessionDigest("s\($0)") })
    #expect(try EndedSessionsFile(path: path, limit: 10).load() == file.load())
  }

  @Test func whatCannotBeWrittenIsNotKept() async throws {
    let path = Self.path()
    defer { unlink(path) }
    let isFull = Mutex(true)
    let file = try EndedSessionsFile(path: path, limit: 10) { _ in !isFull.withLock { $0 } }
    #expect(await add("a", to: file) != nil)
    #expect(await add("b", to: file) != nil)
    #expect(try EndedSessionsFile(path: path).load().isEmpty)
    isFull.withLock { $0 = false }
    #expect(await add("b", to: file) == nil)
    #expect(await add("a", to: file) == nil)
    #expect(
      try EndedSessionsFile(path: path).load() == [SessionDigest("b"), SessionDigest("a")])
  }

  @Test func whatIsNoFileIsRefused() throws {
    let path = Self.path()
    mkfifo(path, 0o600)
    defer { unlink(path) }
    #expect(throws: RPCError.self) { try EndedSessionsFile(path: path) }
    #expect(throws: RPCError.self) { try EndedSessionsFile(path: "/nowhere/at/all") }
  }

  @Test func digestsHaveTheirBytes() {
    let digest = SessionDigest("s")
    #expect(digest.bytes.count == SessionDigest.size)
    #expect(SessionDigest(digest.bytes[...]) == digest)
    #expect(SessionDigest("t") != digest)
  }

  /// One router after the other, with one key and one file.
  private func serve(
    _ path: String, tenants: [Tenant] = [], _ context: Context,
    flush: @escaping @Sendable (Int32) -> Bool = { fdatasync($0) == 0 }
  ) throws -> (RouterServer, String) {
    let name = "inproc://ended-\(UInt64.random(in: 0 ... .max))"
    var configuration = RouterConfiguration(listen: name, workers: name + "-workers")
    configuration.sessionKey = [UInt8](repeating: 5, count: 32)
    configuration.tenants = tenants
    configuration.endings = try EndedSessionsFile(path: path, limit: 100, flush: flush)
    let router = try RouterServer(configuration, context: context)
    try router.start()
    return (router, name)
  }

  private func heartbeat(_ token: String, _ endpoint: String, _ context: Context) async -> RPCError?
  {
    do {
      let channel = try ClientChannel(ClientConfiguration(endpoint: endpoint), context: context)
      channel.use(sessionToken: token)
      _ = try await channel.control.call(
        .sessionsHeartbeat, HeartbeatRequest(), HeartbeatResponse.self)
      await channel.closeAndWait()
      return nil
    } catch {
      return error as? RPCError
    }
  }

  @Test func aFinishedSessionsTokenIsOfNoUseAfterARestart() async throws {
    let path = Self.path()
    defer { unlink(path) }
    let context = try Context()
    var (router, endpoint) = try serve(path, context)
    let channel = try ClientChannel(ClientConfiguration(endpoint: endpoint), context: context)
    var tokens: [String] = []
    for _ in 0..<2 {
      let created = try await channel.control.call(
        .sessionsCreate, CreateSessionRequest(), CreateSessionResponse.self)
      tokens.append(created.token)
      channel.use(sessionToken: created.token)
      guard tokens.count == 1 else { break }
      _ = try await channel.stream(created.sessionID).call(
        .sessionsFinish, FinishSessionRequest(reason: .unspecified), FinishSessionResponse.self)
    }
    await channel.closeAndWait()
    router.stop()
    try await router.wait()
    (router, endpoint) = try serve(path, context)
    #expect(await heartbeat(tokens[0], endpoint, context)?.code == .unauthenticated)
    #expect(await heartbeat(tokens[1], endpoint, context) == nil)
    router.stop()
    try await router.wait()
  }

  /// It goes on meanwhile, as its client believes, who asks until it is ended for good.
  @Test func aSessionWhoseEndCannotBeRecordedGoesOn() async throws {
    let path = Self.path()
    defer { unlink(path) }
    let context = try Context()
    let isFull = Mutex(true)
    let attempts = Mutex(0)
    let flush: @Sendable (Int32) -> Bool = { _ in
      attempts.withLock { $0 += 1 }
      return !isFull.withLock { $0 }
    }
    var (router, endpoint) = try serve(path, context, flush: flush)
    let channel = try ClientChannel(ClientConfiguration(endpoint: endpoint), context: context)
    let created = try await channel.control.call(
      .sessionsCreate, CreateSessionRequest(), CreateSessionResponse.self)
    channel.use(sessionToken: created.token)
    // The channel sends it again as long as it is UNAVAILABLE.
    let finish = channel.stream(created.sessionID).submit(
      .sessionsFinish, FinishSessionRequest(reason: .unspecified), FinishSessionResponse.self)
    while attempts.withLock({ $0 }) < 2 { try await Task.sleep(for: .milliseconds(20)) }
    #expect(await heartbeat(created.token, endpoint, context) == nil)
    isFull.withLock { $0 = false }
    _ = try await finish.value()
    await channel.closeAndWait()
    #expect(await heartbeat(created.token, endpoint, context)?.code == .unauthenticated)
    router.stop()
    try await router.wait()
    (router, endpoint) = try serve(path, context)
    #expect(await heartbeat(created.token, endpoint, context)?.code == .unauthenticated)
    router.stop()
    try await router.wait()
  }

  @Test func aTokenEndsWithItsTenantsKey() throws {
    let secret = [UInt8](repeating: 5, count: 32)
    func authority(_ key: String, _ name: String = "acme") throws -> SessionAuthority {
      SessionAuthority(
        key: secret, tenants: try TenantDirectory([Tenant(name: name, weight: 2, key: key)]))
    }
    let token = try authority("old").token(for: "s1", tenant: "acme")
    #expect(try authority("old").grant(of: token)?.tenant == "acme")
    #expect(try authority("new").grant(of: token) == nil)
    #expect(try authority("old", "other").grant(of: token) == nil)
    #expect(SessionAuthority(key: secret).grant(of: token) == nil)
    // Without a list there is no key that could change.
    let open = SessionAuthority(key: secret)
    #expect(open.grant(of: open.token(for: "s1"))?.session == "s1")
    #expect(try authority("old", "default").grant(of: open.token(for: "s1")) == nil)
  }
}

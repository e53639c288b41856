internal import Synchronization
internal import Wire

/// What router and keeper, two threads, tell each other besides messages.
final class RouterBoard: Sendable {
  private let numbers = Mutex((counters: RouterCounters(), report: [String: Double]()))
  private let heartbeats = Mutex<[String: UInt64]>([:])

  /// The router's numbers, at most a second old.
  var statistics: RouterCounters { numbers.withLock { $0.counters } }

  /// The numbers of router, workers and tenants by name, at most a second old.
  var report: [String: Double] { numbers.withLock { $0.report } }

  func publish(_ counters: RouterCounters, report: [String: Double]) {
    numbers.withLock { $0 = (counters, report) }
  }

  /// A session gave a sign of life (also one from before a restart: leases run only while the
  /// service is up).
  func beat(session: String) {
    heartbeats.withLock { $0[session] = Monotonic.milliseconds() }
  }

  /// Sessions whose lease runs.
  var liveSessions: Int { heartbeats.withLock { $0.count } }

  func remove(session: String) { heartbeats.withLock { $0[session] = nil } }

  /// Sessions without a sign of life for a whole lease; they are counted anew from here.
  func expiredSessions(now: UInt64) -> [String] {
    heartbeats.withLock { heartbeats in
      let lease = UInt64(RouterLimits.leaseSeconds) * 1000
      let expired = heartbeats.filter { now >= $0.value + lease }.map(\.key)
      for session in expired { heartbeats[session] = now }
      return expired
    }
  }
}

/// The keeper's built-in methods: sessions, ping, health and numbers. It runs as a worker on a
/// thread beside the router; a service adds `Admin.Capabilities` and the catalog's methods.
enum Keeper {
  /// - Parameter ended: called when a client finished its session.
  static func methods(
    authority: SessionAuthority, tenants: TenantDirectory, board: RouterBoard,
    expectedWorkers: Int, ended: @escaping @Sendable (String) -> Void
  ) -> MethodTable {
    var table = MethodTable()
    addSessions(to: &table, authority, tenants, board, ended)
    let started = Monotonic.milliseconds()
    table.handle(.adminPing, Payload.self, Payload.self) { request, _, reply in
      // PingRequest and PingResponse have the same form.
      reply.finish(request)
    }
    table.answer(.adminHealth, HealthRequest.self) { _, _ in
      let alive = board.statistics.workers
      return HealthResponse(
        status: alive >= expectedWorkers ? .serving : .degraded, workersAlive: alive,
        workersExpected: expectedWorkers,
        uptimeMilliseconds: Monotonic.milliseconds() - started)
    }
    table.answer(.adminStats, StatsRequest.self) { _, _ in
      StatsResponse(values: board.report)
    }
    return table
  }

  private static func addSessions(
    to table: inout MethodTable, _ authority: SessionAuthority, _ tenants: TenantDirectory,
    _ board: RouterBoard, _ ended: @escaping @Sendable (String) -> Void
  ) {
    table.answer(.sessionsCreate, CreateSessionRequest.self) { request, _ in
      let tenant = try tenants.tenant(forKey: request.apiKey)
      guard board.liveSessions < RouterLimits.sessions else {
        throw RPCError(
          .resourceExhausted, "more than \(RouterLimits.sessions) sessions",
          retryAfterMilliseconds: 1000)
      }
      let session = makeSessionID()
      board.beat(session: session)
      return CreateSessionResponse(
        sessionID: session, token: authority.token(for: session, tenant: tenant),
        leaseSeconds: RouterLimits.leaseSeconds, heartbeatSeconds: RouterLimits.heartbeatSeconds)
    }
    table.answer(.sessionsHeartbeat, HeartbeatRequest.self) { _, context in
      board.beat(session: try session(of: context, authority))
      return HeartbeatResponse(leaseSeconds: RouterLimits.leaseSeconds)
    }
    table.answer(.sessionsFinish, FinishSessionRequest.self) { _, context in
      let session = try session(of: context, authority)
      board.remove(session: session)
      ended(session)
      return FinishSessionResponse()
    }
  }

  private static func session(
    of context: CallContext, _ authority: SessionAuthority
  ) throws -> String {
    guard let grant = authority.grant(of: context.sessionToken) else {
      throw RPCError(.unauthenticated, "the session token is not valid", field: "session_token")
    }
    return grant.session
  }

  /// 20 letters and digits, 100 random bits: whoever names a session knows it.
  static func makeSessionID() -> String {
    let alphabet = Array("abcdefghijkmnpqrstuvwxyz23456789")
    return "s" + String((0..<20).map { _ in alphabet[Int.random(in: 0..<alphabet.count)] })
  }
}

extension MethodTable {
  /// `Admin.WorkerPing`, which goes through router and worker and computes nothing.
  package static var workerPing: MethodTable {
    var table = MethodTable()
    table.handle(.adminWorkerPing, Payload.self, Payload.self) { request, _, reply in
      reply.finish(request)
    }
    return table
  }
}

internal import Synchronization
internal import Wire

/// What router and keeper, two threads, tell each other besides messages.
final class RouterBoard: Sendable {
  private let numbers = Mutex((counters: RouterCounters(), report: [String: Double]()))
  private let refused = Mutex<[String: String]>([:])
  private let count = Atomic<UInt64>(0)
  private let endedWorkers = Mutex<[(name: String, crashed: Bool)]>([])
  /// Spares the router a lock in each turn.
  private let hasEndedWorkers = Atomic(false)
  private let stalledWorkers = Mutex<[(name: String, reason: String)]>([])
  /// The answer of `Admin.Stats`, made once for all who ask until the next numbers come.
  private let answer = Mutex<Payload?>(nil)

  /// The router's numbers, at most a second old.
  var statistics: RouterCounters { numbers.withLock { $0.counters } }

  /// The numbers of router, workers and tenants by name, at most a second old.
  var report: [String: Double] { numbers.withLock { $0.report } }

  /// Base models that were to be served and cannot be, with the reasons.
  var refusedModels: [String: String] { refused.withLock { $0 } }

  func publish(
    _ counters: RouterCounters, report: [String: Double], refusedModels: [String: String] = [:]
  ) {
    numbers.withLock { $0 = (counters, report) }
    refused.withLock { $0 = refusedModels }
    count.wrappingAdd(1, ordering: .releasing)
    answer.withLock { $0 = nil }
  }

  /// The numbers as `Admin.Stats` sends them.
  var reportAnswer: Payload {
    answer.withLock { answer in
      if let answer { return answer }
      let made = StatsResponse(values: report).encode()
      answer = made
      return made
    }
  }

  /// A supervised worker does nothing any more.
  func workerStalled(_ name: String, reason: String) {
    stalledWorkers.withLock { stalled in
      stalled.removeAll { $0.name == name }
      stalled.append((name, reason))
    }
  }

  /// What stalled since the last call.
  func takeStalledWorkers() -> [(name: String, reason: String)] {
    stalledWorkers.withLock { stalled in
      defer { if !stalled.isEmpty { stalled = [] } }
      return stalled
    }
  }

  /// How often numbers were published: while this grows, the router's loop turns.
  var publications: UInt64 { count.load(ordering: .acquiring) }

  /// A worker process ended; the router hears of it at its next turn.
  func workerEnded(_ name: String, crashed: Bool) {
    endedWorkers.withLock {
      $0.append((name, crashed))
      hasEndedWorkers.store(true, ordering: .releasing)
    }
  }

  /// What ended since the last call.
  func takeEndedWorkers() -> [(name: String, crashed: Bool)] {
    guard hasEndedWorkers.load(ordering: .acquiring) else { return [] }
    return endedWorkers.withLock { ended in
      defer { ended = [] }
      hasEndedWorkers.store(false, ordering: .releasing)
      return ended
    }
  }
}

/// The keeper's built-in methods: sessions, ping, health and numbers. It runs as a worker on a
/// thread beside the router; a service adds the catalog's methods.
enum Keeper {
  /// - Parameters:
  ///   - endings: where clients that finish their sessions have them ended.
  ///   - capabilities: what is to be served; nil for a router that does not know.
  static func methods(
    authority: SessionAuthority, tenants: TenantDirectory, board: RouterBoard,
    rules: RouterRules, sessionBegins: @escaping RouterConfiguration.SessionBegins,
    endings: SessionEndings, capabilities: CapabilitiesResponse?
  ) -> MethodTable {
    var table = MethodTable()
    addSessions(to: &table, authority, tenants, rules, sessionBegins)
    addFinish(to: &table, authority, endings)
    let started = Monotonic.milliseconds()
    table.answer(.adminPing) { (request: PingRequest, _) in PingResponse(payload: request.payload) }
    // What workers found wrong with a base model, and what the router did.
    let refusedModels: @Sendable () -> [String: String] = {
      board.refusedModels.merging(capabilities?.refusedModels ?? [:]) { first, _ in first }
    }
    table.answer(.adminHealth, HealthRequest.self) { _, _ in
      let (alive, refused) = (board.statistics.workers, refusedModels())
      return HealthResponse(
        status: alive >= rules.expectedWorkers && refused.isEmpty ? .serving : .degraded,
        workersAlive: alive, workersExpected: rules.expectedWorkers,
        uptimeMilliseconds: Monotonic.milliseconds() - started, refusedModels: refused)
    }
    if let capabilities {
      table.answer(.adminCapabilities, CapabilitiesRequest.self) { _, _ in
        var answer = capabilities
        answer.refusedModels = refusedModels()
        answer.models.removeAll { answer.refusedModels[$0.name] != nil }
        return answer
      }
    }
    table.answer(.adminStats, StatsRequest.self) { _, _ in board.reportAnswer }
    return table
  }

  private static func addSessions(
    to table: inout MethodTable, _ authority: SessionAuthority, _ tenants: TenantDirectory,
    _ rules: RouterRules, _ sessionBegins: @escaping RouterConfiguration.SessionBegins
  ) {
    let leaseSeconds = Int(max(1, rules.leaseMilliseconds / 1000))
    table.handle(.sessionsCreate, CreateSessionRequest.self, CreateSessionResponse.self) {
      request, _, reply in
      do {
        let tenant = try tenants.tenant(forKey: request.apiKey)
        let session = makeSessionID()
        sessionBegins(session, tenant, request) { problem in
          reply.finish(
            CreateSessionResponse(
              sessionID: session, token: authority.token(for: session, tenant: tenant),
              leaseSeconds: leaseSeconds, heartbeatSeconds: RouterLimits.heartbeatSeconds,
              warningMessage: problem.map { "the session will not be listed: \($0)" } ?? ""))
        }
      } catch {
        reply.fail(RPCError(wrapping: error))
      }
    }
    table.answer(.sessionsHeartbeat, HeartbeatRequest.self) { _, context in
      // The router has renewed the lease, as with every request of the session.
      _ = try session(of: context, authority)
      return HeartbeatResponse(leaseSeconds: leaseSeconds)
    }
  }

  /// The answer waits until the end is recorded: a client that has it can count on that its token
  /// is of no use to anybody, also after a restart. A session whose end cannot be recorded goes on,
  /// and its client asks again.
  private static func addFinish(
    to table: inout MethodTable, _ authority: SessionAuthority, _ endings: SessionEndings
  ) {
    table.handle(.sessionsFinish, FinishSessionRequest.self, FinishSessionResponse.self) {
      _, context, reply in
      do {
        let session = try session(of: context, authority)
        endings.end(session) { problem in
          if let problem {
            reply.fail(
              RPCError(
                .unavailable,
                "the session goes on: its end cannot be recorded: \(problem.message)",
                retryAfterMilliseconds: UInt32(RouterLimits.endingMilliseconds)))
          } else {
            reply.finish(FinishSessionResponse())
          }
        }
      } catch {
        reply.fail(RPCError(wrapping: error))
      }
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

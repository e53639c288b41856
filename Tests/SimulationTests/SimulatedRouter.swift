import Wire
import ZeroMQ

@testable import RPC

/// The router's loop: `RouterState` with the keeper beside it.
final class SimulatedRouter {
  private static let authority = SessionAuthority(key: [UInt8](repeating: 1, count: 32))
  /// Made once: an HMAC for each schedule would be a tenth of its time.
  private static let tokens = (0..<4).map { authority.token(for: "s\($0)", tenant: "default") }

  private let rules: RouterRules
  private(set) var state: RouterState
  private(set) var keeper: SimulatedProcess?
  private var parcels: [Parcel: Message] = [:]
  private var lastParcel: Int32 = 0
  private var starts: UInt64 = 0
  private var actions: [RouterAction] = []

  init(isSupervised: Bool, window: Int) {
    var rules = RouterRules()
    rules.expectedWorkers = 2
    rules.recoveryMilliseconds = 700
    rules.workerTimeoutMilliseconds = 2000
    rules.gapMilliseconds = 4000
    rules.silenceMilliseconds = 5000
    rules.windowRequests = window
    rules.recoversModels = true
    if isSupervised { rules.supervisedWorkers = ["w0", "w1", "w2"] }
    self.rules = rules
    state = RouterState(rules, authority: Self.authority, tenants: TenantDirectory(), now: 0)
  }

  static func token(_ session: Int) -> String { tokens[session] }
  var isSupervised: Bool { !rules.supervisedWorkers.isEmpty }

  /// Starts it, or starts it again: what was in memory is gone, every connection breaks.
  func start(in world: World) {
    starts += 1
    var rules = rules
    rules.firstEpoch = starts * 1000
    state = RouterState(
      rules, authority: Self.authority, tenants: TenantDirectory(), now: world.now)
    parcels = [:]
    keeper?.kill(in: world)
    for connection in world.upConnections {
      world.cut(connection)
      (connection.end as? any Reconnecting)?.connectionBroke(connection, in: world)
    }
    keeper = SimulatedProcess(nil, incarnation: world.nextIncarnation(), in: world)
    tick(starts, in: world)
  }

  private func tick(_ start: UInt64, in world: World) {
    guard start == starts else { return }
    state.tick(now: world.now)
    perform(in: world)
    world.after(world.now < World.faultsEnd ? 60 : 200) { [self] in tick(start, in: $0) }
  }

  func workerEnded(_ name: String, crashed: Bool, in world: World) {
    world.trace("\(name) has ended\(crashed ? " by itself" : "")")
    state.workerEnded(name, crashed: crashed, now: world.now)
    perform(in: world)
  }

  /// The router notices a broken connection.
  func lost(_ connection: Connection, in world: World) {
    if connection.end is SimulatedClient {
      state.lost(client: connection.id)
    } else {
      state.lost(worker: connection.id, now: world.now)
    }
    perform(in: world)
  }

  func receive(_ message: Message, from connection: Connection, in world: World) {
    if message.header.isEmpty {
      if let control = message.control.withUnsafeBytes({ try? WorkerMessage(decoding: $0) }) {
        state.control(control, from: connection.id, now: world.now)
      }
      return perform(in: world)
    }
    lastParcel += 1
    let parcel = Parcel(first: lastParcel)
    parcels[parcel] = message
    message.header.withUnsafeBytes { frame in
      if connection.end is SimulatedClient {
        guard let peek = try? RequestPeek(frame) else { return }
        state.request(
          peek, parcel, bytes: message.header.count + message.payload.byteCount,
          cost: 1, from: connection.id, now: world.now)
      } else if let peek = try? ResponsePeek(frame) {
        state.response(peek, parcel, from: connection.id, now: world.now)
      }
    }
    perform(in: world)
  }

  // MARK: Actions

  private func perform(in world: World) {
    while true {
      state.takeActions(into: &actions)
      if actions.isEmpty { return }
      let list = actions
      for action in list { perform(action, in: world) }
    }
  }

  private func perform(_ action: RouterAction, in world: World) {
    switch action {
    case .forward(let parcel, let target):
      guard let message = parcels.removeValue(forKey: parcel) else { return }
      tell(target, message, in: world)
    case .forwardRenamed(let parcel, let stream, let target):
      guard var message = parcels.removeValue(forKey: parcel),
        var header = message.header.withUnsafeBytes({ try? RequestHeader(decoding: $0) })
      else { return }
      header.stream = stream
      message.header = header.encoded()
      tell(target, message, in: world)
    case .tombstone(let header, let target):
      tell(target, Message(header: header.encoded()), in: world)
    case .command(let command, let target):
      if case .open = command { world.isOpening(at: target) }
      tell(target, Message(header: [], control: command.encoded()), in: world)
    case .deliver(let parcel, let client):
      guard let message = parcels.removeValue(forKey: parcel) else { return }
      answer(client, message, in: world)
    case .deliverUnnamed(let parcel, let client):
      guard var message = parcels.removeValue(forKey: parcel),
        var header = message.header.withUnsafeBytes({ try? ResponseHeader(decoding: $0) })
      else { return }
      header.stream = ""
      message.header = header.encoded()
      answer(client, message, in: world)
    case .answer(let header, let client):
      answer(client, Message(header: header.encoded()), in: world)
    case .drop(let parcel): parcels[parcel] = nil
    case .sessionExpired, .note, .warning, .stalled: break
    }
  }

  private func tell(_ target: ConnectionID, _ message: Message, in world: World) {
    if let connection = world.connection(target),
      world.send(message, on: connection, toRouter: false)
    {
      return
    }
    // Nobody is there, or takes it. Until the system has told, what is sent is just lost.
    guard world.connection(target) != nil || world.chance(60) else { return }
    world.trace("#\(target.number) cannot be reached")
    state.lost(worker: target, now: world.now)
  }

  private func answer(_ client: ConnectionID, _ message: Message, in world: World) {
    guard let connection = world.connection(client) else {
      if world.chance(60) { state.lost(client: client) }
      return
    }
    guard !world.send(message, on: connection, toRouter: false) else { return }
    // A client that does not read loses its connection.
    world.cut(connection)
    state.lost(client: client)
    (connection.end as? any Reconnecting)?.connectionBroke(connection, in: world)
  }

  /// Nothing is held, nothing is out, nothing is counted.
  func check(in world: World) {
    let counters = state.counters
    if counters.held != 0 || counters.inFlight != 0 || state.heldBytes != 0 {
      world.problem(
        "the router holds \(counters.held), has \(counters.inFlight) in flight, "
          + "\(state.heldBytes) bytes")
    }
    for session in state.sessions where session.outstanding != Account() {
      world.problem("session \(session.id) has \(session.outstanding) on its account")
    }
    for tenant in state.tenants.records where tenant.waiting != 0 || tenant.inFlight != 0 {
      world.problem("a tenant has \(tenant.waiting) waiting, \(tenant.inFlight) in flight")
    }
    for worker in state.workers where worker.inFlight != 0 || worker.waiting != 0 {
      world.problem("a worker has \(worker.inFlight) in flight, \(worker.waiting) waiting")
    }
  }
}

/// An end that can make a new connection.
protocol Reconnecting: Connected {
  func connectionBroke(_ connection: Connection, in world: World)
}

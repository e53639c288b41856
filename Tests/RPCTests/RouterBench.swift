import Testing
import Wire
import ZeroMQ

@testable import RPC

/// Drives a `RouterState` with events and shows its actions as short lines, so that a test reads
/// as a table: what happens, what the router does.
struct RouterBench {
  var state: RouterState
  var now: UInt64 = 1000
  let authority: SessionAuthority
  /// Sessions whose lease ran out end; otherwise that cannot be recorded.
  var endsSessions = true
  private var parcels: Int32 = 0
  private var names: [Parcel: String] = [:]

  static let client = ConnectionID(1)
  static let other = ConnectionID(2)
  static let worker = ConnectionID(101)
  static let second = ConnectionID(102)
  static let keeper = ConnectionID(100)

  /// A router with a keeper and one registered worker, whose greetings are done.
  init(
    _ change: (inout RouterRules) -> Void = { _ in }, registered: Bool = true,
    tenants: TenantDirectory = TenantDirectory(), endings: [SessionDigest] = []
  ) {
    var rules = RouterRules()
    change(&rules)
    authority = SessionAuthority(key: [UInt8](repeating: 1, count: 32), tenants: tenants)
    state = RouterState(
      rules, authority: authority, tenants: tenants, endings: endings, now: now)
    var hello = WorkerHello(name: "keeper")
    hello.isKeeper = true
    state.control(.hello(hello), from: Self.keeper, now: now)
    if registered { register() }
    _ = actions()
  }

  mutating func register(
    _ worker: ConnectionID = RouterBench.worker, _ name: String = "w1",
    room: WorkerRoom = WorkerRoom(), streams: [OwnedStream] = [], incarnation: UInt64 = 0,
    numerics: NumericsClass = NumericsClass(version: "", precision: "")
  ) {
    var hello = WorkerHello(name: name)
    hello.numericsVersion = numerics.version
    hello.precision = numerics.precision
    hello.incarnation = incarnation
    hello.room = room
    hello.streams = streams
    state.control(.hello(hello), from: worker, now: now)
  }

  /// Sends a request; `text` names its message in the actions.
  mutating func request(
    _ text: String, _ method: Method = .trainingOptimStep, _ stream: String = "s:train:0",
    seq: UInt64, acked: UInt64 = 0, from client: ConnectionID = RouterBench.client,
    session: String? = "s", tenant: String = Tenant.defaultName, bytes: Int = 100, cost: UInt64 = 1,
    timeout: UInt32 = 0, excess: ReceivedMessage.Excess? = nil,
    change: (inout RequestHeader) -> Void = { _ in }
  ) {
    var header = RequestHeader(
      method: method, stream: stream, seq: seq, acked: acked,
      sessionToken: session.map { authority.token(for: $0, tenant: tenant) } ?? "",
      timeoutMilliseconds: timeout)
    change(&header)
    let parcel = name(text)
    header.encoded().withUnsafeBytes { frame in
      guard let peek = try? RequestPeek(frame) else { return }
      state.request(
        peek, parcel, bytes: bytes, cost: cost, excess: excess, from: client, now: now)
    }
  }

  /// Sends a response.
  mutating func response(
    _ text: String, _ stream: String = "s:train:0", seq: UInt64, code: StatusCode = .ok,
    epoch: UInt64 = 1, event: Event = .final, from worker: ConnectionID = RouterBench.worker,
    cost: UInt64 = 0
  ) {
    var header = ResponseHeader(
      stream: stream, seq: seq, epoch: epoch, code: code, event: event)
    header.costPromptTokens = cost
    let parcel = name(text)
    header.encoded().withUnsafeBytes { frame in
      guard let peek = try? ResponsePeek(frame) else { return }
      state.response(peek, parcel, from: worker, now: now)
    }
  }

  mutating func control(_ message: WorkerMessage, from worker: ConnectionID = RouterBench.worker) {
    state.control(message, from: worker, now: now)
  }

  /// Sends a sampling request, which may go to any worker.
  mutating func sample(
    _ text: String, _ stream: String = "s:sample:0", seq: UInt64 = 1, cost: UInt64 = 1,
    from client: ConnectionID = RouterBench.client, session: String? = nil,
    tenant: String = Tenant.defaultName
  ) {
    request(
      text, .samplingSample, stream, seq: seq, from: client,
      session: session ?? String(stream.prefix { $0 != ":" }), tenant: tenant, cost: cost)
  }

  mutating func sampled(
    _ text: String, _ stream: String = "s:sample:0", seq: UInt64 = 1, code: StatusCode = .ok,
    from worker: ConnectionID = RouterBench.worker, cost: UInt64 = 0
  ) {
    response(text, stream, seq: seq, code: code, epoch: 0, from: worker, cost: cost)
  }

  mutating func ended(_ worker: String = "w1", crashed: Bool) {
    state.workerEnded(worker, crashed: crashed, now: now)
  }

  /// Time passes, with a tick at least every half second, as of a router that runs on time.
  mutating func pass(_ milliseconds: UInt64) {
    var left = milliseconds
    repeat {
      let step = min(left, RouterState.punctualMilliseconds)
      now += step
      left -= step
      state.tick(now: now)
      if endsSessions { endExpired() }
    } while left > 0
  }

  /// What a router does that can record it at once.
  private mutating func endExpired() {
    for case .sessionExpired(let session) in state.actions { state.end(session: session, now) }
    state.actions.removeAll { if case .sessionExpired = $0 { true } else { false } }
  }

  var report: [String: Double] { state.report(now: now) }

  /// Creates the stream and answers its creation.
  mutating func create(_ stream: String = "s:train:0", worker: ConnectionID = RouterBench.worker) {
    request("create", .trainingCreateModel, stream, seq: 0)
    control(.opened(OwnedStream(stream: stream, nextSeq: 0, epoch: 1)), from: worker)
    response("created", stream, seq: 0, from: worker)
    _ = actions()
  }

  private mutating func name(_ text: String) -> Parcel {
    parcels += 1
    let parcel = Parcel(first: parcels)
    names[parcel] = text
    return parcel
  }

  /// What the router did since the last call.
  mutating func actions() -> [String] {
    var list: [RouterAction] = []
    state.takeActions(into: &list)
    return list.map(describe)
  }

  private func describe(_ action: RouterAction) -> String {
    switch action {
    case .forward(let parcel, let worker): "forward \(text(parcel)) to \(worker.number)"
    case .forwardRenamed(let parcel, let stream, let worker):
      "forward \(text(parcel)) as \(stream) to \(worker.number)"
    case .tombstone(let header, let worker):
      "tombstone \(header.seq) \(header.refusalCode) to \(worker.number)"
        + (header.refusalField.isEmpty ? "" : " field \(header.refusalField)")
    case .deliver(let parcel, let client): "deliver \(text(parcel)) to \(client.number)"
    case .deliverUnnamed(let parcel, let client):
      "deliver \(text(parcel)) unnamed to \(client.number)"
    case .answer(let header, let client):
      "answer \(header.seq) \(header.code) to \(client.number)"
        + (header.field.isEmpty ? "" : " field \(header.field)")
    case .command(.verify(let stream, let seq, let epoch), let worker):
      "ask \(worker.number) for \(stream) \(seq) at \(epoch)"
    case .command(let message, let worker): "command \(message) to \(worker.number)"
    case .drop(let parcel): "drop \(text(parcel))"
    case .sessionExpired(let session): "expired \(session)"
    case .note(let line): "note \(line)"
    case .warning(let line): "warning \(line)"
    case .stalled(let worker, let reason): "stalled \(worker): \(reason)"
    }
  }

  private func text(_ parcel: Parcel) -> String { names[parcel] ?? "?" }
}

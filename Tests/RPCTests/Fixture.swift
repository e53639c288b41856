import Foundation
import Synchronization
import Testing
import Wire
import ZeroMQ

@testable import RPC

/// A router, workers and a service that records what it runs, all as threads over `inproc://` (or
/// over TCP).
final class Fixture: Sendable {
  let context: Context
  let router: RouterServer
  let services: [WorkerService]
  let recorder: Recorder
  let sessionKey: [UInt8]

  private static let count = Atomic(0)

  init(
    workers: Int = 1, tcp: Bool = false, rules: RouterRules = RouterRules(),
    recorder: Recorder = Recorder(), tenants: [Tenant] = [],
    clientLimits: ListenerLimits = .clients,
    configure: (inout WorkerConfiguration) -> Void = { _ in }
  ) throws {
    let number = Self.count.add(1, ordering: .relaxed).newValue
    context = try Context()
    self.recorder = recorder
    var configuration = RouterConfiguration(
      listen: tcp ? "tcp://127.0.0.1:*" : "inproc://clients-\(number)",
      workers: tcp ? "tcp://127.0.0.1:*" : "inproc://workers-\(number)")
    configuration.rules = rules
    configuration.rules.expectedWorkers = workers
    configuration.tenants = tenants
    configuration.clientLimits = clientLimits
    sessionKey = configuration.sessionKey
    router = try RouterServer(configuration, context: context)
    try router.start()
    var services: [WorkerService] = []
    for index in 0..<workers {
      var worker = WorkerConfiguration(endpoint: router.workerEndpoint, name: "w\(index)")
      configure(&worker)
      let service = try WorkerService(
        worker, methods: recorder.methods(worker: worker.name), context: context)
      try service.start()
      services.append(service)
    }
    self.services = services
  }

  deinit {
    for service in services { service.stop() }
    router.stop()
  }

  func stop() async {
    for service in services { service.stop() }
    router.stop()
    for service in services { try? await service.wait() }
    try? await router.wait()
  }

  func channel(_ change: (inout ClientConfiguration) -> Void = { _ in }) throws -> ClientChannel {
    var configuration = ClientConfiguration(endpoint: router.clientEndpoint)
    change(&configuration)
    return try ClientChannel(configuration, context: context)
  }

  /// A channel with a session.
  func session(
    apiKey: String = "", _ change: (inout ClientConfiguration) -> Void = { _ in }
  ) async throws -> (ClientChannel, String) {
    let channel = try channel(change)
    let created = try await channel.control.call(
      .sessionsCreate, CreateSessionRequest(apiKey: apiKey), CreateSessionResponse.self)
    channel.use(sessionToken: created.token)
    return (channel, created.sessionID)
  }

  /// A token of a session that the keeper knows nothing of, which routers accept all the same.
  func token(_ session: String) -> String {
    SessionAuthority(key: sessionKey).token(for: session)
  }
}

/// A service whose answers tell how often and in which order requests ran.
final class Recorder: Sendable {
  struct Run: Sendable, Equatable {
    var stream: String
    var seq: UInt64
    var body: String
    var worker: String
  }

  private let state = Mutex<[Run]>([])
  private let gate = Mutex<(isClosed: Bool, waiting: [@Sendable () -> Void])>((false, []))

  var runs: [Run] { state.withLock { $0 } }

  /// While it is closed, `OptimStep` requests wait.
  func closeGate() { gate.withLock { $0.isClosed = true } }

  func openGate() {
    let waiting = gate.withLock { gate in
      defer { gate = (false, []) }
      return gate.waiting
    }
    for resume in waiting { resume() }
  }

  private func pass(_ body: @escaping @Sendable () -> Void) {
    let isOpen = gate.withLock { gate in
      if gate.isClosed { gate.waiting.append(body) }
      return !gate.isClosed
    }
    if isOpen { body() }
  }

  private func record(_ context: CallContext, _ request: Payload, _ worker: String) -> Int {
    state.withLock { runs in
      runs.append(
        Run(
          stream: context.stream, seq: context.seq,
          body: request.body.count > 64 ? "" : request.text, worker: worker))
      return runs.count
    }
  }

  /// CreateModel and OptimStep count; Forward echoes; Sample and GetInfo fail in two ways;
  /// ComputeLogprobs tells the tenant.
  func methods(worker: String) -> MethodTable {
    var table = MethodTable.workerPing
    for method in [Method.trainingCreateModel, .trainingOptimStep] {
      table.handle(method, Payload.self, Payload.self) { request, context, reply in
        let count = self.record(context, request, worker)
        self.pass {
          if context.isCancelled { return reply.fail(RPCError(.cancelled, "seen by the handler")) }
          reply.finish(Payload(text: "\(request.text)#\(count)"))
        }
      }
    }
    table.handle(.trainingForward, Payload.self, Payload.self) { request, context, reply in
      _ = self.record(context, request, worker)
      reply.finish(request)
    }
    table.handle(.trainingGetInfo, Payload.self, Payload.self) { _, _, _ in }
    table.handle(.samplingComputeLogprobs, Payload.self, Payload.self) { _, context, reply in
      reply.finish(Payload(text: String(context.tenant)))
    }
    table.handle(.samplingSample, Payload.self, Payload.self) { request, context, reply in
      _ = self.record(context, request, worker)
      for piece in 0..<3 { reply.partial(Payload(text: "piece \(piece)"), offset: UInt64(piece)) }
      reply.finish(Payload(text: "whole"))
    }
    return table
  }
}

extension Payload {
  init(text: String) { self.init(body: Bytes(Array(text.utf8))) }

  var text: String { String(decoding: body.array, as: UTF8.self) }
}

/// Waits until something is so, or two seconds passed.
func eventually(_ condition: () -> Bool) async throws -> Bool {
  for _ in 0..<200 {
    if condition() { return true }
    try await Task.sleep(for: .milliseconds(10))
  }
  return condition()
}

/// A socket that sends whatever frames a test likes.
final class RawClient {
  let socket: Socket
  private var poller = Poller()

  init(_ fixture: Fixture) throws {
    socket = try Socket(fixture.context, .dealer)
    try socket.connect(fixture.router.clientEndpoint)
    try poller.add(socket)
  }

  func send(_ frames: [[UInt8]]) throws {
    for (index, frame) in frames.enumerated() {
      _ = try frame.withUnsafeBytes { try socket.send($0, more: index + 1 < frames.count) }
    }
  }

  func send(_ header: RequestHeader, _ body: String = "") throws {
    try send([header.encoded(), Array(body.utf8)])
  }

  /// The next response, nil after a time-out.
  func receive(milliseconds: Int = 3000) throws -> (header: ResponseHeader, body: String)? {
    guard try poller.wait(milliseconds: milliseconds) else { return nil }
    var frames: [[UInt8]] = []
    while let (frame, more) = try socket.receive({ ([UInt8]($0), $1) }) {
      frames.append(frame)
      if !more { break }
    }
    let header = try frames[0].withUnsafeBytes { try ResponseHeader(decoding: $0) }
    return (header, frames.count > 1 ? String(decoding: frames[1], as: UTF8.self) : "")
  }
}

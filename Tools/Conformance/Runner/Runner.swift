import Foundation
import Wire
import ZeroMQ

/// Executes a scenario, one step after the other.
final class Runner {
  /// A request: (stream, seq).
  struct Key: Hashable {
    let stream: String
    let seq: UInt64
  }

  /// What a step sent, or only speaks of.
  final class Request {
    let name: String
    let key: Key
    /// The name of the session whose token it carries.
    let session: String?
    let method: Wire.Method?
    let frames: [[UInt8]]
    /// The connection on which it was sent, resent or awaited last.
    var connection: String

    init(
      name: String, key: Key, session: String?, method: Wire.Method?, frames: [[UInt8]],
      connection: String
    ) {
      self.name = name
      self.key = key
      self.session = session
      self.method = method
      self.frames = frames
      self.connection = connection
    }
  }

  /// Longest wait for an answer.
  private static let patience: Duration = .seconds(120)

  private let endpoint: String
  private let scenario: Scenario
  private let context: Context
  private var connections: [String: Connection] = [:]
  private var sessions: [String: (id: String, token: String)] = [:]
  private var requests: [String: [Request]] = [:]
  private var finals: [Key: [Connection.Reply]] = [:]
  private var heartbeats: UInt64 = 1 << 33
  var partials: [Key: [Connection.Reply]] = [:]
  var remembered: [String: Payload] = [:]
  var lines = Lines()

  init(endpoint: String, scenario: Scenario) throws {
    self.endpoint = endpoint
    self.scenario = scenario
    context = try Context()
  }

  /// - Throws: what made a step impossible.
  func run() throws {
    for step in scenario.steps { try perform(step) }
    lines.end()
  }

  private func perform(_ step: Step) throws {
    let name = step.name ?? ""
    switch step.do {
    case nil: break
    case .connect: connections[try given(step.connection)] = try Connection(endpoint, context)
    case .close: connections[try given(step.connection)] = nil
    case .pause: Thread.sleep(forTimeInterval: Double(step.ms ?? 0) / 1000)
    case .send: requests[name] = try make(step)
    case .frames:
      let frames = try (step.frames ?? []).map(Bodies.hexBytes)
      requests[name] = [
        Request(
          name: name, key: Key(stream: "", seq: 0), session: nil, method: nil, frames: frames,
          connection: try given(step.on))
      ]
    case .resend: for request in try named(name) { request.connection = try given(step.on) }
    case .await, .cancel:
      try speak(of: step, step.do == .await ? .futuresAwait : .futuresCancel)
      return
    case .partial:
      for request in try named(name) {
        try receive(request, until: { partials[request.key] != nil })
      }
    case .final: try finish(step)
    }
    guard step.do == .send || step.do == .frames || step.do == .resend else { return }
    for request in try named(name) { try transmit(request) }
  }

  // MARK: Sending

  private func make(_ step: Step) throws -> [Request] {
    let text = step.method?.text
    let method = Wire.Method.allCases.first { "\($0.service).\($0.name)" == text }
    let payload: Payload
    if let hex = step.bodyHex {
      payload = Payload(body: Bytes(try Bodies.hexBytes(hex)))
    } else if let method, var body = try step.body?.mapTexts(real) {
      if let name = body["data"]?.text, case .object(var members) = body {
        members["data"] = scenario.data[name]
        body = .object(members)
      }
      payload = try Bodies.message(method, body)
        .encode(inlineLimit: step.attachments == true ? 0 : .max)
    } else {
      payload = .empty
    }
    let behind = [payload.body.array] + payload.attachments.map(\.array)
    return try (0..<(step.count ?? 1)).map { offset in
      let key = Key(stream: try real(step.stream ?? ""), seq: (step.seq ?? 0) + offset)
      var header = try header(method ?? .adminPing, key, step.session)
      if let number = step.method?.number { header.methodNumber = UInt32(number) }
      header.version = step.version ?? 1
      header.acked = step.acked ?? 0
      header.timeoutMilliseconds = step.timeoutMs ?? 0
      header.costPromptTokens = step.costPromptTokens ?? 0
      header.costNewTokens = step.costNewTokens ?? 0
      header.sessionToken = step.token ?? header.sessionToken
      for flag in step.flags ?? [] { header.flags.formUnion(try Self.flag(flag)) }
      return Request(
        name: step.name ?? "", key: key, session: step.session, method: method,
        frames: [header.encoded()] + behind, connection: try given(step.on))
    }
  }

  private static func flag(_ name: String) throws -> RequestHeader.Flags {
    switch name {
    case "STREAM": .stream
    case "APPLY_PARTIAL": .applyPartial
    case "TOMBSTONE": .tombstone
    default: throw Failure("no flag \(name)")
    }
  }

  private func header(
    _ method: Wire.Method, _ key: Key, _ session: String?
  ) throws -> RequestHeader {
    let token = try session.map { try given(sessions[$0]).token } ?? ""
    return RequestHeader(
      method: method, stream: key.stream, seq: key.seq, clientName: "tinsmith-conformance",
      sessionToken: token)
  }

  private func transmit(_ request: Request) throws {
    try given(connections[request.connection]).send(request.frames)
  }

  /// Await and cancel: the key of another request, and no body.
  private func speak(of step: Step, _ method: Wire.Method) throws {
    let name = step.name ?? ""
    if let stream = step.stream {
      let key = Key(stream: try real(stream), seq: step.seq ?? 0)
      requests[name] = [
        Request(
          name: name, key: key, session: step.session, method: nil, frames: [],
          connection: try given(step.on))
      ]
    }
    for request in try named(name) {
      request.connection = try given(step.on)
      let header = try header(method, request.key, request.session)
      try given(connections[request.connection]).send([header.encoded(), []])
    }
  }

  // MARK: Receiving

  private func receive(_ request: Request, until isDone: () -> Bool) throws {
    let connection = try given(connections[request.connection])
    let deadline = ContinuousClock.now + Self.patience
    while !isDone() {
      guard ContinuousClock.now < deadline else { throw Failure("no answer for \(request.name)") }
      guard let reply = try connection.receive(milliseconds: 10_000) else {
        if let session = sessions.keys.first {
          heartbeats += 1
          let key = Key(stream: "", seq: heartbeats)
          try connection.send([header(.sessionsHeartbeat, key, session).encoded(), []])
        }
        continue
      }
      let key = Key(stream: reply.header.stream, seq: reply.header.seq)
      switch reply.header.event {
      case .final: finals[key, default: []].append(reply)
      case .partial: partials[key, default: []].append(reply)
      case .accepted: break
      }
    }
  }

  /// The next FINAL of a request, codes that ask for it waited out.
  private func final(_ request: Request, once: Bool) throws -> Connection.Reply {
    while true {
      try receive(request, until: { finals[request.key]?.isEmpty == false })
      let reply = try given(finals[request.key]?.removeFirst())
      guard reply.header.code.isRetryable, !once else { return reply }
      let wait = max(10, reply.header.retryAfterMilliseconds)
      Thread.sleep(forTimeInterval: Double(wait) / 1000)
      try transmit(request)
    }
  }

  private func finish(_ step: Step) throws {
    let show = step.show ?? []
    let replies = try named(step.name ?? "").map {
      (request: $0, reply: try final($0, once: step.once ?? false))
    }
    if show == ["count"] {
      let codes = Dictionary(grouping: replies, by: { $0.reply.header.code.description })
      for (code, list) in codes.sorted(by: { $0.key < $1.key }) {
        lines.line("count", step.name ?? "", code, "\(list.count)")
      }
      return
    }
    for (request, reply) in replies {
      if let name = step.bind {
        let answer = try CreateSessionResponse.decode(reply.payload)
        sessions[name] = (answer.sessionID, answer.token)
      }
      for item in show { try self.show(item, request, reply) }
      remembered[request.name] = reply.payload
    }
  }

  // MARK: Names

  private func named(_ name: String) throws -> [Request] {
    guard let found = requests[name] else { throw Failure("no request is called \(name)") }
    return found
  }

  private func given<Value>(_ value: Value?) throws -> Value {
    guard let value else { throw Failure("a step names something that is not there") }
    return value
  }

  /// A text of the scenario with the ids of sessions put in.
  private func real(_ text: String) throws -> String {
    sessions.reduce(text) { $0.replacing("${\($1.key)}", with: $1.value.id) }
  }

  /// A text to be printed, with the names of sessions for their ids.
  func hidden(_ text: String) -> String {
    sessions.reduce(text) { $0.replacing($1.value.id, with: "${\($1.key)}") }
  }
}

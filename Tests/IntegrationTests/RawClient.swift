import Testing
import Tinsmith
import Wire
import ZeroMQ

/// A client that sends what it is told, in whatever order: no channel, no rules.
final class RawClient {
  struct Reply {
    var header: ResponseHeader
    var payload: Payload
  }

  private let socket: Socket
  private var poller = Poller()
  private(set) var token = ""
  private(set) var session = ""

  /// Connects to a service (the shared one under test unless another is given) and creates a
  /// session.
  init(endpoint: String? = nil, apiKey: String = "") async throws {
    var endpoint = endpoint
    if endpoint == nil { endpoint = try await TestService.running().endpoint }
    socket = try Socket(try Context(), .dealer)
    try socket.setLinger(milliseconds: 0)
    try socket.connect(try #require(endpoint))
    try poller.add(socket)
    try send(RequestHeader(method: .sessionsCreate), CreateSessionRequest(apiKey: apiKey).encode())
    let created = try await CreateSessionResponse.decode(final(seq: 0).payload)
    (token, session) = (created.token, created.sessionID)
  }

  /// A header of a stream of this session.
  func header(_ method: Method, _ part: String, _ seq: UInt64) -> RequestHeader {
    RequestHeader(
      method: method, stream: "\(session):\(part)", seq: seq, clientName: "raw",
      sessionToken: token)
  }

  func send(_ header: RequestHeader, _ payload: Payload) throws {
    try send([header.encoded(), payload.body.array] + payload.attachments.map(\.array))
  }

  /// Sends frames as they are.
  func send(_ frames: [[UInt8]]) throws {
    for (index, frame) in frames.enumerated() {
      let sent = try frame.withUnsafeBytes {
        try socket.send($0, more: index + 1 < frames.count)
      }
      guard sent else { throw Failure("the socket takes no more") }
    }
  }

  /// The next response of any kind.
  func receive() async throws -> Reply {
    let clock = ContinuousClock()
    let deadline = clock.now + .seconds(60)
    while try !poller.wait(milliseconds: 0) {
      guard clock.now < deadline else { throw Failure("no answer within a minute") }
      try await Task.sleep(for: .milliseconds(2))
    }
    var frames: [[UInt8]] = []
    while let more = try socket.receive({ bytes, more in
      frames.append([UInt8](bytes))
      return more
    }), more {}
    guard let first = frames.first else { throw Failure("an empty answer") }
    let header = try first.withUnsafeBytes { try ResponseHeader(decoding: $0) }
    let rest = frames.dropFirst().map { Bytes($0) }
    return Reply(
      header: header,
      payload: Payload(body: rest.first ?? .empty, attachments: Array(rest.dropFirst())))
  }

  /// The final answer of a seq; others are passed over.
  func final(seq: UInt64) async throws -> Reply {
    while true {
      let reply = try await receive()
      if reply.header.event == .final, reply.header.seq == seq { return reply }
    }
  }

  /// Final answers until there is one for each of the seqs below `count`.
  func finals(_ count: Int) async throws -> [UInt64: Reply] {
    var replies: [UInt64: Reply] = [:]
    while replies.count < count {
      let reply = try await receive()
      if reply.header.event == .final { replies[reply.header.seq] = reply }
    }
    return replies
  }
}

internal import Synchronization
internal import Wire

/// The session of a service client: created at its first use, the parent of all streams.
final class Session: Sendable {
  /// What `Sessions.Create` is told.
  struct Description: Sendable {
    var apiKey = ""
    var displayName = ""
    var projectID = ""
    var tags: [String] = []
    var userMetadata: [String: String] = [:]
    var timeout: Duration?
  }

  /// A session that the service knows.
  struct Established: Sendable {
    let id: String
    let transport: any Transport
    let timeout: Duration?

    /// The stream of a model, of a sampling session, or of calls about checkpoints.
    func sender(_ part: String) -> StreamSender {
      StreamSender("\(id):\(part)", transport: transport, timeout: timeout)
    }
  }

  private struct State {
    var transport: Result<any Transport, TinsmithError>?
    var established: Pending<Established>?
    var control: StreamSender?
    var models = 0
    var samplers = 0
    var isClosed = false
  }

  private let description: Description
  private let connect: @Sendable () throws(TinsmithError) -> any Transport
  private let state = Mutex(State())

  init(
    _ description: Description,
    connect: @escaping @Sendable () throws(TinsmithError) -> any Transport
  ) {
    self.description = description
    self.connect = connect
  }

  /// The number of the next model of this session; its creation is named by it, so it is taken
  /// when the call is made.
  func nextModel() -> Int {
    state.withLock { state in
      defer { state.models += 1 }
      return state.models
    }
  }

  /// The number of the next sampling session.
  func nextSampler() -> Int {
    state.withLock { state in
      defer { state.samplers += 1 }
      return state.samplers
    }
  }

  /// The connection, opened at its first use.
  func transport() throws(TinsmithError) -> any Transport {
    try state.withLock { state in transport(&state) }.get()
  }

  /// The session, created at its first use; if that failed, this tries again.
  func established() -> Pending<Established> {
    state.withLock { state in
      if let established = state.established, !established.hasFailed { return established }
      let established: Pending<Established>
      switch transport(&state) {
      case .failure(let error): established = Pending(failed: error)
      case .success(let transport):
        let sender = StreamSender("", transport: transport, timeout: description.timeout)
        established = create(sender)
      }
      state.established = established
      return established
    }
  }

  /// The stream of calls about checkpoints, sessions and models.
  func control() async throws -> StreamSender {
    let established = try await established().value()
    return state.withLock { state in
      if let control = state.control { return control }
      let control = established.sender("checkpoints")
      state.control = control
      return control
    }
  }

  /// Ends the session at the service, if there is one, and the connection.
  func close(reason: FinishReason, detail: String) async {
    let (transport, established) = state.withLock { state in
      state.isClosed = true
      return (state.transport, state.established)
    }
    guard case .success(let transport)? = transport else { return }
    if let established, let session = try? await established.value() {
      let request = FinishSessionRequest(reason: reason, detail: detail)
      let call = OutgoingCall(
        .sessionsFinish, payload: request.encode(), timeout: .seconds(5))
      // The session ends by itself if this one does not arrive.
      _ = try? await session.transport.send(call).value()
    }
    transport.close()
  }

  private func transport(_ state: inout State) -> Result<any Transport, TinsmithError> {
    if state.isClosed { return .failure(TinsmithError(.cancelled, "the client was closed")) }
    if let transport = state.transport { return transport }
    let transport = Result { () throws(TinsmithError) in try connect() }
    state.transport = transport
    return transport
  }

  private func create(_ sender: StreamSender) -> Pending<Established> {
    let request = CreateSessionRequest(
      apiKey: description.apiKey, displayName: description.displayName, tags: description.tags,
      userMetadata: description.userMetadata, sdkVersion: ServiceClient.version,
      projectID: description.projectID)
    let answer = sender.send(.sessionsCreate, request, as: CreateSessionResponse.self)
    return Pending {
      let response = try await answer.value()
      sender.transport.use(token: response.token)
      return Established(
        id: response.sessionID, transport: sender.transport, timeout: sender.timeout)
    }
  }
}

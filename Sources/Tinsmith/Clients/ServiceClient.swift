internal import Wire

/// The way into a service: makes training and sampling clients.
///
/// A session is created at the first call that needs one and lives until `close`, or until the
/// service has not heard of this process for a while.
///
/// ```swift
/// let service = ServiceClient()
/// let training = try await service.createLoRATrainingClient(
///   baseModel: "tinsmith/mini", rank: 32).value()
/// ```
public final class ServiceClient: Sendable {
  /// Version of this library.
  public static let version = "0.1.0"
  /// Where `tinsmith serve` listens unless told otherwise.
  public static let defaultEndpoint = "tcp://127.0.0.1:7410"

  /// How a session ended.
  public enum Ending: Sendable, Hashable {
    /// The program did what it was to do.
    case success
    /// It failed.
    case errored
    /// Somebody stopped it.
    case interrupted
  }

  let session: Session
  private let timeout: Duration?

  /// A client. Nothing is sent before the first call.
  ///
  /// - Parameters:
  ///   - endpoint: where the service listens, e.g. `tcp://host:7410` or `ipc:///path`.
  ///   - apiKey: the user's key; empty where the service asks for none.
  ///   - displayName: a name of the session for people.
  ///   - projectID: sessions of one project are accounted together.
  ///   - tags: free labels.
  ///   - userMetadata: free text.
  ///   - timeout: how long each answer is wanted; nil for ever.
  ///   - patience: how long a service that cannot be reached is waited for.
  public convenience init(
    endpoint: String = ServiceClient.defaultEndpoint, apiKey: String = "",
    displayName: String = "", projectID: String = "", tags: [String] = [],
    userMetadata: [String: String] = [:], timeout: Duration? = nil,
    patience: Duration = .seconds(300)
  ) {
    let description = Session.Description(
      apiKey: apiKey, displayName: displayName, projectID: projectID, tags: tags,
      userMetadata: userMetadata, timeout: timeout)
    self.init(
      Session(description) { () throws(TinsmithError) in
        try ChannelTransport(
          endpoint: endpoint, clientName: "tinsmith-swift/\(ServiceClient.version)",
          patience: patience)
      }, timeout: timeout)
  }

  /// A client over another transport.
  package convenience init(transport: any Transport) {
    self.init(Session(Session.Description()) { transport }, timeout: nil)
  }

  private init(_ session: Session, timeout: Duration?) {
    self.session = session
    self.timeout = timeout
  }

  /// What the service offers. Needs no session.
  public func getServerCapabilities() -> Pending<ServerCapabilities> {
    do throws(TinsmithError) {
      let sender = StreamSender("", transport: try session.transport(), timeout: timeout)
      let answer = sender.send(
        .adminCapabilities, CapabilitiesRequest(), as: CapabilitiesResponse.self)
      return Pending { ServerCapabilities(try await answer.value()) }
    } catch {
      return Pending(failed: error)
    }
  }

  /// Counters and gauges of the service by name, e.g. `router.in_flight`. Needs no session.
  public func stats() -> Pending<[String: Double]> {
    do throws(TinsmithError) {
      let sender = StreamSender("", transport: try session.transport(), timeout: timeout)
      let answer = sender.send(.adminStats, StatsRequest(), as: StatsResponse.self)
      return Pending { try await answer.value().values }
    } catch {
      return Pending(failed: error)
    }
  }

  /// Suspends while more is waiting to be sent than this process should hold. A loop that submits
  /// far ahead of the service awaits it between calls.
  public func ready() async {
    if let transport = try? session.transport() { await transport.ready() }
  }

  /// Ends the session and the connection. Calls without an answer fail.
  public func close(_ ending: Ending = .success, detail: String = "") async {
    let reason: FinishReason =
      switch ending {
      case .success: .success
      case .errored: .errored
      case .interrupted: .interrupted
      }
    await session.close(reason: reason, detail: detail)
  }
}

import Foundation
import LoadTestCore
import RPC
import Tinsmith
import Wire

/// One session of a tenant: an SDK client, and where the load pings a channel of its own, because
/// the null method is not part of the SDK.
final class Connection: Sendable {
  let client: ServiceClient
  private let channel: ClientChannel?
  private let pings: StreamHandle?

  /// - Throws: `RPCError` if the system gives no thread or socket, or the tenant has no access.
  init(endpoint: String, tenant: LoadTestCore.Tenant, timeout: Double?, pings isPinging: Bool)
    async throws
  {
    client = ServiceClient(
      endpoint: endpoint, apiKey: tenant.key, displayName: "tinsmith-load \(tenant.name)",
      timeout: timeout.map { .seconds($0) })
    guard isPinging else {
      (channel, pings) = (nil, nil)
      return
    }
    var configuration = ClientConfiguration(endpoint: endpoint)
    configuration.clientName = "tinsmith-load"
    let channel = try ClientChannel(configuration)
    let session = try await channel.control.call(
      .sessionsCreate, CreateSessionRequest(apiKey: tenant.key, displayName: "tinsmith-load ping"),
      CreateSessionResponse.self)
    channel.use(sessionToken: session.token)
    self.channel = channel
    // A null request belongs to no session; its stream only needs a name that nobody else has.
    pings = channel.stream("tinsmith-load-\(UUID().uuidString)")
  }

  /// Suspends while more bytes wait to be sent than this process should hold.
  func ready(toPing: Bool) async {
    if toPing { await channel?.ready() } else { await client.ready() }
  }

  /// Sends a null request of so many bytes.
  func ping(
    bytes: Int, timeout: Double?, done: @escaping @Sendable (RequestOutcome) -> Void
  ) -> @Sendable () -> Void {
    guard let pings else {
      done(.failed("INTERNAL"))
      return {}
    }
    var options = CallOptions()
    options.timeout = timeout.map { .seconds($0) }
    let request = PingRequest(payload: Bytes([UInt8](repeating: 0, count: bytes)))
    let pending = pings.submit(
      .adminWorkerPing, request, PingResponse.self, options: options)
    pending.whenDone { result in
      switch result {
      case .success: done(.ok)
      case .failure(let error): done(.failed(error.code.description))
      }
    }
    return { pending.cancel() }
  }

  /// Ends session and connections.
  func close() async {
    if let channel {
      var options = CallOptions()
      options.timeout = .seconds(5)
      // The session ends by itself if this does not arrive.
      _ = try? await channel.control.submit(
        .sessionsFinish, FinishSessionRequest(reason: .success), FinishSessionResponse.self,
        options: options
      ).value()
      await channel.closeAndWait()
    }
    await client.close()
  }
}

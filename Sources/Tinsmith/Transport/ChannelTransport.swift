internal import RPC
internal import Synchronization
internal import Wire

/// The real connection: an RPC channel, and the handle of each of its streams.
final class ChannelTransport: Transport {
  private let channel: ClientChannel
  private let streams = Mutex<[String: StreamHandle]>([:])

  /// - Throws: `TinsmithError` if the system gives no thread or socket.
  init(endpoint: String, clientName: String, patience: Duration) throws(TinsmithError) {
    var configuration = ClientConfiguration(endpoint: endpoint)
    configuration.clientName = clientName
    let (seconds, attoseconds) = patience.components
    configuration.patienceMilliseconds =
      UInt64(clamping: seconds) &* 1000 &+ UInt64(clamping: attoseconds / 1_000_000_000_000_000)
    do {
      channel = try ClientChannel(configuration)
    } catch {
      throw TinsmithError(RPCError(wrapping: error))
    }
  }

  func send(_ call: OutgoingCall) -> Pending<Answer> {
    var options = CallOptions()
    options.timeout = call.timeout
    options.costPromptTokens = UInt64(clamping: call.promptTokens)
    options.costNewTokens = UInt64(clamping: call.newTokens)
    if call.onPartial != nil { options.flags.insert(.stream) }
    if call.appliesPartial { options.flags.insert(.applyPartial) }
    let pending = handle(call.stream).submit(
      call.method, call.payload, Payload.self, options: options)
    if let onPartial = call.onPartial {
      let partials = pending.partials()
      Task {
        for await partial in partials {
          onPartial(partial.response, Int(clamping: partial.offset))
        }
      }
    }
    return Pending {
      do {
        let (payload, info) = try await pending.answer()
        return Answer(payload: payload, cacheHitTokens: Int(clamping: info.cacheHitTokens))
      } catch {
        throw TinsmithError(RPCError(wrapping: error))
      }
    }
  }

  func use(token: String) { channel.use(sessionToken: token) }

  func ready() async { await channel.ready() }

  func close() { channel.close() }

  /// A stream has one handle, which counts its seqs.
  private func handle(_ name: String) -> StreamHandle {
    if name.isEmpty { return channel.control }
    return streams.withLock { streams in
      if let handle = streams[name] { return handle }
      let handle = channel.stream(name)
      streams[name] = handle
      return handle
    }
  }
}

extension TinsmithError {
  /// What the RPC layer reports.
  init(_ error: RPCError) {
    self.init(status: error.code, message: error.message, field: error.field)
  }
}

internal import Synchronization
package import ZeroMQ

/// What other threads tell a channel's loop.
enum ChannelEvent: Sendable {
  case submit(ClientCall)
  case cancel(ClientCall)
  case token(String)
}

/// A connection to a router: one socket, one I/O thread, any number of streams.
///
/// A session is not a connection: when the connection is lost the channel opens another one and
/// sends again what has no answer. Requests keep their keys, so nothing runs twice.
package final class ClientChannel: Sendable {
  private let thread: LoopThread
  private let outbox: Outbox<ChannelEvent>
  private let backpressure: Backpressure
  private let stopFlag: StopFlag

  /// Calls outside of any stream (`Sessions.Create`, `Admin`): they run as they come.
  package let control: StreamHandle

  /// - Parameter context: must be the router's when the endpoint is `inproc://`.
  package init(_ configuration: ClientConfiguration, context: Context) throws {
    let outbox = try Outbox<ChannelEvent>()
    let backpressure = Backpressure(limit: configuration.encodedBytes)
    let stopFlag = StopFlag()
    self.outbox = outbox
    self.backpressure = backpressure
    self.stopFlag = stopFlag
    control = StreamHandle(name: "", firstSeq: 0, outbox: outbox, backpressure: backpressure)
    thread = LoopThread(name: "rpc-client") {
      let loop = try ChannelLoop(
        configuration, context: context, outbox: outbox, backpressure: backpressure,
        stopFlag: stopFlag)
      loop.run()
    }
    try thread.start()
  }

  deinit { close() }

  /// A stream by its name, e.g. `<session>:train:0`. A name must have one handle only.
  /// - Parameter firstSeq: 0 for a new stream, whose first request creates it; otherwise the seq
  ///   behind the last one whose answer was received.
  package func stream(_ name: String, firstSeq: UInt64 = 0) -> StreamHandle {
    StreamHandle(name: name, firstSeq: firstSeq, outbox: outbox, backpressure: backpressure)
  }

  /// The token sent with every request from now on, and kept alive by heartbeats.
  package func use(sessionToken: String) { outbox.push(.token(sessionToken)) }

  /// Suspends while more bytes than the limit wait in this process.
  package func ready() async { await backpressure.ready() }

  /// Ends the channel: calls without an answer fail with UNAVAILABLE.
  package func close() {
    stopFlag.set()
    outbox.wakeIfSleeping()
  }

  /// Closes the channel and waits until its thread has ended.
  package func closeAndWait() async {
    close()
    // An error of the loop has failed its calls already.
    try? await thread.wait()
  }
}

/// A flag that one thread sets for another.
final class StopFlag: Sendable {
  private let flag = Atomic(false)

  var isSet: Bool { flag.load(ordering: .sequentiallyConsistent) }
  func set() { flag.store(true, ordering: .sequentiallyConsistent) }
}

package import Wire

/// What makes the streams of a worker outlive it: it is told of every request that takes a seq and of
/// what it led to, before anybody else is, and gives a stream's log back when the stream is opened
/// anew, here or at another worker.
package protocol StreamJournal: Sendable {
  /// The router gives this worker a stream. Called on the loop thread, so it must not wait.
  /// - Parameters:
  ///   - epoch: greater than that of any owner before.
  ///   - done: to be called once, from any thread.
  func open(_ stream: String, epoch: UInt64, done: @escaping @Sendable (OpenedLog) -> Void)

  /// A request takes its seq and begins to run. Called on the loop thread, in order of the seqs.
  func admitted(_ request: AdmittedRequest)

  /// A request has an outcome that takes its seq. From any thread.
  /// - Parameters:
  ///   - epoch: at which the stream was open when the request was admitted. What was begun before the
  ///     stream was closed and opened anew is not for the new opening.
  ///   - ran: whether its handler decided it; not so for deadlines, cancels and refusals.
  ///   - durable: to be called once the outcome and everything before it is on disk; until then
  ///     nobody is told of it. If it cannot be written the stream must be closed instead.
  func finished(
    _ stream: String, epoch: UInt64, seq: UInt64, _ outcome: Outcome, ran: Bool,
    durable: @escaping @Sendable () -> Void)

  /// The stream is somebody else's or ended. Called on the loop thread.
  func closed(_ stream: String)

  /// Whether nobody has opened the stream at a higher epoch, as far as can be seen at a glance. Called
  /// on the loop thread when it registers with a router, for every stream that is open here.
  func isCurrent(_ stream: String, epoch: UInt64) -> Bool
}

/// A stream's log as its journal has it.
package enum OpenedLog: Sendable {
  /// It can go on.
  case log(StreamLog)
  /// It cannot be opened now (a full disk, a newer owner); whoever asks again may have more luck.
  case unavailable(RPCError)
}

/// A request that takes a seq.
package struct AdmittedRequest: Sendable {
  package let stream: String
  /// At which the stream is open.
  package let epoch: UInt64
  package let seq: UInt64
  /// The highest seq up to which the client has every answer; 0 for none.
  package let acked: UInt64
  package let method: Method
  package let flags: RequestHeader.Flags
  package let sessionToken: String
  /// Nil for a refusal passed on by the router.
  package let digest: PayloadDigest?
  package let payload: Payload

  /// The tenant that the work is for.
  package var tenant: Substring { SessionAuthority.tenant(in: sessionToken) }
}

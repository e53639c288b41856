/// What is put under load: the service, or in tests something that behaves as they need.
package protocol Target: Sendable {
  /// Suspends while the client of a request should not hand over more.
  func ready(for request: Request) async

  /// Starts a request and returns at once. `done` is called once, from any thread.
  ///
  /// - Returns: what gives the request up; `done` is still called.
  func start(
    _ request: Request, done: @escaping @Sendable (RequestOutcome) -> Void
  ) -> @Sendable () -> Void

  /// The time for answers is over: whoever waits in `ready` goes on.
  func stop()
}

/// What became of a request.
package enum RequestOutcome: Sendable, Hashable {
  /// It was answered.
  case ok
  /// It was refused or lost; the name of the status code.
  case failed(String)

  /// Given up by its sender.
  package static let cancelled = RequestOutcome.failed("CANCELLED")
}

internal import CZMQ
internal import Glibc

/// Lets any thread or task wake a poll loop: an `eventfd` that the loop polls beside its sockets.
///
/// `@unchecked Sendable`: a file descriptor; reading and writing an eventfd is atomic.
package final class Wakeup: @unchecked Sendable {
  /// The descriptor to poll for input.
  package let descriptor: Int32

  package init() throws(ZMQError) {
    descriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
    if descriptor < 0 { throw ZMQError(code: errno, call: "eventfd") }
  }

  deinit { close(descriptor) }

  /// Makes the next (or the current) poll of the loop return. Callers that fill a queue need it
  /// only when the queue was empty.
  package func signal() {
    var one: UInt64 = 1
    while write(descriptor, &one, 8) < 0 && errno == EINTR {}
  }

  /// Takes back all signals so far. The loop calls it before it looks at its queue: a signal that
  /// comes later then wakes it again.
  package func drain() {
    var count: UInt64 = 0
    while read(descriptor, &count, 8) < 0 && errno == EINTR {}
  }
}

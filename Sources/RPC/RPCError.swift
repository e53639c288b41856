package import Wire
internal import ZeroMQ

/// Why one call failed: the status that travels on the wire, and what led to it on this side.
package struct RPCError: Error, Sendable, CustomStringConvertible {
  /// The canonical status.
  package var code: StatusCode
  /// Explanation for people.
  package var message: String
  /// Path of the offending field of the request; may be empty.
  package var field: String
  /// When to send the same key again, where the code allows it; 0 for whenever the client likes.
  package var retryAfterMilliseconds: UInt32
  /// The error of a lower layer that this one reports; does not travel.
  package var cause: (any Error)?

  package init(
    _ code: StatusCode, _ message: String, field: String = "", retryAfterMilliseconds: UInt32 = 0,
    cause: (any Error)? = nil
  ) {
    self.code = code
    self.message = message
    self.field = field
    self.retryAfterMilliseconds = retryAfterMilliseconds
    self.cause = cause
  }

  /// A message that could not be decoded.
  package init(_ error: WireError) {
    self.init(error.status, error.reason, field: error.field, cause: error)
  }

  /// Any error: an `RPCError` as it is, a `WireError` translated, others as INTERNAL.
  package init(wrapping error: any Error) {
    switch error {
    case let error as RPCError: self = error
    case let error as WireError: self.init(error)
    case let error as ZMQError: self.init(.unavailable, error.description, cause: error)
    case is CancellationError: self.init(.cancelled, "the task was cancelled", cause: error)
    default: self.init(.internal, String(describing: error), cause: error)
    }
  }

  /// The status of a response that is not OK.
  package init(_ header: ResponseHeader) {
    self.init(
      header.code, header.message, field: header.field,
      retryAfterMilliseconds: header.retryAfterMilliseconds)
  }

  package var description: String {
    field.isEmpty ? "\(code): \(message)" : "\(code): \(field): \(message)"
  }
}

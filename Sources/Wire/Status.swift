/// Outcome of a request: the canonical gRPC codes with their numbers.
package enum StatusCode: UInt8, Sendable, CaseIterable, CustomStringConvertible {
  /// Done.
  case ok = 0
  /// The client cancelled the request before it ran.
  case cancelled = 1
  /// Not sent by Tinsmith; a code that this version does not know is read as this.
  case unknown = 2
  /// The request is wrong whatever the state of the service.
  case invalidArgument = 3
  /// The request's time-out passed before it ran.
  case deadlineExceeded = 4
  /// Something named by the request does not exist.
  case notFound = 5
  /// Something that the request should create exists.
  case alreadyExists = 6
  /// The session may not do this.
  case permissionDenied = 7
  /// Over a limit that depends on load: wait and send the same key again.
  case resourceExhausted = 8
  /// The state of the model forbids this request, e.g. after a failed forward_backward.
  case failedPrecondition = 9
  /// The attempt was given up; send the same key again.
  case aborted = 10
  /// Not sent by Tinsmith.
  case outOfRange = 11
  /// The service does not do this.
  case unimplemented = 12
  /// The service failed on this request for good.
  case `internal` = 13
  /// Not reachable now: wait and send the same key again.
  case unavailable = 14
  /// State that was promised to be durable is gone or damaged.
  case dataLoss = 15
  /// No session or a bad token.
  case unauthenticated = 16

  /// Whether this outcome, recorded by a stream's owner, uses up the request's seq. With the
  /// others the client sends the same seq again.
  package var consumesSeq: Bool {
    switch self {
    case .resourceExhausted, .unavailable, .aborted, .unauthenticated, .permissionDenied: false
    default: true
    }
  }

  /// Whether sending the same key again later may succeed without the user doing anything.
  package var isRetryable: Bool {
    switch self {
    case .resourceExhausted, .unavailable, .aborted: true
    default: false
    }
  }

  /// The canonical name, e.g. `INVALID_ARGUMENT`.
  package var description: String {
    switch self {
    case .ok: "OK"
    case .cancelled: "CANCELLED"
    case .unknown: "UNKNOWN"
    case .invalidArgument: "INVALID_ARGUMENT"
    case .deadlineExceeded: "DEADLINE_EXCEEDED"
    case .notFound: "NOT_FOUND"
    case .alreadyExists: "ALREADY_EXISTS"
    case .permissionDenied: "PERMISSION_DENIED"
    case .resourceExhausted: "RESOURCE_EXHAUSTED"
    case .failedPrecondition: "FAILED_PRECONDITION"
    case .aborted: "ABORTED"
    case .outOfRange: "OUT_OF_RANGE"
    case .unimplemented: "UNIMPLEMENTED"
    case .internal: "INTERNAL"
    case .unavailable: "UNAVAILABLE"
    case .dataLoss: "DATA_LOSS"
    case .unauthenticated: "UNAUTHENTICATED"
    }
  }
}

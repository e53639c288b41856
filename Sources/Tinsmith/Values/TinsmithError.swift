package import Wire

/// Why a call failed.
public struct TinsmithError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The canonical gRPC codes with their numbers.
  public enum Code: Int, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    /// The call was given up before it ran.
    case cancelled = 1
    /// A code that this version does not know.
    case unknown = 2
    /// The request is wrong whatever the state of the service; `field` names the culprit.
    case invalidArgument = 3
    /// The call's time-out passed before it ran.
    case deadlineExceeded = 4
    /// A model, base model or checkpoint does not exist.
    case notFound = 5
    /// Something that the call should create exists, e.g. a checkpoint of that name.
    case alreadyExists = 6
    /// The session may not do this.
    case permissionDenied = 7
    /// Over a limit that depends on load, for longer than the client was willing to wait.
    case resourceExhausted = 8
    /// The state of the model forbids the call, e.g. an optimStep after a failed forwardBackward.
    case failedPrecondition = 9
    /// The attempt was given up; calling again may succeed.
    case aborted = 10
    /// Reserved by gRPC; Tinsmith does not use it.
    case outOfRange = 11
    /// The service does not do this.
    case unimplemented = 12
    /// The service failed on this request for good.
    case `internal` = 13
    /// The service cannot be reached.
    case unavailable = 14
    /// State that was promised to be durable is gone or damaged.
    case dataLoss = 15
    /// There is no session, or its key or token is wrong.
    case unauthenticated = 16

    /// The canonical name, e.g. `INVALID_ARGUMENT`.
    public var description: String {
      (UInt8(exactly: rawValue).flatMap(StatusCode.init(rawValue:)) ?? .unknown).description
    }
  }

  /// The kind of failure.
  public let code: Code
  /// What happened, for people.
  public let message: String
  /// Path of the offending field, e.g. `data[3].loss_fn_inputs[target_tokens]`; may be empty.
  public let field: String

  /// An error, for instance one to throw from a custom loss.
  public init(_ code: Code, _ message: String, field: String = "") {
    self.code = code
    self.message = message
    self.field = field
  }

  /// Code, field and message in one line.
  public var description: String {
    field.isEmpty ? "\(code): \(message)" : "\(code): \(field): \(message)"
  }
}

extension TinsmithError {
  /// The failure that a status of the wire describes; an OK is a bug of the sender.
  package init(status: StatusCode, message: String, field: String = "") {
    let code = Code(rawValue: Int(status.rawValue)) ?? .internal
    self.init(code, message, field: field)
  }

  /// A message that could not be decoded or a value that has no place on the wire.
  package init(_ error: WireError) {
    self.init(status: error.status, message: error.reason, field: error.field)
  }

  /// Any error: one of ours as it is, others by their kind.
  init(wrapping error: any Error) {
    switch error {
    case let error as TinsmithError: self = error
    case let error as WireError: self.init(error)
    case is CancellationError: self.init(.cancelled, "the task was cancelled")
    default: self.init(.internal, String(describing: error))
    }
  }

  /// The same error, its field seen from one level further out.
  func inside(_ step: String) -> TinsmithError {
    let path = field.isEmpty ? step : field.hasPrefix("[") ? step + field : "\(step).\(field)"
    return TinsmithError(code, message, field: path)
  }
}

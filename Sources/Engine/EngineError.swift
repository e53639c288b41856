/// What went wrong in the engine: a code that the service maps to a wire status, a message for a
/// person, the field that caused it where there is one, and the underlying error.
package struct EngineError: Error, CustomStringConvertible {
  /// Kinds of failure, named after the gRPC codes they become.
  package enum Code: Sendable {
    /// The caller's input is wrong: the same input will never work.
    case invalidArgument
    /// The named thing does not exist.
    case notFound
    /// The input is fine but the state does not allow it (for instance non-finite gradients).
    case failedPrecondition
    /// The feature or model family is not supported.
    case unimplemented
    /// Not enough memory or pages for this request.
    case resourceExhausted
    /// A stored file is damaged.
    case dataLoss
    /// An operating-system call failed or an invariant broke.
    case `internal`
  }

  package var code: Code
  package var message: String
  /// Path of the offending input field, for instance `data[2].loss_fn_inputs[weights]`.
  package var field: String?
  package var cause: (any Error)?

  package init(
    _ code: Code, _ message: String, field: String? = nil, cause: (any Error)? = nil
  ) {
    self.code = code
    self.message = message
    self.field = field
    self.cause = cause
  }

  package var description: String {
    var text = "\(code): "
    if let field { text += "\(field): " }
    text += message
    if let cause { text += " (\(cause))" }
    return text
  }

  static func invalid(_ field: String, _ message: String) -> EngineError {
    EngineError(.invalidArgument, message, field: field)
  }
}

/// The one error of this module: what kind of failure, in words, and what lay beneath it.
package struct TokenizerError: Error, CustomStringConvertible {
  /// The kind of failure.
  package enum Code: String, Sendable {
    /// A file, or what one should hold, is not there.
    case missingFile
    /// A file is unreadable or not what its format says.
    case invalidFile
    /// The file or template asks for something that this module does not do.
    case unsupported
    /// The text, the token ids or the template's variables are not acceptable.
    case invalidInput
    /// A bound on work, depth or size was reached.
    case limitExceeded
    /// A chat template called `raise_exception`.
    case raisedByTemplate
  }

  /// The kind of failure.
  package let code: Code
  /// What happened, naming the file, field or construct.
  package let message: String
  /// The error beneath, if any.
  package let cause: (any Error)?

  package init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
    self.code = code
    self.message = message
    self.cause = cause
  }

  package var description: String {
    cause.map { "\(code.rawValue): \(message) (\($0))" } ?? "\(code.rawValue): \(message)"
  }
}

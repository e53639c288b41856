/// The one error of this module: what is wrong with a text that should be JSON.
package struct JSONError: Error, CustomStringConvertible {
  /// The kind of failure.
  package enum Code: Sendable {
    /// It is not JSON.
    case invalid
    /// A bound on depth or size was reached.
    case limitExceeded
  }

  package let code: Code
  /// What it is, and at which byte.
  package let message: String

  init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  package var description: String { message }
}

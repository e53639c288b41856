/// What is wrong with a plan, an assertion or a saved result, and where.
package struct LoadError: Error, Sendable, Hashable, CustomStringConvertible {
  /// Where it is, e.g. `groups[1].stages[0].rate`; may be empty.
  package let path: String
  /// What is wrong.
  package let message: String

  package init(_ message: String, at path: String = "") {
    self.message = message
    self.path = path
  }

  package var description: String { path.isEmpty ? message : "\(path): \(message)" }

  /// The same error, seen from one level further out.
  package func inside(_ step: String) -> LoadError {
    let inner = path.isEmpty ? step : path.hasPrefix("[") ? step + path : "\(step).\(path)"
    return LoadError(message, at: inner)
  }
}

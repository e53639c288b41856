import ArgumentParser
import Operations

/// Checks of options that are endpoints.
enum ListenOption {
  /// - Throws: `ValidationError` for the first one that nothing can listen at.
  static func check(_ options: [(name: String, endpoint: String?)]) throws {
    for (name, endpoint) in options {
      guard let endpoint, let problem = EndpointText.problem(endpoint, .listen) else { continue }
      throw ValidationError("\(name): \(problem)")
    }
  }
}

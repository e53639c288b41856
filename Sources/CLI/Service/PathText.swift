import ArgumentParser

/// A path as an option has it.
enum PathText {
  /// - Throws: `ValidationError` for none: it would be the current folder, which nobody meant.
  @Sendable static func check(_ text: String) throws -> String {
    guard !text.isEmpty else { throw ValidationError("a path must not be empty") }
    return text
  }
}

import ArgumentParser

/// A path as an option has it.
enum PathText {
  /// - Throws: `ValidationError` for none: it would be the current folder, or one called "  ", which
  ///   nobody meant.
  @Sendable static func check(_ text: String) throws -> String {
    guard !text.allSatisfy(\.isWhitespace) else {
      throw ValidationError("a path must not be empty")
    }
    return text
  }
}

import ArgumentParser

/// A value that options have as text of a form of its own.
protocol OptionValue: Sendable {
  /// What such a text is, for who wrote another one.
  static var form: String { get }

  /// Nil for a text of another form.
  init?(_ text: String)
}

extension OptionValue {
  /// - Throws: `ValidationError` that says what the form is.
  @Sendable static func read(_ text: String) throws -> Self {
    guard let value = Self(text) else { throw ValidationError(form) }
    return value
  }
}

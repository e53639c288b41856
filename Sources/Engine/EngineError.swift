import Foundation

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
    /// The disk is full, or a limit of what may be on it is reached: what was to be written is not
    /// there, and may be written when there is room again.
    case diskFull
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

  /// What went wrong, for a person, with what led to it.
  package var sentence: String {
    let text = (field.map { "\($0): " } ?? "") + message
    guard let cause, let words = Self.words(of: cause), !text.contains(words) else { return text }
    return "\(text): \(words)"
  }

  package var description: String { sentence }

  /// The same of a model whose folder is named.
  package func inFolder(_ folder: String) -> EngineError {
    message.contains(folder) || field?.contains(folder) ?? false
      ? self : EngineError(code, "\(folder): \(sentence)")
  }

  /// An error of the system in words; nil where they would say nothing.
  private static func words(of error: any Error) -> String? {
    switch error {
    case let error as EngineError: error.sentence
    case DecodingError.keyNotFound(let key, let context):
      "\(path(context, key)) is absent"
    case DecodingError.typeMismatch(let type, let context),
      DecodingError.valueNotFound(let type, let context):
      "\(path(context)) is not \(kind(type))"
    case DecodingError.dataCorrupted(let context):
      context.codingPath.isEmpty
        ? "it is not JSON" : "\(path(context)): \(context.debugDescription)"
    case let error as CocoaError: error.localizedDescription
    case let error as any CustomStringConvertible: error.description
    default: error.localizedDescription
    }
  }

  private static func path(_ context: DecodingError.Context, _ key: (any CodingKey)? = nil)
    -> String
  {
    let keys = context.codingPath + (key.map { [$0] } ?? [])
    let text = keys.reduce("") { text, key in
      if let place = key.intValue { return "\(text)[\(place)]" }
      return text.isEmpty ? key.stringValue : "\(text).\(key.stringValue)"
    }
    return text.isEmpty ? "the whole" : text
  }

  /// A type of Swift as JSON has it.
  private static func kind(_ type: Any.Type) -> String {
    switch type {
    case is String.Type: "a text"
    case is Bool.Type: "true or false"
    case is any BinaryInteger.Type: "a whole number"
    case is any BinaryFloatingPoint.Type: "a number"
    case is [Any].Type: "a list"
    default: "what it should be"
    }
  }

  static func invalid(_ field: String, _ message: String) -> EngineError {
    EngineError(.invalidArgument, message, field: field)
  }
}

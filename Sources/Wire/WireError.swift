/// Why a message could not be decoded: untrusted bytes were refused at the boundary.
package struct WireError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The kind of defect.
  package enum Code: Sendable, Equatable {
    /// The bytes end inside a field.
    case truncated
    /// The bytes are not protobuf of this message: bad varint, wire type, tag or field occurrence.
    case malformed
    /// A text field is not UTF-8 or contains NUL.
    case badText
    /// A field number that this version does not know, in a request.
    case unknownField
    /// An enum number that this version does not know.
    case unknownEnum
    /// A key occurs twice in a list of pairs.
    case duplicateKey
    /// A field that must be present is absent.
    case missing
    /// A value outside of its allowed range.
    case outOfRange
    /// An attachment index that is out of range, used twice or not used, or a length that is wrong.
    case badAttachment
    /// More bytes or elements than `Limits` allows, or more memory than the message may take.
    case tooLarge
    /// Something that the schema reserves and this version does not do.
    case unsupported
  }

  /// The kind of defect.
  package let code: Code
  /// Path of the offending field, e.g. `data[3].loss_fn_inputs[target_tokens].shape`; may be empty.
  package private(set) var field: String
  /// What is wrong, for people.
  package let reason: String

  /// An error at a field, which `inside(_:)` completes to a path on the way out.
  package init(_ code: Code, _ reason: String, field: String = "") {
    self.code = code
    self.reason = reason
    self.field = field
  }

  /// The status that a service answers with.
  package var status: StatusCode { code == .unsupported ? .unimplemented : .invalidArgument }

  /// The same error seen from one level further out; `step` is `name`, `name[3]` or `[key]`.
  package func inside(_ step: String) -> WireError {
    var error = self
    if step.isEmpty { return self }
    error.field = field.isEmpty ? step : field.hasPrefix("[") ? step + field : "\(step).\(field)"
    return error
  }

  /// Field and reason in one line.
  package var description: String { field.isEmpty ? reason : "\(field): \(reason)" }
}

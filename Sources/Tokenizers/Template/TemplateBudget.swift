/// What one rendering may still do. It is charged before each walk and before each allocation.
///
/// Whatever walks over values or makes text takes the budget as an argument, and text is put
/// together by `TemplateTextBuilder` alone, so that no filter, method or operator can do without.
final class TemplateBudget {
  private var steps = TemplateLimits.steps
  private var bytes = TemplateLimits.allocatedBytes

  /// Counts steps.
  func charge(_ count: Int = 1) throws(TokenizerError) {
    steps -= count
    guard steps >= 0 else {
      throw TokenizerError(.limitExceeded, "template: more than \(TemplateLimits.steps) steps")
    }
  }

  /// Counts a walk over text, character by character.
  func scan(_ byteCount: Int) throws(TokenizerError) { try charge(1 + byteCount / 8) }

  /// Counts a walk that only compares or counts bytes, which is quicker.
  func skim(_ byteCount: Int) throws(TokenizerError) { try charge(1 + byteCount / 64) }

  /// Counts a walk that looks up each character's properties, which is slower.
  func study(_ text: String) throws(TokenizerError) { try charge(1 + text.utf8.count / 2) }

  /// Counts memory that is about to be taken.
  func allocate(bytes count: Int) throws(TokenizerError) {
    guard count <= bytes else {
      throw TokenizerError(
        .limitExceeded, "template: more than \(TemplateLimits.allocatedBytes) bytes made")
    }
    bytes -= count
    try charge(count / 256)
  }

  /// Counts a text that is about to be made.
  func allocate(text byteCount: Int) throws(TokenizerError) {
    guard byteCount <= TemplateLimits.stringBytes else {
      throw TokenizerError(
        .limitExceeded, "template: a text above \(TemplateLimits.stringBytes) bytes")
    }
    try allocate(bytes: byteCount)
  }

  /// Counts a list that is about to be made, and the walk that fills it.
  func allocate(items count: Int) throws(TokenizerError) {
    guard count <= TemplateLimits.items else {
      throw TokenizerError(.limitExceeded, "template: a list above \(TemplateLimits.items) items")
    }
    try charge(1 + count)
    try allocate(bytes: 64 + count * MemoryLayout<TemplateValue>.stride)
  }
}

/// Text that is put together piece by piece, each one paid for beforehand.
struct TemplateTextBuilder {
  private(set) var text = ""
  private(set) var byteCount = 0
  let budget: TemplateBudget

  init(_ budget: TemplateBudget) {
    self.budget = budget
  }

  mutating func append(_ more: String) throws(TokenizerError) {
    try take(more.utf8.count)
    try budget.charge()
    text += more
  }

  mutating func append(_ scalar: Unicode.Scalar) throws(TokenizerError) {
    try take(UTF8.width(scalar))
    text.unicodeScalars.append(scalar)
  }

  private mutating func take(_ count: Int) throws(TokenizerError) {
    byteCount += count
    guard byteCount <= TemplateLimits.stringBytes else {
      throw TokenizerError(
        .limitExceeded, "template: a text above \(TemplateLimits.stringBytes) bytes")
    }
    try budget.allocate(bytes: count)
  }
}

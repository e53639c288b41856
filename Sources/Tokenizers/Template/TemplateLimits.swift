/// Bounds on what a template may be and do.
///
/// A template comes with a model folder, so it is not to be trusted with time or memory. What it is
/// allowed in one rendering is the `TemplateBudget`; the rest are the largest single things.
enum TemplateLimits {
  /// Longest template, in bytes.
  static let sourceBytes = 1 << 20
  /// Most words, numbers, signs and pieces of text in one template.
  static let tokens = 100_000
  /// Deepest nesting of expressions and statements in the source.
  static let syntaxDepth = 64
  /// Most operators, calls or filters in a row.
  static let chainLength = 100
  /// Deepest nesting of expressions and statements while they run, macros included.
  static let runDepth = 250
  /// Deepest nesting of lists and dictionaries.
  static let valueDepth = 100
  /// Most bytes in the output or in one string.
  static let stringBytes = 1 << 24
  /// Most items in one list.
  static let items = 100_000
  /// Most steps of one rendering: one for each expression, statement, name looked up and item
  /// walked over, and one for each 8 bytes of text that are looked at. A second or two of work.
  static let steps = 6_000_000
  /// Most bytes of text, lists and objects that one rendering makes, whether it keeps them or not.
  static let allocatedBytes = 1 << 28

  /// Levels of a list of these items.
  /// - Throws: `limitExceeded` if deeper than `valueDepth`.
  static func depth(of items: [TemplateValue]) throws(TokenizerError) -> Int {
    var deepest = 0
    for item in items { deepest = max(deepest, item.depth) }
    guard deepest < valueDepth else {
      throw TokenizerError(.limitExceeded, "template: a value nested too deep")
    }
    return deepest + 1
  }
}

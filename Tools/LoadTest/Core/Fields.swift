/// Settings that were read from a file or a flag, before anything is known of their meaning.
package indirect enum Plain: Sendable, Hashable {
  /// One value, as it was written.
  case scalar(String)
  /// Values in order.
  case list([Plain])
  /// Values by name.
  case map([String: Plain])
}

/// Reads a map of settings: what is missing, misspelt or wrong is named with its path.
struct Fields {
  private var left: [String: Plain]

  /// - Throws: `LoadError` if it is not a map.
  init(_ plain: Plain) throws(LoadError) {
    guard case .map(let map) = plain else { throw LoadError("should be settings by name") }
    left = map
  }

  /// Reads `word word key=value …` as settings: the words get the names that `words` gives them.
  ///
  /// - Parameter words: name and value of a word without `=`; nil if it means nothing.
  init(
    words text: String, _ words: (String) -> (name: String, value: String)?
  ) throws(LoadError) {
    left = [:]
    for word in Self.split(text) {
      let named: (name: String, value: String)
      if let equals = word.firstIndex(of: "=") {
        named = (String(word[..<equals]), String(word[word.index(after: equals)...]))
      } else if let known = words(word) {
        named = known
      } else {
        throw LoadError("\"\(word)\" is not understood in \"\(text)\"")
      }
      guard left.updateValue(.scalar(named.value), forKey: named.name) == nil else {
        throw LoadError("\(named.name) is there twice in \"\(text)\"")
      }
    }
  }

  /// Words between blanks; what stands in parentheses is one word.
  private static func split(_ text: String) -> [String] {
    var words: [String] = []
    var word = ""
    var depth = 0
    for character in text {
      if character == "(" { depth += 1 }
      if character == ")" { depth -= 1 }
      if character.isWhitespace, depth == 0 {
        if !word.isEmpty { words.append(word) }
        word = ""
      } else {
        word.append(character)
      }
    }
    return word.isEmpty ? words : words + [word]
  }

  /// Takes a setting; `read` gets its value. Nil if it is not there.
  mutating func take<Value>(
    _ name: String, _ read: (Plain) throws(LoadError) -> Value
  ) throws(LoadError) -> Value? {
    guard let plain = left.removeValue(forKey: name) else { return nil }
    do throws(LoadError) {
      return try read(plain)
    } catch {
      throw error.inside(name)
    }
  }

  /// Takes a setting of one value.
  mutating func text<Value>(
    _ name: String, _ read: (String) throws(LoadError) -> Value
  ) throws(LoadError) -> Value? {
    try take(name) { (plain) throws(LoadError) in try read(plain.scalar()) }
  }

  /// - Throws: `LoadError` if there are settings that nobody took.
  func finish() throws(LoadError) {
    guard let name = left.keys.min() else { return }
    throw LoadError("there is no such setting", at: name)
  }
}

extension Plain {
  /// - Throws: `LoadError` if it is not one value.
  func scalar() throws(LoadError) -> String {
    guard case .scalar(let text) = self else { throw LoadError("should be one value") }
    return text
  }

  /// The items of a list, each read with its place in the path; a single value is a list of one.
  func items<Value>(
    _ read: (Plain) throws(LoadError) -> Value
  ) throws(LoadError) -> [Value] {
    guard case .list(let items) = self else { return [try read(self)] }
    var values: [Value] = []
    for (index, item) in items.enumerated() {
      do throws(LoadError) {
        values.append(try read(item))
      } catch {
        throw error.inside("[\(index)]")
      }
    }
    return values
  }
}

import Foundation

/// The messages of `Proto/tinsmith/v1`, to ask whether a field path that the service names is one.
package struct Schema: Sendable {
  private struct Field: Sendable {
    var type: String
    var isRepeated: Bool
  }

  /// Fields by message and name. A `oneof` is a field of its message, too: it stands for whichever of
  /// its members is set.
  private var messages: [String: [String: Field]] = [:]

  /// Reads the schema of this checkout.
  package init() throws {
    let root = URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let folder = root.appending(path: "Proto/tinsmith/v1")
    for file in try FileManager.default.contentsOfDirectory(
      at: folder, includingPropertiesForKeys: nil) where file.pathExtension == "proto"
    {
      read(try String(contentsOf: file, encoding: .utf8))
    }
  }

  private mutating func read(_ text: String) {
    let code = text.replacing(/\/\/[^\n]*/, with: "")
    for message in code.matches(of: /message (\w+) \{((?:[^{}]|\{[^{}]*\})*)\}/) {
      var fields: [String: Field] = [:]
      for field in message.2.matches(of: /(repeated )?(\w+) (\w+) = \d+;/) {
        fields[String(field.3)] = Field(type: String(field.2), isRepeated: field.1 != nil)
      }
      for choice in message.2.matches(of: /oneof (\w+)/) {
        fields[String(choice.1)] = Field(type: "", isRepeated: false)
      }
      messages[String(message.1)] = fields
    }
  }

  package var names: Set<String> { Set(messages.keys) }

  /// Whether a path names a field of a message. Names are separated by dots; in brackets stands the
  /// place of an item of a list, or the key of a pair, which then stands for the pair's value; behind
  /// a tensor the place of an element. The empty path is the message itself.
  package func hasField(_ path: String, of message: String) -> Bool {
    guard messages[message] != nil else { return false }
    var type = message
    var rest = path[...]
    while !rest.isEmpty {
      let name = rest.prefix { $0 != "." && $0 != "[" }
      guard let field = messages[type]?[String(name)] else { return false }
      rest = rest.dropFirst(name.count)
      type = field.type
      if rest.hasPrefix("["), field.isRepeated {
        guard let key = Self.takeBrackets(&rest) else { return false }
        if Int(key) == nil {
          guard let value = value(ofPair: type) else { return false }
          type = value
        }
      }
      if rest.hasPrefix("["), type == "Tensor" {
        guard let place = Self.takeBrackets(&rest), Int(place) != nil else { return false }
      }
      guard !rest.isEmpty else { return true }
      guard rest.hasPrefix("."), rest.count > 1 else { return false }
      rest = rest.dropFirst()
    }
    return true
  }

  private static func takeBrackets(_ rest: inout Substring) -> Substring? {
    guard let end = rest.firstIndex(of: "]") else { return nil }
    defer { rest = rest[rest.index(after: end)...] }
    return rest[..<end].dropFirst()
  }

  /// The type of a pair's value; nil if the message is not a pair.
  private func value(ofPair type: String) -> String? {
    guard let fields = messages[type], fields["name"] ?? fields["key"] != nil else { return nil }
    return fields["value"]?.type ?? fields["tensor"]?.type ?? type
  }
}

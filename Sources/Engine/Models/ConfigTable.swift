import JSON

/// A key of `config.json` as a family's config class in transformers declares it.
struct ConfigField: Sendable {
  /// JSON types that a value may have. As there, an integer is no float, and a number no flag.
  struct Types: OptionSet, Sendable {
    let rawValue: Int

    static let null = Types(rawValue: 1)
    static let flag = Types(rawValue: 2)
    static let integer = Types(rawValue: 4)
    static let float = Types(rawValue: 8)
    static let text = Types(rawValue: 16)
    static let table = Types(rawValue: 64)
    static let integers = Types(rawValue: 32)
    /// Of anything.
    static let list = Types(rawValue: 32 | 128)

    private static let names: [(Types, String)] = [
      (.flag, "true or false"), (.integer, "an integer"), (.float, "a float"), (.text, "a text"),
      (.list, "a list"), (.integers, "a list of integers"), (.table, "an object"),
      (.null, "null"),
    ]

    /// For messages.
    var words: String {
      Self.names.filter { contains($0.0) && !($0.0 == .integers && contains(.list)) }
        .map(\.1).joined(separator: " or ")
    }

    init(rawValue: Int) { self.rawValue = rawValue }

    /// Of a value.
    init(_ value: JSONValue) {
      self =
        switch value {
        case .null: .null
        case .bool: .flag
        case .int, .bigInteger: .integer
        case .double: .float
        case .string: .text
        case .array(let items):
          items.allSatisfy { Types($0) == .integer } ? .integers : .list
        case .object: .table
        }
    }
  }

  let types: Types
  /// The value where the key is absent.
  let fallback: JSONValue

  init(_ types: Types, _ fallback: JSONValue = .null) {
    self.types = types
    self.fallback = fallback
  }
}

/// The settings of a config file by name: of those that the family declares each has its type, or
/// its default where it is absent.
struct ConfigTable {
  private let values: [String: JSONValue]
  private let fields: [String: ConfigField]

  /// - Throws: `invalidArgument` naming a key whose value has another type.
  init(_ object: JSONObject, fields: [String: ConfigField]) throws(EngineError) {
    values = Dictionary(object.members.map { ($0.key, $0.value) }) { _, last in last }
    self.fields = fields
    for (key, field) in fields.sorted(by: { $0.key < $1.key }) {
      guard let value = values[key], !field.types.contains(.init(value)) else { continue }
      throw .invalid("config.\(key)", "must be \(field.types.words), is \(value.text.prefix(40))")
    }
  }

  /// The value, or the default where the key is absent; nil for one that is not declared either.
  subscript(key: String) -> JSONValue? { values[key] ?? fields[key]?.fallback }

  /// Keys of the file that the family does not declare.
  var undeclared: [String] { values.keys.filter { fields[$0] == nil }.sorted() }

  /// - Throws: `invalidArgument` naming a key whose value is no integer of the range.
  func integer(_ key: String, _ range: ClosedRange<Int>) throws(EngineError) -> Int {
    let value = self[key]
    guard let integer = value?.int, range.contains(integer) else {
      throw .invalid(
        "config.\(key)",
        "must be \(range.lowerBound)...\(range.upperBound), is \(value?.text.prefix(40) ?? "absent")"
      )
    }
    return integer
  }

  /// - Throws: `invalidArgument` naming a key whose value is no number of the range, and so for NaN.
  func number(_ key: String, _ range: ClosedRange<Double>) throws(EngineError) -> Double {
    try Self.number(self[key], "config.\(key)", range)
  }

  static func number(
    _ value: JSONValue?, _ field: String, _ range: ClosedRange<Double>
  ) throws(EngineError) -> Double {
    let number: Double? =
      switch value {
      case .int(let integer): Double(integer)
      case .double(let double): double
      default: nil
      }
    guard let number, range.contains(number) else {
      throw .invalid(
        field,
        "must be \(range.lowerBound) to \(range.upperBound), is \(value?.text.prefix(40) ?? "absent")"
      )
    }
    return number
  }

  func flag(_ key: String) -> Bool { self[key]?.bool ?? false }
}

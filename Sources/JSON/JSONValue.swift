/// A JSON value that keeps the order of members, which templates print and a vocabulary relies on.
package enum JSONValue: Sendable {
  case null
  case bool(Bool)
  case int(Int)
  /// The digits of an integer beyond 64 bits, which nothing here counts with.
  case bigInteger(String)
  case double(Double)
  case string(String)
  case array([JSONValue])
  case object(JSONObject)
}

/// A JSON object: members in the order written, keys told apart by code points.
///
/// Swift compares strings by canonical equivalence, so that a dictionary would take "é" in one and
/// in two code points for the same key; a vocabulary may hold both.
package struct JSONObject: Sendable {
  /// The members in the order written. A repeated key counts with its last value.
  package private(set) var members: [(key: String, value: JSONValue)]

  package init(_ members: [(key: String, value: JSONValue)] = []) {
    self.members = members
  }

  /// The value of a key, nil if absent. Takes time linear in the number of members.
  package subscript(key: String) -> JSONValue? {
    members.last { $0.key.utf8.elementsEqual(key.utf8) }?.value
  }

  /// Adds a member; the value counts instead of one that the key had.
  package mutating func append(_ key: String, _ value: JSONValue) {
    members.append((key, value))
  }
}

extension JSONValue {
  package var string: String? {
    guard case .string(let value) = self else { return nil }
    return value
  }

  package var bool: Bool? {
    guard case .bool(let value) = self else { return nil }
    return value
  }

  package var int: Int? {
    guard case .int(let value) = self else { return nil }
    return value
  }

  package var array: [JSONValue]? {
    guard case .array(let value) = self else { return nil }
    return value
  }

  package var object: JSONObject? {
    guard case .object(let value) = self else { return nil }
    return value
  }

  package var isNull: Bool {
    guard case .null = self else { return false }
    return true
  }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral,
  ExpressibleByNilLiteral
{
  package init(stringLiteral value: String) { self = .string(value) }
  package init(integerLiteral value: Int) { self = .int(value) }
  package init(booleanLiteral value: Bool) { self = .bool(value) }
  package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  package init(nilLiteral: ()) { self = .null }
  package init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(JSONObject(elements.map { (key: $0.0, value: $0.1) }))
  }
}

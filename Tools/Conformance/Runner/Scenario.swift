/// The file: `Tests/Conformance/README.md` says what everything means.
struct Scenario: Decodable {
  /// Datums by name.
  let data: [String: JSON]
  let steps: [Step]
}

/// One step; which fields are there depends on `do`.
struct Step: Decodable {
  enum Action: String, Decodable {
    case connect, close, send, resend, await, cancel, frames, partial, final, pause
  }

  /// Nil for a note.
  let `do`: Action?
  let name: String?
  let connection: String?
  let on: String?
  let ms: Int?
  let frames: [String]?

  // Of requests.
  let method: JSON?
  let stream: String?
  let seq: UInt64?
  let session: String?
  let token: String?
  let version: UInt32?
  let acked: UInt64?
  let timeoutMs: UInt32?
  let costPromptTokens: UInt64?
  let costNewTokens: UInt64?
  let flags: [String]?
  let count: UInt64?
  let body: JSON?
  let bodyHex: String?
  let attachments: Bool?

  // Of `final`.
  let show: [String]?
  let once: Bool?
  let bind: String?
}

/// Any JSON value. All numbers of a scenario are exact as doubles.
enum JSON: Decodable {
  case text(String)
  case number(Double)
  case truth(Bool)
  case list([JSON])
  case object([String: JSON])

  init(from decoder: any Decoder) throws {
    let value = try decoder.singleValueContainer()
    if let text = try? value.decode(String.self) {
      self = .text(text)
    } else if let truth = try? value.decode(Bool.self) {
      self = .truth(truth)
    } else if let number = try? value.decode(Double.self) {
      self = .number(number)
    } else if let list = try? value.decode([JSON].self) {
      self = .list(list)
    } else {
      self = .object(try value.decode([String: JSON].self))
    }
  }

  /// The member of an object; nil for other values too.
  subscript(key: String) -> JSON? {
    guard case .object(let members) = self else { return nil }
    return members[key]
  }

  var text: String? {
    guard case .text(let text) = self else { return nil }
    return text
  }

  var number: Double? {
    guard case .number(let number) = self else { return nil }
    return number
  }

  var truth: Bool? {
    guard case .truth(let truth) = self else { return nil }
    return truth
  }

  var list: [JSON]? {
    guard case .list(let list) = self else { return nil }
    return list
  }

  var members: [String: JSON]? {
    guard case .object(let members) = self else { return nil }
    return members
  }

  /// The same with every text changed.
  func mapTexts(_ change: (String) throws -> String) rethrows -> JSON {
    switch self {
    case .text(let text): .text(try change(text))
    case .list(let list): .list(try list.map { try $0.mapTexts(change) })
    case .object(let members): .object(try members.mapValues { try $0.mapTexts(change) })
    case .number, .truth: self
    }
  }
}

/// Why the scenario could not be done.
struct Failure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

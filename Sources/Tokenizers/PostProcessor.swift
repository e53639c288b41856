import JSON

/// The `post_processor` of a tokenizer file: the special tokens around a text.
struct PostProcessor: Sendable {
  /// Most parts of a template, and most tokens around a text.
  static let maximumParts = 256

  /// Ids put before the text's.
  private(set) var prefix: [Int32] = []
  /// Ids put behind the text's.
  private(set) var suffix: [Int32] = []

  /// - Throws: `unsupported` naming any processor but ByteLevel, TemplateProcessing and Sequence.
  init(_ json: JSONValue?) throws(TokenizerError) {
    guard let json, !json.isNull else { return }
    try add(json, depth: 0)
  }

  private mutating func add(_ json: JSONValue, depth: Int) throws(TokenizerError) {
    guard let object = json.object, depth < 8 else {
      throw TokenizerError(.invalidFile, "post_processor is not an object, or nested too deep")
    }
    switch object["type"]?.string {
    case "ByteLevel": break  // It only trims the offsets, which are not kept here.
    case "TemplateProcessing": try addTemplate(object)
    case "Sequence":
      guard let parts = object["processors"]?.array else {
        throw TokenizerError(.invalidFile, "post_processor Sequence without processors")
      }
      for part in parts { try add(part, depth: depth + 1) }
    case let type:
      throw TokenizerError(.unsupported, "post_processor \(type ?? "without a type")")
    }
  }

  private mutating func addTemplate(_ object: JSONObject) throws(TokenizerError) {
    guard let parts = object["single"]?.array else {
      throw TokenizerError(.invalidFile, "post_processor TemplateProcessing without single")
    }
    guard parts.count <= Self.maximumParts else {
      throw TokenizerError(.limitExceeded, "post_processor: more than \(Self.maximumParts) parts")
    }
    var before: [Int32] = []
    var after: [Int32] = []
    var texts = 0
    for part in parts {
      if let sequence = part.object?["Sequence"]?.object {
        guard sequence["id"]?.string == "A" else {
          throw TokenizerError(.unsupported, "post_processor: a single template with text B")
        }
        texts += 1
      } else if let name = part.object?["SpecialToken"]?.object?["id"]?.string {
        let ids = try Self.ids(of: name, in: object)
        if texts == 0 { before += ids } else { after += ids }
      } else {
        throw TokenizerError(.invalidFile, "post_processor: an unknown part of a template")
      }
    }
    guard texts == 1 else {
      throw TokenizerError(.unsupported, "post_processor: a template with \(texts) texts")
    }
    prefix = before + prefix
    suffix += after
    guard prefix.count + suffix.count <= Self.maximumParts else {
      throw TokenizerError(
        .limitExceeded, "post_processor: more than \(Self.maximumParts) tokens around a text")
    }
  }

  private static func ids(
    of name: String, in object: JSONObject
  ) throws(TokenizerError) -> [Int32] {
    let list = object["special_tokens"]?.object?[name]?.object?["ids"]?.array
    let ids = list?.compactMap { $0.int.flatMap { Int32(exactly: $0) } }
    guard let ids, ids.count == list?.count else {
      throw TokenizerError(.invalidFile, "post_processor: special_tokens lacks \(name)")
    }
    return ids
  }
}

import JSON

/// What `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json` say together,
/// with the precedence that transformers gives them: a config that lists its added tokens
/// (`added_tokens_decoder`) stands alone; else the map's special tokens replace the config's, and
/// the file of added tokens counts.
struct TokenizerConfig: Sendable {
  /// A special token by the name under which templates see it.
  struct Named: Sendable {
    let name: String
    let text: String
  }

  /// A token to put on top of those of `tokenizer.json`.
  struct Addition: Sendable {
    let content: String
    /// Where the file says that it is; nil where that is left to the tokenizer.
    let id: Int?
    var isSpecial = false
    var stripsLeft = false
    var stripsRight = false
    var isSingleWord = false
    var isNormalized = true
  }

  /// Most special tokens by name, and most in a list.
  static let maximumTokens = 4096

  private static let standardNames = [
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
  ]

  /// Keys that end like a token's and are none.
  private static let switches = ["add_bos_token", "add_eos_token"]

  let fields: JSONObject
  let named: [Named]
  /// In the order in which they get their ids.
  let additions: [Addition]
  let kind: TokenizerClass
  /// Whether a file names the end token, if there is one; else its class does.
  let saysEnd: Bool
  /// Why no tokenizer can be made of it: a special token is no token.
  let fault: TokenizerError?

  /// - Throws: `invalidFile` for a file that does not have its form.
  init(_ folder: ModelFolder) throws(TokenizerError) {
    let config = try folder.object("tokenizer_config.json") ?? JSONObject()
    let listed = config["added_tokens_decoder"]
    let map = listed == nil ? try folder.object("special_tokens_map.json") : nil
    let added = listed == nil ? try folder.object("added_tokens.json") : nil
    // The model's config is checked where the model is read.
    let model = (try? folder.object("config.json"))?["model_type"]?.string
    try self.init(config, map: map, added: added, modelType: model)
  }

  init(
    _ config: JSONObject, map: JSONObject? = nil, added: JSONObject? = nil,
    modelType: String? = nil
  ) throws(TokenizerError) {
    fault =
      Self.fault(of: config, "tokenizer_config.json")
      ?? Self.fault(of: map ?? JSONObject(), "special_tokens_map.json")
    // Of objects that do not say that they are tokens only those by the standard names are.
    var fields = JSONObject(
      config.members.filter { key, value in
        guard key.hasSuffix("_token"), let object = value.object else { return true }
        return Self.standardNames.contains(key) || object["__type"]?.string == "AddedToken"
      })
    for (key, value) in map?.members ?? [] { fields.append(key, value) }
    kind = TokenizerClass(config, modelType: modelType)
    let defaults = kind.namedTokens.filter { Self.saysNothing(fields[$0]) }
    for key in defaults { fields.append(key, .string(TokenizerClass.endOfText)) }
    saysEnd = !defaults.contains("eos_token")
    self.fields = fields
    let extra = try Self.limited(Self.extraTokens(fields))
    named = Self.namedTokens(fields, try Self.limited(Self.otherTokens(fields)))
    var objects: [CodePoints: JSONObject] = [:]
    for (_, value) in fields.members {
      guard let object = value.object, let content = object["content"]?.string else { continue }
      objects[CodePoints(content)] = object
    }
    var additions: [Addition] = []
    if let listed = config["added_tokens_decoder"] {
      additions = try Self.listed(listed)
    } else if let added {
      additions = try Self.added(
        added, special: Set((named.map(\.text) + extra).map(CodePoints.init)))
    }
    var seen = Set(additions.map { CodePoints($0.content) })
    let special = Set(named.map { CodePoints($0.text) })
    for index in additions.indices where special.contains(CodePoints(additions[index].content)) {
      additions[index].isSpecial = true
    }
    for text in named.map(\.text) + extra where seen.insert(CodePoints(text)).inserted {
      // Written as an object, a token says more than its text.
      let plain = Addition(content: text, id: nil, isSpecial: true, isNormalized: false)
      var addition = objects[CodePoints(text)].map { Self.flagged(plain, $0) } ?? plain
      addition.isSpecial = true
      additions.append(addition)
    }
    self.additions = additions
  }

  private static func fault(of fields: JSONObject, _ file: String) -> TokenizerError? {
    func isToken(_ value: JSONValue) -> Bool { ModelFolder.specialToken(value) != nil }
    func isGood(_ key: String, _ value: JSONValue) -> Bool {
      switch key {
      case _ where value.isNull: true
      case "extra_special_tokens", "additional_special_tokens":
        value.array?.allSatisfy(isToken) ?? value.object?.members.allSatisfy { isToken($0.value) }
          ?? false
      case _ where standardNames.contains(key): isToken(value)
      default: true
      }
    }
    return fields.members.first { !isGood($0.key, $0.value) }.map { key, value in
      TokenizerError(
        .invalidFile, "\(file): \(key) is \(value.text.prefix(80)), which is no token")
    }
  }

  /// Whether a token is left to its class: a null is not, that there is none is said by it.
  private static func saysNothing(_ value: JSONValue?) -> Bool {
    guard let value else { return true }
    return value.object != nil && ModelFolder.specialToken(value) == nil
  }

  /// Texts by their names: the standard ones, then those that only this model has.
  private static func namedTokens(
    _ fields: JSONObject, _ others: [(key: String, value: JSONValue)]
  ) -> [Named] {
    var named = standardNames.compactMap { name in
      ModelFolder.specialToken(fields[name]).map { Named(name: name, text: $0) }
    }
    for (key, value) in others {
      guard let text = ModelFolder.specialToken(value) else { continue }
      named.removeAll { $0.name == key }
      named.append(Named(name: key, text: text))
    }
    return named
  }

  private static func limited<T>(_ tokens: [T]) throws(TokenizerError) -> [T] {
    guard tokens.count <= maximumTokens else {
      throw TokenizerError(.limitExceeded, "more than \(maximumTokens) special tokens")
    }
    return tokens
  }

  private static func otherTokens(_ fields: JSONObject) -> [(key: String, value: JSONValue)] {
    let others = fields.members.filter { key, _ in
      key.hasSuffix("_token") && !standardNames.contains(key) && !switches.contains(key)
    }
    return others + (moreTokens(fields)?.object?.members ?? [])
  }

  private static func extraTokens(_ fields: JSONObject) -> [String] {
    (moreTokens(fields)?.array ?? []).compactMap { ModelFolder.specialToken($0) }
  }

  /// Special tokens without a standard name: a list, or an object by name. The second key is that of
  /// transformers before version 5.
  private static func moreTokens(_ fields: JSONObject) -> JSONValue? {
    let given = fields["extra_special_tokens"]
    let isGiven = !(given?.array?.isEmpty ?? true) || !(given?.object?.members.isEmpty ?? true)
    return isGiven ? given : fields["additional_special_tokens"]
  }

  /// - Throws: `invalidFile` for a flag that is none.
  private static func checked(
    _ object: JSONObject, _ key: String
  ) throws(TokenizerError) -> JSONObject {
    for name in ["special", "lstrip", "rstrip", "single_word", "normalized"] {
      guard let value = object[name], value.bool == nil else { continue }
      throw TokenizerError(
        .invalidFile,
        "tokenizer_config.json: added_tokens_decoder: \(key): \(name) is \(value.text.prefix(80))")
    }
    return object
  }

  private static func flagged(_ addition: Addition, _ object: JSONObject) -> Addition {
    var addition = addition
    addition.isSpecial = object["special"]?.bool ?? addition.isSpecial
    addition.stripsLeft = object["lstrip"]?.bool ?? false
    addition.stripsRight = object["rstrip"]?.bool ?? false
    addition.isSingleWord = object["single_word"]?.bool ?? false
    addition.isNormalized = object["normalized"]?.bool ?? !addition.isSpecial
    return addition
  }

  private static func listed(_ json: JSONValue) throws(TokenizerError) -> [Addition] {
    guard let members = json.object?.members else {
      throw TokenizerError(
        .invalidFile, "tokenizer_config.json: added_tokens_decoder is \(json.text.prefix(80))")
    }
    var additions: [Addition] = []
    for (key, value) in members {
      guard let id = Int(key), let object = value.object, let content = object["content"]?.string
      else {
        throw TokenizerError(
          .invalidFile, "tokenizer_config.json: added_tokens_decoder: \(key)")
      }
      additions.append(flagged(Addition(content: content, id: id), try checked(object, key)))
    }
    return additions.sorted { ($0.id ?? 0) < ($1.id ?? 0) }
  }

  private static func added(
    _ object: JSONObject, special: Set<CodePoints>
  ) throws(TokenizerError) -> [Addition] {
    var additions: [Addition] = []
    for (content, value) in object.members {
      guard let id = value.int else {
        throw TokenizerError(.invalidFile, "added_tokens.json: the id of \(content)")
      }
      let isSpecial = special.contains(CodePoints(content))
      additions.append(
        Addition(content: content, id: id, isSpecial: isSpecial, isNormalized: !isSpecial))
    }
    return additions.sorted { ($0.id ?? 0) < ($1.id ?? 0) }
  }
}

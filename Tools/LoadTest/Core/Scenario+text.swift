extension Stage {
  /// Reads `10s outstanding=1..8 name=up`, `30s rate=50/s poisson`, `5s idle`, `10s burst=1000`;
  /// `cancel` gives up what is in flight from before.
  ///
  /// - Throws: `LoadError` if it is none of these.
  package init(_ text: String) throws(LoadError) {
    var fields = try Fields(words: text) { word in
      switch word {
      case "idle": ("idle", "")
      case "cancel": ("cancel", "")
      case "poisson", "constant": ("arrival", word)
      default: word.first?.isNumber == true ? ("for", word) : nil
      }
    }
    guard let seconds = try fields.text("for", Quantity.seconds), seconds > 0, seconds <= 1e6
    else {
      throw LoadError("\"\(text)\" needs a length between 0 and a million seconds, such as 10s")
    }
    let arrival = try fields.text("arrival") { (text) throws(LoadError) in
      try Names.read(text, Arrival.self)
    }
    var loads: [Load] = []
    if let ramp = try fields.text("outstanding", Quantity.ramp) { loads.append(.outstanding(ramp)) }
    if let ramp = try fields.text("rate", Quantity.ramp) {
      loads.append(.rate(ramp, arrival ?? .constant))
    }
    let burst = try fields.text("burst") { (text) throws(LoadError) in
      try Quantity.whole(text, least: 1)
    }
    if let burst { loads.append(.burst(burst)) }
    if try fields.text("idle", { _ in true }) != nil { loads.append(.idle) }
    guard loads.count == 1, let load = loads.first else {
      throw LoadError("\"\(text)\" needs one of outstanding=, rate=, burst=, idle")
    }
    if arrival != nil {
      guard case .rate = load else { throw LoadError("\(text): arrivals need a rate") }
    }
    let cancels = try fields.text("cancel", { _ in true }) ?? false
    let name = try fields.text("name", Names.label)
    try fields.finish()
    self.init(name: name ?? "main", seconds: seconds, load: load, cancels: cancels)
  }
}

extension Work {
  /// Reads `sample=2 prompt=uniform(8,64) new=16 samples=4`: weight and sizes of one primitive.
  ///
  /// - Throws: `LoadError` for another primitive or setting.
  package init(_ text: String) throws(LoadError) {
    let blank = text.firstIndex { $0.isWhitespace } ?? text.endIndex
    let head = text[..<blank].split(separator: "=", maxSplits: 1)
    guard let name = head.first else { throw LoadError("the mix has an empty entry") }
    var fields = try Fields(words: String(text[blank...])) { _ in nil }
    try self.init(
      name: String(name), weight: head.count == 2 ? String(head[1]) : nil, &fields)
  }

  /// Reads the settings of one primitive: a map, or its weight alone.
  init(name: String, _ plain: Plain) throws(LoadError) {
    if case .scalar(let weight) = plain {
      var none = try Fields(.map([:]))
      try self.init(name: name, weight: weight, &none)
    } else {
      var fields = try Fields(plain)
      let weight = try fields.text("weight") { (text) throws(LoadError) in text }
      try self.init(name: name, weight: weight, &fields)
    }
  }

  private init(name: String, weight: String?, _ fields: inout Fields) throws(LoadError) {
    let primitive = try Names.read(name, Primitive.self)
    self.init(primitive)
    if let weight {
      let (value, kind) = try Quantity.parse(weight)
      guard kind == .count || kind == .share else {
        throw LoadError("\"\(weight)\" is not a weight", at: name)
      }
      self.weight = value
    }
    let names: (tokens: String?, count: String?, newTokens: String?) =
      switch primitive {
      case .ping: ("bytes", nil, nil)
      case .forwardBackward: ("tokens", "sequences", nil)
      case .optimStep: (nil, nil, nil)
      case .sample: ("prompt", "samples", "new")
      }
    if let name = names.tokens { tokens = try fields.text(name, Distribution.init) ?? tokens }
    if let name = names.count { count = try fields.text(name, Distribution.init) ?? count }
    if let name = names.newTokens {
      newTokens = try fields.text(name, Distribution.init) ?? newTokens
    }
    try fields.finish()
  }
}

extension Adapters {
  /// Reads `none`, `own`, `shared` or `shared(4)`.
  package init(_ text: String) throws(LoadError) {
    switch text {
    case "none": self = .none
    case "own": self = .own
    case "shared": self = .shared(1)
    case _ where text.hasPrefix("shared(") && text.hasSuffix(")"):
      self = .shared(try Quantity.whole(String(text.dropFirst(7).dropLast()), least: 1))
    default: throw LoadError("\"\(text)\" is not none, own or shared(n)")
    }
  }
}

extension Tenant {
  /// Reads `name=key`; a name alone has the empty key.
  package init(_ text: String) throws(LoadError) {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let name = try Names.label(String(parts.first ?? ""))
    self.init(name: name, key: parts.count == 2 ? String(parts[1]) : "")
  }
}

/// Names in scenarios.
enum Names {
  /// A label of the report, which an assertion can name.
  static func label(_ text: String) throws(LoadError) -> String {
    let isFine = text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "_-".contains($0)) }
    guard isFine, !text.isEmpty, text.count <= 64 else {
      throw LoadError("\"\(text)\" is not a name of letters, digits, - and _")
    }
    return text
  }

  /// One of the names of a type.
  static func read<Value: RawRepresentable<String> & CaseIterable>(
    _ text: String, _ type: Value.Type
  ) throws(LoadError) -> Value {
    guard let value = Value(rawValue: text) else {
      let known = Value.allCases.map(\.rawValue).joined(separator: ", ")
      throw LoadError("\"\(text)\" is not one of \(known)")
    }
    return value
  }
}

/// A regular expression over the path of a module, as PEFT's settings hold them, with the meaning
/// that Python gives it.
///
/// It comes from outside, so it is matched without backtracking: for each part of the expression and
/// each place in the path, where the part can end is found once, and steps are counted. Read are literals, `.`, sets, `\d \w \s`, groups, alternation, repeats and the anchors of both
/// ends; the rest is refused by name.
struct ModuleExpression {
  static let maximumBytes = 4096
  private static let maximumDepth = 32
  private static let maximumRepeat = 64

  private indirect enum Node {
    case set(Set<UInt8>)
    case start
    case end
    case sequence([Int])
    case alternation([Int])
    case `repeat`(Int, minimum: Int, maximum: Int?)
  }

  /// A set of places in a path, one bit each.
  private typealias Places = UInt128

  private var nodes: [Node] = []
  private var root = 0
  private let field: String

  /// - Parameter setting: the key of `adapter_config.json` that holds it, for messages.
  /// - Throws: `unimplemented` naming a construct that is not read, `invalidArgument` for text that
  ///   is no expression.
  init(_ text: String, _ setting: String) throws(EngineError) {
    field = "adapter_config.\(setting)"
    guard text.utf8.count <= Self.maximumBytes else {
      throw .invalid(field, "an expression may have \(Self.maximumBytes) bytes")
    }
    var reader = Reader(bytes: Array(text.utf8), text: text, field: field)
    root = try alternation(&reader, depth: 0)
    guard reader.current == nil else { throw reader.malformed("an unpaired )") }
  }

  /// Whether the expression fits the whole path, or the end of it behind a dot.
  ///
  /// - Parameters:
  ///   - endsCount: whether the end behind a dot will do.
  ///   - steps: how many may be taken; what was taken is subtracted.
  /// - Throws: `invalidArgument` when it needs more.
  func matches(
    _ path: String, endsCount: Bool, steps: inout Int
  ) throws(EngineError) -> Bool {
    let bytes = Array(path.utf8)
    guard bytes.count < Places.bitWidth else { return false }
    var matching = Matching(nodes: nodes, bytes: bytes, steps: steps)
    defer { steps = matching.steps }
    let end = Places(1) << bytes.count
    for start in 0...bytes.count
    where start == 0 || (endsCount && bytes[start - 1] == UInt8(ascii: ".")) {
      let ends = matching.ends(root, start)
      guard matching.steps > 0 else {
        throw .invalid(field, "the expressions take too long to match")
      }
      if ends & end != 0 { return true }
    }
    return false
  }

  // MARK: Reading

  private struct Reader {
    let bytes: [UInt8]
    let text: String
    let field: String
    var at = 0

    var current: UInt8? { at < bytes.count ? bytes[at] : nil }

    mutating func take(_ word: String) -> Bool {
      guard bytes[at...].starts(with: word.utf8) else { return false }
      at += word.utf8.count
      return true
    }

    func malformed(_ what: String) -> EngineError {
      .invalid(field, "\"\(text)\" is not a regular expression: \(what)")
    }

    func unsupported(_ what: String) -> EngineError {
      EngineError(
        .unimplemented, "\(what) in the expression \"\(text)\" is not supported", field: field)
    }
  }

  private mutating func add(_ node: Node) -> Int {
    nodes.append(node)
    return nodes.count - 1
  }

  private mutating func alternation(
    _ reader: inout Reader, depth: Int
  ) throws(EngineError) -> Int {
    guard depth < Self.maximumDepth else { throw reader.unsupported("nesting so deep") }
    var branches = [try sequence(&reader, depth: depth)]
    while reader.take("|") { branches.append(try sequence(&reader, depth: depth)) }
    return branches.count == 1 ? branches[0] : add(.alternation(branches))
  }

  private mutating func sequence(_ reader: inout Reader, depth: Int) throws(EngineError) -> Int {
    var parts: [Int] = []
    while let byte = reader.current, byte != UInt8(ascii: "|"), byte != UInt8(ascii: ")") {
      let part = try atom(&reader, depth: depth)
      parts.append(try repeated(part, &reader))
    }
    return add(.sequence(parts))
  }

  private mutating func atom(_ reader: inout Reader, depth: Int) throws(EngineError) -> Int {
    if reader.take("(") {
      if reader.take("?") {
        if reader.take("P<") {
          while let byte = reader.current, byte != UInt8(ascii: ">") { reader.at += 1 }
          guard reader.take(">") else { throw reader.malformed("a name without its end") }
        } else if !reader.take(":") {
          throw reader.unsupported("the group (?\(reader.current.map(Self.show) ?? "")")
        }
      }
      let group = try alternation(&reader, depth: depth + 1)
      guard reader.take(")") else { throw reader.malformed("a group without its end") }
      return group
    }
    guard let byte = reader.current else { throw reader.malformed("its end is missing") }
    reader.at += 1
    switch byte {
    case UInt8(ascii: "."): return add(.set(Self.all.subtracting([0x0a])))
    case UInt8(ascii: "^"): return add(.start)
    case UInt8(ascii: "$"): return add(.end)
    case UInt8(ascii: "["): return add(.set(try bracket(&reader)))
    case UInt8(ascii: "\\"):
      if reader.take("A") { return add(.start) }
      if reader.take("Z") { return add(.end) }
      return add(.set(try escape(&reader)))
    case UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "?"):
      throw reader.malformed("nothing to repeat before \(Self.show(byte))")
    default: return add(.set([byte]))
    }
  }

  private mutating func repeated(
    _ part: Int, _ reader: inout Reader
  ) throws(EngineError) -> Int {
    var bounds: (minimum: Int, maximum: Int?)?
    if reader.take("*") {
      bounds = (0, nil)
    } else if reader.take("+") {
      bounds = (1, nil)
    } else if reader.take("?") {
      bounds = (0, 1)
    } else if reader.current == UInt8(ascii: "{") {
      bounds = try counts(&reader)
    }
    guard let bounds else { return part }
    // Whether a repeat takes much or little first does not change what fits as a whole.
    _ = reader.take("?")
    if let byte = reader.current,
      [UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "{")].contains(byte)
    {
      throw reader.unsupported("a repeat of a repeat")
    }
    return add(.repeat(part, minimum: bounds.minimum, maximum: bounds.maximum))
  }

  private func counts(
    _ reader: inout Reader
  ) throws(EngineError) -> (minimum: Int, maximum: Int?) {
    guard let end = reader.bytes[reader.at...].firstIndex(of: UInt8(ascii: "}")) else {
      throw reader.unsupported("an unescaped {")
    }
    let parts = String(decoding: reader.bytes[reader.at + 1..<end], as: UTF8.self)
      .split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    reader.at = end + 1
    let minimum = parts[0].isEmpty ? 0 : Int(parts[0])
    let isOpen = parts.count == 2 && parts[1].isEmpty
    guard let minimum, minimum >= 0, parts.count <= 2,
      let maximum = isOpen ? minimum : Int(parts[parts.count - 1]), maximum >= minimum,
      maximum <= Self.maximumRepeat
    else { throw reader.unsupported("this {}") }
    return (minimum, isOpen ? nil : maximum)
  }

  private func bracket(_ reader: inout Reader) throws(EngineError) -> Set<UInt8> {
    let isInverted = reader.take("^")
    var set: Set<UInt8> = []
    var isFirst = true
    while isFirst || reader.current != UInt8(ascii: "]") {
      guard let low = reader.current else { throw reader.malformed("a set without its end") }
      reader.at += 1
      isFirst = false
      if low == UInt8(ascii: "\\") {
        set.formUnion(try escape(&reader))
        continue
      }
      let isRange =
        reader.current == UInt8(ascii: "-") && reader.at + 1 < reader.bytes.count
        && reader.bytes[reader.at + 1] != UInt8(ascii: "]")
      guard isRange else {
        set.insert(low)
        continue
      }
      let high = reader.bytes[reader.at + 1]
      guard high != UInt8(ascii: "\\"), low <= high else { throw reader.malformed("a bad range") }
      reader.at += 2
      set.formUnion(low...high)
    }
    reader.at += 1
    return isInverted ? Self.all.subtracting(set) : set
  }

  private func escape(_ reader: inout Reader) throws(EngineError) -> Set<UInt8> {
    guard let byte = reader.current else { throw reader.malformed("its end is missing") }
    reader.at += 1
    switch byte {
    case UInt8(ascii: "d"): return Self.digits
    case UInt8(ascii: "D"): return Self.all.subtracting(Self.digits)
    case UInt8(ascii: "w"): return Self.word
    case UInt8(ascii: "W"): return Self.all.subtracting(Self.word)
    case UInt8(ascii: "s"): return Self.spaces
    case UInt8(ascii: "S"): return Self.all.subtracting(Self.spaces)
    default:
      guard !Self.word.contains(byte) || byte == UInt8(ascii: "_") else {
        throw reader.unsupported("\\\(Self.show(byte))")
      }
      return [byte]
    }
  }

  private static func show(_ byte: UInt8) -> String { String(decoding: [byte], as: UTF8.self) }

  private static let all = Set<UInt8>(0...255)
  private static let digits = Set<UInt8>(UInt8(ascii: "0")...UInt8(ascii: "9"))
  private static let spaces = Set<UInt8>(" \t\n\r\u{b}\u{c}".utf8)
  private static let word = digits.union(UInt8(ascii: "a")...UInt8(ascii: "z"))
    .union(UInt8(ascii: "A")...UInt8(ascii: "Z")).union([UInt8(ascii: "_")])

  // MARK: Matching

  private struct Matching {
    let nodes: [Node]
    let bytes: [UInt8]
    var steps: Int
    private var found: [Int: Places] = [:]

    init(nodes: [Node], bytes: [UInt8], steps: Int) {
      (self.nodes, self.bytes, self.steps) = (nodes, bytes, steps)
    }

    /// Where `node` can end when it begins at `place`; nothing more once there are no steps left.
    mutating func ends(_ node: Int, _ place: Int) -> Places {
      steps -= 1
      guard steps > 0 else { return 0 }
      let key = node * (bytes.count + 1) + place
      if let known = found[key] { return known }
      let here = Places(1) << place
      let result: Places
      switch nodes[node] {
      case .set(let set): result = place < bytes.count && set.contains(bytes[place]) ? here << 1 : 0
      case .start: result = place == 0 ? here : 0
      case .end: result = place == bytes.count ? here : 0
      case .sequence(let parts):
        result = parts.reduce(here) { places, part in places == 0 ? 0 : step(part, places) }
      case .alternation(let branches):
        result = branches.reduce(0) { places, branch in places | ends(branch, place) }
      case .repeat(let part, let minimum, let maximum):
        var places = here
        for _ in 0..<minimum where places != 0 { places = step(part, places) }
        var new = places
        var count = minimum
        while new != 0, maximum.map({ count < $0 }) ?? true {
          new = step(part, new) & ~places
          places |= new
          count += 1
        }
        result = places
      }
      found[key] = result
      return result
    }

    private mutating func step(_ part: Int, _ places: Places) -> Places {
      var next: Places = 0
      var rest = places
      while rest != 0 {
        next |= ends(part, rest.trailingZeroBitCount)
        rest &= rest - 1
      }
      return next
    }
  }
}

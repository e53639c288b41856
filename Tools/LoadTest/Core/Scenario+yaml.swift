internal import Yams

extension Scenario {
  /// Reads a scenario file.
  /// - Throws: `LoadError` with the path of what is wrong.
  package init(yaml text: String) throws(LoadError) {
    try self.init(Plain(yaml: text))
  }

  init(_ plain: Plain) throws(LoadError) {
    self.init()
    var fields = try Fields(plain)
    name = try fields.text("name") { (text) throws(LoadError) in text } ?? name
    base = try fields.text("base") { (text) throws(LoadError) in text } ?? base
    seed =
      try fields.text("seed") { (text) throws(LoadError) in
        guard let seed = UInt64(text) else { throw LoadError("\"\(text)\" is not a seed") }
        return seed
      } ?? seed
    warmup = try fields.text("warmup", Quantity.seconds) ?? warmup
    drain = try fields.text("drain", Quantity.seconds) ?? drain
    timeout = try fields.text("timeout", Quantity.seconds)
    let tenants = try fields.take("tenants") { (plain) throws(LoadError) in
      try plain.items { (plain) throws(LoadError) in try Tenant(plain) }
    }
    self.tenants = tenants ?? self.tenants
    let names = self.tenants.map(\.name)
    groups =
      try fields.take("groups") { (plain) throws(LoadError) in
        try plain.items { (plain) throws(LoadError) in try Group(plain, tenants: names) }
      } ?? []
    try fields.finish()
    try check()
  }
}

extension Tenant {
  /// A map of name and key, or the short form.
  init(_ plain: Plain) throws(LoadError) {
    if case .scalar(let text) = plain {
      try self.init(text)
      return
    }
    var fields = try Fields(plain)
    guard let name = try fields.text("name", Names.label) else {
      throw LoadError("a tenant needs a name")
    }
    self.init(name: name, key: try fields.text("key") { (text) throws(LoadError) in text } ?? "")
    try fields.finish()
  }
}

extension Group {
  init(_ plain: Plain, tenants known: [String]) throws(LoadError) {
    self.init()
    var fields = try Fields(plain)
    func count(_ text: String) throws(LoadError) -> Int { try Quantity.whole(text, least: 1) }
    func tenant(_ plain: Plain) throws(LoadError) -> Int {
      let name = try plain.scalar()
      guard let place = known.firstIndex(of: name) else {
        throw LoadError("there is no tenant \"\(name)\"")
      }
      return place
    }
    name = try fields.text("name", Names.label) ?? name
    tenants =
      try fields.take("tenants") { (plain) throws(LoadError) in
        try plain.items(tenant)
      } ?? Array(known.indices)
    clients = try fields.text("clients", count) ?? clients
    connections = try fields.text("connections", count)
    limit = try fields.text("limit", count) ?? limit
    ranks =
      try fields.take("rank") { (plain) throws(LoadError) in
        try plain.items { (plain) throws(LoadError) in try count(plain.scalar()) }
      } ?? ranks
    adapters = try fields.text("adapters", Adapters.init) ?? adapters
    mix = try fields.take("mix", Self.mix) ?? []
    let times = try fields.text("repeat", count) ?? 1
    let stages = try fields.take("stages") { (plain) throws(LoadError) in
      try plain.items { (plain) throws(LoadError) in try Stage(plain.scalar()) }
    }
    // Before it is repeated, so that a slip of the pen does not fill the memory.
    guard times * (stages ?? []).count <= Scenario.mostStages else {
      throw LoadError("more than \(Scenario.mostStages) stages", at: "repeat")
    }
    self.stages = Array(repeatElement(stages ?? [], count: times).joined())
    try fields.finish()
  }

  private static func mix(_ plain: Plain) throws(LoadError) -> [Work] {
    guard case .map(let entries) = plain else {
      return try plain.items { (plain) throws(LoadError) in try Work(plain.scalar()) }
    }
    var mix: [Work] = []
    for (name, plain) in entries.sorted(by: { $0.key < $1.key }) {
      do throws(LoadError) {
        mix.append(try Work(name: name, plain))
      } catch {
        throw error.inside(name)
      }
    }
    return mix
  }
}

extension Plain {
  /// - Throws: `LoadError` for text that is not YAML.
  init(yaml text: String) throws(LoadError) {
    let node: Node?
    do {
      node = try Yams.compose(yaml: text)
    } catch {
      throw LoadError("not YAML: \(error)")
    }
    guard let node else { throw LoadError("the file is empty") }
    try self.init(node)
  }

  private init(_ node: Node) throws(LoadError) {
    switch node {
    case .scalar(let scalar): self = .scalar(scalar.string)
    case .sequence(let sequence):
      var items: [Plain] = []
      for node in sequence { items.append(try Plain(node)) }
      self = .list(items)
    case .mapping(let mapping):
      var map: [String: Plain] = [:]
      for (key, value) in mapping {
        guard let name = key.string else { throw LoadError("a name is not text") }
        map[name] = try Plain(value)
      }
      self = .map(map)
    default: throw LoadError("aliases are not supported")
    }
  }
}

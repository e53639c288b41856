extension TemplateInterpreter {
  mutating func sequenceFilter(
    _ filter: TemplateFilter, _ value: TemplateValue, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    switch filter {
    case .batch, .slice: return try parted(value, arguments, isBatch: filter == .batch)
    case .groupby: return try grouped(value, arguments)
    case .dictsort: return try dictionarySorted(value, arguments)
    case .join: return try joined(value, arguments)
    case .max, .min: return try extreme(value, arguments, isMaximum: filter == .max)
    case .sort: return try sorted(value, arguments)
    case .sum: return try sum(value, arguments)
    case .unique: return try unique(value, arguments)
    default: _ = try arguments.bound(to: [], of: filter.rawValue)
    }
    switch filter {
    case .first: return try first(value)
    case .last: return try last(value)
    case .items: return try items(value)
    case .list:
      let items = try iterate(value)
      try budget.allocate(items: items.count)
      return try .list(items)
    default: return try reversed(value)
    }
  }

  private mutating func first(_ value: TemplateValue) throws(TokenizerError) -> TemplateValue {
    if case .iterator(let iterator) = value {
      return iterator.next() ?? .undefined("the first of an empty iterator")
    }
    if let text = value.text {
      let first = text.unicodeScalars.first
      return first.map { .string(String($0)) } ?? .undefined("the first of an empty str")
    }
    return try iterate(value).first ?? .undefined("the first of an empty \(value.typeName)")
  }

  private mutating func last(_ value: TemplateValue) throws(TokenizerError) -> TemplateValue {
    if case .iterator = value { throw failure("last of an iterator") }
    if let text = value.text {
      let last = text.unicodeScalars.last
      return last.map { .string(String($0)) } ?? .undefined("the last of an empty str")
    }
    return try iterate(value).last ?? .undefined("the last of an empty \(value.typeName)")
  }

  private func items(_ value: TemplateValue) throws(TokenizerError) -> TemplateValue {
    switch value {
    case .undefined: return .iterator(try TemplateIterator([]))
    case .dictionary(let dictionary):
      return .iterator(try TemplateIterator(dictionary.pairs(budget)))
    default: throw failure("items of a \(value.typeName)")
    }
  }

  private mutating func reversed(_ value: TemplateValue) throws(TokenizerError) -> TemplateValue {
    if let text = value.text {
      return .string(try PythonText.text(PythonText.scalars(text, budget).reversed(), budget))
    }
    let items = try iterate(value)
    try budget.allocate(items: items.count)
    return .iterator(try TemplateIterator(items.reversed()))
  }

  private mutating func joined(
    _ value: TemplateValue, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    let bound = try arguments.bound(to: ["d", "attribute"], of: "join")
    let separator = try bound[0].map { (value) throws(TokenizerError) in try string(value) } ?? ""
    var out = TemplateTextBuilder(budget)
    for (index, item) in try iterate(value).enumerated() {
      if index > 0 { try out.append(separator) }
      try budget.charge()
      try out.append(try string(attributeValue(item, bound[1])))
    }
    return .string(out.text)
  }

  private mutating func sum(
    _ value: TemplateValue, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    let bound = try arguments.bound(to: ["attribute", "start"], of: "sum")
    var total = bound[1] ?? .int(0)
    for item in try iterate(value) {
      try budget.charge()
      total = try arithmetic(.add, total, attributeValue(item, bound[0]))
    }
    return total
  }

  // MARK: Order

  /// What a filter's `attribute` names: keys or positions with dots between them.
  mutating func attributeValue(
    _ item: TemplateValue, _ attribute: TemplateValue?
  ) throws(TokenizerError) -> TemplateValue {
    switch attribute {
    case nil, .some(.none): return item
    case .int: return try self.item(item, attribute ?? .none)
    case .string(let path), .markup(let path):
      var value = item
      for part in try PythonText.split(path, ".", limit: -1, budget) {
        let isNumber = !part.isEmpty && part.utf8.allSatisfy { (0x30...0x39).contains($0) }
        let key = isNumber ? Int(part).map { TemplateValue.int($0) } : nil
        value = try self.item(value, key ?? .string(part))
      }
      return value
    case .some(let value): throw failure("a \(value.typeName) as an attribute's name")
    }
  }

  private func key(
    _ value: TemplateValue, isCaseSensitive: Bool
  ) throws(TokenizerError) -> TemplateValue {
    guard let text = value.text, !isCaseSensitive else { return value }
    return .string(try PythonText.lowercased(text, budget))
  }

  /// Items in the order of their keys, equal ones as they stood.
  private func ordered(
    _ items: [TemplateValue], by keys: [TemplateValue], isReversed: Bool
  ) throws(TokenizerError) -> [TemplateValue] {
    try budget.allocate(items: items.count)
    let order = try TemplateSorting.ordered(items.count, budget) {
      (left, right) throws(TokenizerError) in
      try isReversed
        ? keys[right].isLess(than: keys[left], budget)
        : keys[left].isLess(than: keys[right], budget)
    }
    return order.map { items[$0] }
  }

  private mutating func sorted(
    _ value: TemplateValue, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    let bound = try arguments.bound(
      to: ["reverse", "case_sensitive", "attribute"], of: "sort")
    let items = try iterate(value)
    let isCaseSensitive = bound[1]?.isTrue ?? false
    try budget.allocate(items: items.count)
    var keys: [TemplateValue] = []
    for item in items {
      guard let path = bound[2]?.text, path.utf8.contains(0x2C) else {
        keys.append(try key(attributeValue(item, bound[2]), isCaseSensitive: isCaseSensitive))
        continue
      }
      var parts: [TemplateValue] = []
      for part in try PythonText.split(path, ",", limit: -1, budget) {
        let found = try attributeValue(item, .string(part))
        parts.append(try key(found, isCaseSensitive: isCaseSensitive))
      }
      keys.append(try .list(parts))
    }
    return try .list(try ordered(items, by: keys, isReversed: bound[0]?.isTrue ?? false))
  }

  private mutating func dictionarySorted(
    _ value: TemplateValue, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    let bound = try arguments.bound(to: ["case_sensitive", "by", "reverse"], of: "dictsort")
    guard case .dictionary(let dictionary) = value else {
      throw failure("dictsort of a \(value.typeName)")
    }
    let sorting: [TemplateValue]
    switch bound[1] {
    case nil, .string("key"): sorting = dictionary.keys
    case .string("value"): sorting = dictionary.values
    default: throw failure("dictsort is by key or by value")
    }
    try budget.allocate(items: sorting.count)
    var keys: [TemplateValue] = []
    for value in sorting {
      keys.append(try key(value, isCaseSensitive: bound[0]?.isTrue ?? false))
    }
    return try .list(
      try ordered(dictionary.pairs(budget), by: keys, isReversed: bound[2]?.isTrue ?? false))
  }

  private mutating func extreme(
    _ value: TemplateValue, _ arguments: Arguments, isMaximum: Bool
  ) throws(TokenizerError) -> TemplateValue {
    let bound = try arguments.bound(to: ["case_sensitive", "attribute"], of: "min or max")
    var best: (item: TemplateValue, key: TemplateValue)?
    for item in try iterate(value) {
      let key = try key(
        attributeValue(item, bound[1]), isCaseSensitive: bound[0]?.isTrue ?? false)
      guard let current = best else {
        best = (item, key)
        continue
      }
      let isBetter =
        try isMaximum
        ? current.key.isLess(than: key, budget) : key.isLess(than: current.key, budget)
      if isBetter { best = (item, key) }
    }
    return best?.item ?? .undefined("the extreme of nothing")
  }

  private mutating func unique(
    _ value: TemplateValue, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    let bound = try arguments.bound(to: ["case_sensitive", "attribute"], of: "unique")
    var seen: Set<TemplateKey> = []
    var kept: [TemplateValue] = []
    for item in try iterate(value) {
      let key = try key(
        attributeValue(item, bound[1]), isCaseSensitive: bound[0]?.isTrue ?? false)
      try budget.allocate(items: 2)
      if seen.insert(try TemplateKey(key, budget)).inserted { kept.append(item) }
    }
    return .iterator(try TemplateIterator(kept))
  }

  /// `batch`: lists of so many items; `slice`: so many lists.
  private mutating func parted(
    _ value: TemplateValue, _ arguments: Arguments, isBatch: Bool
  ) throws(TokenizerError) -> TemplateValue {
    let name = isBatch ? "batch" : "slice"
    let bound = try arguments.bound(to: [isBatch ? "linecount" : "slices", "fill_with"], of: name)
    let items = try iterate(value)
    guard let number = bound[0], case let count = try integer(number), count > 0 else {
      throw failure("\(name) without a number above zero")
    }
    try budget.allocate(items: items.count + Swift.min(count, TemplateLimits.items + 1))
    var fill: TemplateValue?
    if let given = bound[1], case .none = given {} else { fill = bound[1] }
    var parts: [TemplateValue] = []
    var start = 0
    let whole = items.count / count
    while isBatch ? start < items.count : parts.count < count {
      let hasMore = isBatch || parts.count < items.count % count
      let size = isBatch ? count : whole + (hasMore ? 1 : 0)
      var part = Array(items[start..<Swift.min(start + size, items.count)])
      start += part.count
      if let fill, isBatch ? part.count < count : !hasMore && items.count % count > 0 {
        let missing = isBatch ? count - part.count : 1
        try budget.allocate(items: missing)
        part += Array(repeating: fill, count: missing)
      }
      parts.append(try .list(part))
    }
    return .iterator(try TemplateIterator(parts))
  }

  private mutating func grouped(
    _ value: TemplateValue, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    let bound = try arguments.bound(to: ["attribute", "default", "case_sensitive"], of: "groupby")
    guard bound[0] != nil else { throw failure("groupby without an attribute") }
    let items = try iterate(value)
    try budget.allocate(items: 3 * items.count)
    var names: [TemplateValue] = []
    var keys: [TemplateValue] = []
    for item in items {
      let found = try attributeValue(item, bound[0])
      let name = found.isUndefined ? bound[1] ?? found : found
      names.append(name)
      keys.append(try key(name, isCaseSensitive: bound[2]?.isTrue ?? false))
    }
    let order = try TemplateSorting.ordered(items.count, budget) {
      (left, right) throws(TokenizerError) in
      try keys[left].isLess(than: keys[right], budget)
    }
    var groups: [TemplateValue] = []
    var start = 0
    while start < order.count {
      var end = start + 1
      while end < order.count, try keys[order[end]].equals(keys[order[start]], budget) { end += 1 }
      let members = try TemplateValue.list(order[start..<end].map { items[$0] })
      groups.append(try .tuple([names[order[start]], members]))
      start = end
    }
    return try .list(groups)
  }

  // MARK: Map and select

  mutating func selection(
    _ filter: TemplateFilter, _ value: TemplateValue, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    // Jinja walks only through what is true.
    guard value.isTrue else { return .iterator(try TemplateIterator([])) }
    if filter == .map { return try mapped(value, arguments) }
    let usesAttribute = filter == .selectattr || filter == .rejectattr
    var rest = arguments
    let attribute = usesAttribute ? rest.positional.first : nil
    if usesAttribute {
      guard attribute != nil else { throw failure("\(filter.rawValue) without an attribute") }
      rest.positional.removeFirst()
    }
    var test: String?
    if !rest.positional.isEmpty {
      guard let name = rest.positional.removeFirst().text else {
        throw failure("\(filter.rawValue) with a test that is no name")
      }
      test = name
    }
    var kept: [TemplateValue] = []
    for item in try iterate(value) {
      try budget.allocate(items: 1)
      let tested = try attributeValue(item, attribute)
      let holds = try test.map { (name) throws(TokenizerError) in
        try check(test: name, of: tested, rest)
      }
      if (holds ?? tested.isTrue) == (filter == .select || filter == .selectattr) {
        kept.append(item)
      }
    }
    return .iterator(try TemplateIterator(kept))
  }

  private mutating func mapped(
    _ value: TemplateValue, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    var values: [TemplateValue] = []
    if arguments.positional.isEmpty {
      var options = arguments
      guard let index = options.named.firstIndex(where: { $0.name == "attribute" }) else {
        throw failure("map without a filter")
      }
      let attribute = options.named.remove(at: index).value
      let standard = try options.bound(to: ["default"], of: "map")[0]
      for item in try iterate(value) {
        try budget.allocate(items: 1)
        let found = try attributeValue(item, attribute)
        values.append(found.isUndefined ? standard ?? found : found)
      }
    } else {
      guard let name = arguments.positional[0].text else {
        throw failure("map with a filter that is no name")
      }
      let rest = Arguments(
        positional: Array(arguments.positional.dropFirst()), named: arguments.named)
      for item in try iterate(value) {
        try budget.allocate(items: 1)
        values.append(
          try nested { (me) throws(TokenizerError) in
            try me.apply(filter: name, to: item, rest)
          })
      }
    }
    return .iterator(try TemplateIterator(values))
  }
}

extension TemplateInterpreter {
  mutating func sequenceFilter(
    _ filter: TemplateFilter, _ value: TemplateValue, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    switch filter {
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
    case .list: return try .list(try iterate(value))
    default: return try reversed(value)
    }
  }

  private mutating func first(_ value: TemplateValue) throws(TokenizerError) -> TemplateValue {
    if case .iterator(let iterator) = value {
      return iterator.next() ?? .undefined("the first of an empty iterator")
    }
    return try iterate(value).first ?? .undefined("the first of an empty \(value.typeName)")
  }

  private mutating func last(_ value: TemplateValue) throws(TokenizerError) -> TemplateValue {
    if case .iterator = value { throw failure("last of an iterator") }
    return try iterate(value).last ?? .undefined("the last of an empty \(value.typeName)")
  }

  private func items(_ value: TemplateValue) throws(TokenizerError) -> TemplateValue {
    switch value {
    case .undefined: return .iterator(TemplateIterator([]))
    case .dictionary(let dictionary): return .iterator(TemplateIterator(try dictionary.pairs()))
    default: throw failure("items of a \(value.typeName)")
    }
  }

  private mutating func reversed(_ value: TemplateValue) throws(TokenizerError) -> TemplateValue {
    if case .string(let text) = value {
      try charge(bytes: text.utf8.count)
      return .string(String(String.UnicodeScalarView(text.unicodeScalars.reversed())))
    }
    return .iterator(TemplateIterator(try iterate(value).reversed()))
  }

  private mutating func joined(
    _ value: TemplateValue, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    let bound = try arguments.bound(to: ["d", "attribute"], of: "join")
    let separator = try bound[0].map { (value) throws(TokenizerError) in
      try PythonText.string(value)
    }
    var parts: [String] = []
    var size = 0
    for item in try iterate(value) {
      let part = try bound[1] == nil ? item : attributeValue(item, bound[1])
      parts.append(try PythonText.string(part))
      size += parts[parts.count - 1].utf8.count + (separator?.utf8.count ?? 0)
      try charge(bytes: size)
    }
    return .string(parts.joined(separator: separator ?? ""))
  }

  private mutating func sum(
    _ value: TemplateValue, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    let bound = try arguments.bound(to: ["attribute", "start"], of: "sum")
    var total = bound[1] ?? .int(0)
    for item in try iterate(value) {
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
    case .string(let path):
      var value = item
      for part in PythonText.split(path, ".", limit: -1) {
        value = try self.item(value, Int(part).map { .int($0) } ?? .string(part))
      }
      return value
    case .some(let value): throw failure("a \(value.typeName) as an attribute's name")
    }
  }

  private func key(_ value: TemplateValue, isCaseSensitive: Bool) -> TemplateValue {
    guard case .string(let text) = value, !isCaseSensitive else { return value }
    return .string(PythonText.lowercased(text))
  }

  /// Stable order by keys, as Python's `sorted`.
  private mutating func ordered(
    _ items: [TemplateValue], by keys: [TemplateValue], isReversed: Bool
  ) throws(TokenizerError) -> [TemplateValue] {
    var order = Array(items.indices)
    var width = 1
    // Merging by hand: a comparison can fail, and equal keys must keep their order.
    while width < order.count {
      var merged: [Int] = []
      for start in stride(from: 0, to: order.count, by: 2 * width) {
        let middle = Swift.min(start + width, order.count)
        let end = Swift.min(start + 2 * width, order.count)
        var (left, right) = (start, middle)
        while left < middle, right < end {
          try charge()
          let (first, second) = (keys[order[left]], keys[order[right]])
          let swaps =
            try isReversed ? first.isLess(than: second) : second.isLess(than: first)
          merged.append(order[swaps ? right : left])
          if swaps { right += 1 } else { left += 1 }
        }
        merged += order[left..<middle] + order[right..<end]
      }
      order = merged
      width *= 2
    }
    return order.map { items[$0] }
  }

  private mutating func sorted(
    _ value: TemplateValue, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    let bound = try arguments.bound(
      to: ["reverse", "case_sensitive", "attribute"], of: "sort")
    if case .string(let path)? = bound[2], path.utf8.contains(0x2C) {
      throw TokenizerError(.unsupported, "template: sort by several attributes")
    }
    let items = try iterate(value)
    var keys: [TemplateValue] = []
    for item in items {
      let sorting = try attributeValue(item, bound[2])
      keys.append(key(sorting, isCaseSensitive: bound[1]?.isTrue ?? false))
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
    var keys = dictionary.keys.map { TemplateValue.string($0) }
    switch bound[1] {
    case nil, .string("key"): break
    case .string("value"): keys = dictionary.values
    default: throw failure("dictsort is by key or by value")
    }
    let isCaseSensitive = bound[0]?.isTrue ?? false
    keys = keys.map { key($0, isCaseSensitive: isCaseSensitive) }
    let pairs = try ordered(
      try dictionary.pairs(), by: keys, isReversed: bound[2]?.isTrue ?? false)
    return try .list(pairs)
  }

  private mutating func extreme(
    _ value: TemplateValue, _ arguments: Arguments, isMaximum: Bool
  ) throws(TokenizerError) -> TemplateValue {
    let bound = try arguments.bound(to: ["case_sensitive", "attribute"], of: "min or max")
    var best: (item: TemplateValue, key: TemplateValue)?
    for item in try iterate(value) {
      let key = key(
        try attributeValue(item, bound[1]), isCaseSensitive: bound[0]?.isTrue ?? false)
      guard let current = best else {
        best = (item, key)
        continue
      }
      let isBetter =
        try isMaximum ? current.key.isLess(than: key) : key.isLess(than: current.key)
      if isBetter { best = (item, key) }
    }
    return best?.item ?? .undefined("the extreme of nothing")
  }

  private mutating func unique(
    _ value: TemplateValue, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    let bound = try arguments.bound(to: ["case_sensitive", "attribute"], of: "unique")
    var seen: [TemplateValue] = []
    var kept: [TemplateValue] = []
    for item in try iterate(value) {
      let key = key(
        try attributeValue(item, bound[1]), isCaseSensitive: bound[0]?.isTrue ?? false)
      try charge(items: seen.count)
      if !seen.contains(where: { $0.equals(key) }) {
        seen.append(key)
        kept.append(item)
      }
    }
    return .iterator(TemplateIterator(kept))
  }

  // MARK: Map and select

  mutating func selection(
    _ filter: TemplateFilter, _ value: TemplateValue, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
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
      guard case .string(let name) = rest.positional.removeFirst() else {
        throw failure("\(filter.rawValue) with a test that is no name")
      }
      test = name
    }
    var kept: [TemplateValue] = []
    for item in try iterate(value) {
      try charge()
      let tested = try attributeValue(item, attribute)
      let holds = try test.map { (name) throws(TokenizerError) in
        try check(test: name, of: tested, rest)
      }
      if (holds ?? tested.isTrue) == (filter == .select || filter == .selectattr) {
        kept.append(item)
      }
    }
    return .iterator(TemplateIterator(kept))
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
        try charge()
        let found = try attributeValue(item, attribute)
        values.append(found.isUndefined ? standard ?? found : found)
      }
    } else {
      guard case .string(let name) = arguments.positional[0] else {
        throw failure("map with a filter that is no name")
      }
      let rest = Arguments(
        positional: Array(arguments.positional.dropFirst()), named: arguments.named)
      for item in try iterate(value) {
        values.append(
          try nested { (me) throws(TokenizerError) in
            try me.apply(filter: name, to: item, rest)
          })
      }
    }
    return .iterator(TemplateIterator(values))
  }
}

extension TemplateDictionary {
  /// Keys and values as tuples.
  func pairs() throws(TokenizerError) -> [TemplateValue] {
    var pairs: [TemplateValue] = []
    for (key, value) in zip(keys, values) { pairs.append(try .tuple([.string(key), value])) }
    return pairs
  }
}

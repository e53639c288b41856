extension TemplateValue {
  /// Python's `==`.
  func equals(_ other: TemplateValue, _ budget: TemplateBudget) throws(TokenizerError) -> Bool {
    try budget.charge()
    switch (self, other) {
    case (.undefined, .undefined), (.none, .none): return true
    case (.list(let left), .list(let right)):
      return try left.equals(right, budget)
    case (.dictionary(let left), .dictionary(let right)):
      guard left.keys.count == right.keys.count else { return false }
      for (key, value) in zip(left.keys, left.values) {
        guard let theirs = right.value(try TemplateKey(key, budget)),
          try value.equals(theirs, budget)
        else { return false }
      }
      return true
    case (.namespace(let left), .namespace(let right)): return left === right
    case (.macro(let left), .macro(let right)): return left === right
    case (.iterator(let left), .iterator(let right)): return left === right
    case (.loop(let left), .loop(let right)): return left === right
    case (.function(let left), .function(let right)): return left == right
    default: break
    }
    if let left = text, let right = other.text {
      guard left.utf8.count == right.utf8.count else { return false }
      try budget.skim(left.utf8.count)
      return CodePoints(left) == CodePoints(right)
    }
    guard let left = number, let right = other.number else { return false }
    if case (.int(let left), .int(let right)) = (left, right) { return left == right }
    return left.double == right.double
  }

  /// Python's `<`.
  /// - Throws: `invalidInput` where the types have no order.
  func isLess(
    than other: TemplateValue, _ budget: TemplateBudget
  ) throws(TokenizerError) -> Bool {
    try budget.charge()
    if let left = text, let right = other.text {
      try budget.scan(min(left.utf8.count, right.utf8.count))
      // UTF-8 has the order of code points.
      return left.utf8.lexicographicallyPrecedes(right.utf8)
    }
    if case (.list(let left), .list(let right)) = (self, other), left.kind == right.kind {
      for (mine, theirs) in zip(left.items, right.items) {
        if try !mine.equals(theirs, budget) { return try mine.isLess(than: theirs, budget) }
      }
      return left.items.count < right.items.count
    }
    guard let left = number, let right = other.number else {
      throw TokenizerError(
        .invalidInput, "template: no order between \(typeName) and \(other.typeName)")
    }
    if case (.int(let left), .int(let right)) = (left, right) { return left < right }
    return left.double < right.double
  }

  /// Python's `in`, `self` being the container.
  /// - Throws: `invalidInput` where it is none.
  func contains(_ item: TemplateValue, _ budget: TemplateBudget) throws(TokenizerError) -> Bool {
    switch self {
    case .undefined: return false
    case .string(let text), .markup(let text):
      guard let part = item.text else {
        throw TokenizerError(.invalidInput, "template: a \(item.typeName) in a string")
      }
      try budget.allocate(bytes: text.utf8.count)
      return try TextFinder(part, budget).first(in: Array(text.utf8), budget) != nil
    case .list(let list): return try list.position(of: item, budget) != nil
    case .dictionary(let dictionary):
      return dictionary.value(try TemplateKey(item, budget)) != nil
    case .iterator(let iterator):
      while let next = iterator.next() {
        if try next.equals(item, budget) { return true }
      }
      return false
    default: throw TokenizerError(.invalidInput, "template: in a \(typeName)")
    }
  }
}

extension TemplateList {
  fileprivate func equals(
    _ other: TemplateList, _ budget: TemplateBudget
  ) throws(TokenizerError) -> Bool {
    guard kind == other.kind, items.count == other.items.count else { return false }
    for (mine, theirs) in zip(items, other.items) {
      if try !mine.equals(theirs, budget) { return false }
    }
    return true
  }

  /// Where the first item equal to `item` is.
  func position(of item: TemplateValue, _ budget: TemplateBudget) throws(TokenizerError) -> Int? {
    for (index, candidate) in items.enumerated() {
      if try candidate.equals(item, budget) { return index }
    }
    return nil
  }
}

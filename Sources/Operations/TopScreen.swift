/// What `tinsmith top` shows: the service in a line, then a table per group of numbers (workers,
/// tenants, whatever else there is), and below them what has no place in that line or no column.
package struct TopScreen: Sendable {
  private let values: [String: Double]
  private let rates: [String: Double]
  private let numbers: ServiceNumbers

  /// - Parameters:
  ///   - values: the numbers of `Admin.Stats`.
  ///   - rates: of its counters, per second.
  package init(_ values: [String: Double], rates: [String: Double]) {
    self.values = values
    self.rates = rates
    numbers = ServiceNumbers(values)
  }

  /// Columns that come first, where a group has them, and their titles.
  private static let columns: [String: [(key: String, title: String)]] = [
    "worker": [
      ("models", "MODELS"), ("requests", "REQUESTS"), ("queue_tokens", "QUEUE TOK"),
      ("compute_busy_seconds", "BUSY"), ("training_tokens_total", "TRAIN/S"),
      ("sampled_tokens_total", "SAMPLE/S"), ("prompt_tokens_total", "PROMPT/S"),
      ("cache_hit_tokens_total", "CACHED/S"), ("memory_bytes", "SET ASIDE"),
      ("memory_private_bytes", "PRIVATE"),
    ],
    "tenant": [
      ("weight", "WEIGHT"), ("sessions", "SESSIONS"), ("waiting", "WAITING"),
      ("in_flight", "IN FLIGHT"), ("served_tokens_total", "TOK/S"),
    ],
  ]
  private static let routerKeys = [
    "requests_total", "answers_total", "refusals_total", "in_flight", "oldest_request_seconds",
    "held",
    "sessions", "streams", "connections", "workers",
  ]
  /// More members than these have no column in the table of the rest.
  private static let widest = 8

  /// The lines, from top to bottom.
  package var lines: [String] {
    var lines = [serviceLine]
    let groups = ["worker", "tenant"].filter { numbers.groups[$0] != nil }
    let others = numbers.groups.keys.filter { !groups.contains($0) }.sorted()
    var details: [String] = []
    for group in groups + others {
      let (table, rest) = table(of: group)
      lines += [""] + table
      details += rest
    }
    return lines + details + routerDetails
  }

  private var serviceLine: String {
    let parts = Self.routerKeys.compactMap { key -> String? in
      guard numbers.router[key] != nil else { return nil }
      return "\(Self.title(key).lowercased()) \(cell("router.\(key)", key))"
    }
    return parts.joined(separator: "  ")
  }

  /// What of the router is not in the line of the service.
  private var routerDetails: [String] {
    let keys = numbers.router.keys.filter { !Self.routerKeys.contains($0) }.sorted()
    guard !keys.isEmpty else { return [] }
    let rows = keys.map { [Self.title($0).lowercased(), cell("router.\($0)", $0)] }
    return [""] + Table.lines([["", "router"]] + rows, numbersFrom: 1)
  }

  private func table(of group: String) -> (lines: [String], rest: [String]) {
    let members = numbers.groups[group] ?? [:]
    let names = members.keys.sorted { $0.count == $1.count ? $0 < $1 : $0.count < $1.count }
    let present = Set(members.values.flatMap(\.keys))
    var columns = (Self.columns[group] ?? []).filter { present.contains($0.key) }
    var rest = present.subtracting(columns.map(\.key)).sorted()
    // A group without columns of its own has as many as fit on a screen.
    if columns.isEmpty {
      columns = rest.prefix(Self.widest).map { ($0, Self.title($0)) }
      rest.removeFirst(columns.count)
    }
    var rows = [[group.uppercased()] + columns.map(\.title)]
    for name in names {
      rows.append([name] + columns.map { cell("\(group).\(name).\($0.key)", $0.key) })
    }
    return (Table.lines(rows, numbersFrom: 1), remainder(of: group, names, rest))
  }

  /// A row per number and a column per member.
  private func remainder(of group: String, _ names: [String], _ keys: [String]) -> [String] {
    guard !keys.isEmpty else { return [] }
    let shown = names.prefix(Self.widest)
    var rows = [[""] + shown]
    for key in keys {
      rows.append(
        [Self.title(key).lowercased()] + shown.map { cell("\(group).\($0).\(key)", key) })
    }
    return [""] + Table.lines(rows, numbersFrom: 1)
  }

  private func cell(_ path: String, _ key: String) -> String {
    guard let value = values[path] else { return "-" }
    guard ServiceNumbers.isCounter(key) else { return NumberText.value(value, of: key) }
    guard let rate = rates[path] else { return "-" }
    // Seconds of something in a second.
    if key.hasSuffix("_seconds") { return "\(NumberText.count((rate * 100).rounded())) %" }
    return NumberText.value(rate, of: String(key.dropLast("_total".count)))
  }

  private static func title(_ key: String) -> String {
    let isCounter = key.hasSuffix("_total")
    var name = isCounter ? String(key.dropLast("_total".count)) : key
    // An age says its unit itself.
    if name.hasPrefix("oldest_"), name.hasSuffix("_seconds") {
      name.removeLast("_seconds".count)
    }
    let words = name.replacing("_", with: " ").uppercased()
    return isCounter ? "\(words)/S" : words
  }
}

/// The numbers of `Admin.Stats`, taken apart: `router.KEY` belongs to the service,
/// `GROUP.NAME.KEY` (`worker.worker-0.models`, `tenant.alice.waiting`) to a member of a group.
/// Names may hold dots, keys do not.
package struct ServiceNumbers: Sendable, Equatable {
  /// Of the router, by key.
  package private(set) var router: [String: Double] = [:]
  /// By group, name and key.
  package private(set) var groups: [String: [String: [String: Double]]] = [:]

  /// Takes the numbers apart; what has another form is left out.
  package init(_ values: [String: Double]) {
    for (path, value) in values {
      guard let first = path.firstIndex(of: "."), let last = path.lastIndex(of: "."),
        path.index(after: last) < path.endIndex
      else { continue }
      let group = String(path[..<first])
      let key = String(path[path.index(after: last)...])
      if first == last {
        if group == "router" { router[key] = value }
      } else {
        let name = String(path[path.index(after: first)..<last])
        groups[group, default: [:]][name, default: [:]][key] = value
      }
    }
  }

  /// Whether the number only grows, so that what matters is its rate: events and time spent. An age
  /// (`oldest_…_seconds`) comes and goes.
  ///
  /// - Parameter path: of the number, or its key alone.
  package static func isCounter(_ path: String) -> Bool {
    let key = path.lastIndex(of: ".").map { path[path.index(after: $0)...] } ?? path[...]
    return key.hasSuffix("_total") || (key.hasSuffix("_seconds") && !key.hasPrefix("oldest_"))
  }
}

extension Scenario {
  /// Stages that a group may have.
  static let mostStages = 10_000
  /// Requests that the closed loops of a scenario may keep outstanding, each of them a task.
  static let mostSlots = 200_000

  /// - Throws: `LoadError` for what no run could make sense of.
  package func check() throws(LoadError) {
    guard !tenants.isEmpty else { throw LoadError("needs at least one", at: "tenants") }
    try unique(tenants.map(\.name), "tenants")
    guard !groups.isEmpty else { throw LoadError("needs at least one", at: "groups") }
    try unique(groups.map(\.name), "groups")
    guard warmup.isFinite, warmup >= 0, drain.isFinite, drain >= 0 else {
      throw LoadError("warm-up and drain must be at least 0")
    }
    if let timeout, timeout <= 0 { throw LoadError("must be more than 0", at: "timeout") }
    for (index, group) in groups.enumerated() {
      do throws(LoadError) {
        try group.check(tenants: tenants.count)
      } catch {
        throw error.inside("groups[\(index)]")
      }
    }
    let slots = groups.reduce(0) { $0 + $1.clients * $1.slots }
    guard slots <= Self.mostSlots else {
      throw LoadError("\(slots) requests outstanding, at most \(Self.mostSlots)")
    }
  }

  private func unique(_ names: [String], _ path: String) throws(LoadError) {
    guard Set(names).count == names.count else {
      throw LoadError("two have the same name", at: path)
    }
  }
}

extension Group {
  /// The most requests that one client keeps outstanding in any stage.
  package var slots: Int {
    stages.map { stage in
      guard case .outstanding(let ramp) = stage.load else { return 0 }
      return Int(max(ramp.from, ramp.to).rounded())
    }.max() ?? 0
  }

  fileprivate func check(tenants count: Int) throws(LoadError) {
    guard !tenants.isEmpty, tenants.allSatisfy({ (0..<count).contains($0) }) else {
      throw LoadError("needs tenants that exist", at: "tenants")
    }
    guard (1...100_000).contains(clients) else {
      throw LoadError("must be from 1 to 100000", at: "clients")
    }
    guard !ranks.isEmpty, ranks.allSatisfy({ $0 >= 1 }) else {
      throw LoadError("must be at least 1", at: "rank")
    }
    guard mix.contains(where: { $0.weight > 0 }) else {
      throw LoadError("needs a primitive with a weight above 0", at: "mix")
    }
    guard Set(mix.map(\.primitive)).count == mix.count else {
      throw LoadError("a primitive is there twice", at: "mix")
    }
    guard !stages.isEmpty, stages.count <= Scenario.mostStages else {
      throw LoadError("needs 1 to \(Scenario.mostStages) stages", at: "stages")
    }
    for (index, stage) in stages.enumerated() {
      guard let reason = stage.load.fault else { continue }
      throw LoadError(reason, at: "stages[\(index)]")
    }
  }
}

extension Load {
  /// Why it cannot be; nil if it can.
  fileprivate var fault: String? {
    switch self {
    case .outstanding(let ramp):
      max(ramp.from, ramp.to) <= Double(Scenario.mostSlots) ? nil : "too many outstanding"
    case .rate(let ramp, _): max(ramp.from, ramp.to) <= 1e7 ? nil : "more than ten million a second"
    case .burst(let count): count <= 10_000_000 ? nil : "more than ten million at once"
    case .idle: nil
    }
  }
}

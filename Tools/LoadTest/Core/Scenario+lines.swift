extension Scenario {
  /// The scenario in words, a line for each part.
  package var lines: [String] {
    var lines: [String] = []
    for group in groups {
      let names = group.tenants.map { tenants[$0].name }.joined(separator: ", ")
      let mix = group.mix.map(\.description).joined(separator: "; ")
      lines.append("\(group.name): \(group.clients) clients of \(names); \(mix)")
      var runs: [(stages: ArraySlice<Stage>, times: Int)] = []
      var rest = group.stages[...]
      while !rest.isEmpty {
        let run = Self.repetition(rest)
        runs.append(run)
        rest = rest.dropFirst(run.stages.count * run.times)
      }
      for (stages, times) in runs {
        let text = stages.map(\.description).joined(separator: ", ")
        lines.append("  " + (times == 1 ? text : "\(times) times: \(text)"))
      }
    }
    return lines
  }

  /// The shortest beginning that fills most of the stages by being repeated.
  private static func repetition(
    _ stages: ArraySlice<Stage>
  ) -> (stages: ArraySlice<Stage>, times: Int) {
    for length in 1...8 where length * 2 <= stages.count {
      let head = stages.prefix(length)
      var times = 1
      while stages.dropFirst(times * length).prefix(length) == head { times += 1 }
      if times > 1 { return (head, times) }
    }
    return (stages.prefix(1), 1)
  }
}

extension Work: CustomStringConvertible {
  package var description: String {
    let head = "\(primitive.rawValue) \(Format.number(weight))"
    switch primitive {
    case .ping: return "\(head) of \(tokens) bytes"
    case .forwardBackward: return "\(head) of \(count) × \(tokens) tokens"
    case .optimStep: return head
    case .sample: return "\(head) of \(tokens) + \(count) × \(newTokens) tokens"
    }
  }
}

extension Stage: CustomStringConvertible {
  package var description: String {
    "\(name) \(Format.number(seconds)) s \(load)" + (cancels ? " after cancelling the rest" : "")
  }
}

extension Load: CustomStringConvertible {
  package var description: String {
    switch self {
    case .outstanding(let ramp): "\(ramp) outstanding each"
    case .rate(let ramp, let arrival): "\(ramp)/s \(arrival.rawValue)"
    case .burst(let count): "\(count) at once"
    case .idle: "idle"
    }
  }
}

extension Ramp: CustomStringConvertible {
  package var description: String {
    from == to ? Format.number(from) : "\(Format.number(from))..\(Format.number(to))"
  }
}

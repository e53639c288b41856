/// A group's stages laid out in time. Second 0 is where counting begins; warm-up is before it.
package struct Timeline: Sendable, Hashable {
  /// One stage at its place in time, seconds.
  package struct Block: Sendable, Hashable {
    /// Place of the stage's name in `names`.
    package let name: Int
    package let start: Double
    package let end: Double
    package let load: Load
    package let cancels: Bool

    package var seconds: Double { end - start }

    /// The level of a load that has one, at a time inside of the block.
    func level(of ramp: Ramp, at time: Double) -> Double {
      ramp.level(at: (time - start) / seconds)
    }
  }

  /// Names of the stages, each once.
  package let names: [String]
  /// In order of time, without gaps.
  package let blocks: [Block]

  /// Stages behind a warm-up, which has the load that the first stage begins with. A burst has
  /// no warm-up.
  package init(_ stages: [Stage], warmup: Double) {
    var names: [String] = []
    var blocks: [Block] = []
    if warmup > 0, let first = stages.first {
      names.append(first.name)
      blocks.append(
        Block(name: 0, start: -warmup, end: 0, load: first.load.beginning, cancels: false))
    }
    var time = 0.0
    for stage in stages {
      let name = names.firstIndex(of: stage.name) ?? names.count
      if name == names.count { names.append(stage.name) }
      blocks.append(
        Block(
          name: name, start: time, end: time + stage.seconds, load: stage.load,
          cancels: stage.cancels))
      time += stage.seconds
    }
    self.names = names
    self.blocks = blocks
  }

  /// When the last stage ends.
  package var end: Double { blocks.last?.end ?? 0 }

  /// Measured seconds of all stages of a name, as far as they come before `end`.
  package func seconds(ofName name: Int, until end: Double = .infinity) -> Double {
    blocks.filter { $0.name == name && $0.start >= 0 }
      .reduce(0) { $0 + max(0, min($1.end, end) - $1.start) }
  }

  /// The stage of a moment; nil before the first and behind the last.
  package func block(at time: Double) -> Block? {
    let index = firstBlock(endingAfter: time)
    guard index < blocks.count, blocks[index].start <= time else { return nil }
    return blocks[index]
  }

  /// When the closed loop next wants the slot of a client: the first moment from `time` on at which
  /// the number outstanding, rounded, is more than `slot`. Nil if it never does.
  package func nextTime(slot: Int, from time: Double) -> Double? {
    let level = Double(slot) + 0.5
    for block in blocks[firstBlock(endingAfter: time)...] {
      guard case .outstanding(let ramp) = block.load else { continue }
      let begin = max(time, block.start)
      if block.level(of: ramp, at: begin) >= level { return begin }
      guard ramp.to > level else { continue }
      let share = (level - ramp.from) / (ramp.to - ramp.from)
      return max(begin, block.start + share * block.seconds)
    }
    return nil
  }

  /// Index of the first block that is not over at a time; `blocks.count` if all are.
  private func firstBlock(endingAfter time: Double) -> Int {
    var (low, high) = (0, blocks.count)
    while low < high {
      let middle = (low + high) / 2
      if blocks[middle].end > time { high = middle } else { low = middle + 1 }
    }
    return low
  }
}

extension Load {
  /// The steady load that it begins with.
  fileprivate var beginning: Load {
    switch self {
    case .outstanding(let ramp): .outstanding(Ramp(ramp.from))
    case .rate(let ramp, let arrival): .rate(Ramp(ramp.from), arrival)
    case .burst, .idle: .idle
    }
  }
}

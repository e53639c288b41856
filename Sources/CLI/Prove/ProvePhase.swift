/// One time that the reference training is run, and what goes on around it.
struct ProvePhase: Sendable {
  /// What users choose among.
  enum Kind: String, CaseIterable, Sendable { case alone, crowd, chaos }

  /// What is done to the service and to messages.
  struct Chaos: Sendable {
    var shape: ChaosSchedule.Shape
    /// Kills and pauses.
    var acts: Int
    /// The longest pause of a worker. A router gives one that is silent for 10 s up for lost.
    var longPauseMilliseconds: Int
    /// Milliseconds that each sync takes longer.
    var slowDisk: Int
    var odds = Fates.Odds.bad
  }

  var kind: Kind
  var workers: Int
  /// Compute threads of each worker.
  var threads: Int
  /// Other tenants.
  var neighbours = 0
  /// Trainings at once, each with a client of its own.
  var copies = 1
  var chaos: Chaos?

  /// What it is called.
  var title: String {
    var parts = ["\(workers) × \(threads) (workers × threads)"]
    if copies > 1 { parts.append("\(copies) at once") }
    if neighbours > 0 { parts.append("\(neighbours) other tenant\(neighbours == 1 ? "" : "s")") }
    if let chaos {
      parts.append(chaos.shape.rawValue)
      if chaos.slowDisk > 0 { parts.append("slow disk") }
    }
    return "\(kind.rawValue): " + parts.joined(separator: ", ")
  }

  /// The phases of a proof; what the first one gives is what all others must give.
  ///
  /// - Parameters:
  ///   - only: besides the first, those of one kind; nil for all.
  ///   - tenants: others in the crowd.
  ///   - workers: in the crowd and in chaos.
  static func all(isShort: Bool, only: Kind?, tenants: Int, workers: Int) -> [ProvePhase] {
    let first = ProvePhase(kind: .alone, workers: 1, threads: 1)
    var others = [ProvePhase(kind: .alone, workers: 1, threads: 2)]
    if !isShort { others.append(ProvePhase(kind: .alone, workers: 4, threads: 1)) }
    others.append(
      ProvePhase(kind: .crowd, workers: workers, threads: 1, neighbours: tenants))
    for shape in [ChaosSchedule.Shape.serve, .split] {
      for slowDisk in isShort ? [shape == .serve ? 0 : 10] : [0, 20] {
        others.append(
          ProvePhase(
            kind: .chaos, workers: workers, threads: 1, neighbours: min(tenants, isShort ? 1 : 4),
            copies: 2,
            chaos: Chaos(
              shape: shape, acts: isShort ? 10 : 20, longPauseMilliseconds: isShort ? 1000 : 20_000,
              slowDisk: slowDisk)))
      }
    }
    return [first] + others.filter { only == nil || $0.kind == only }
  }
}

extension ReferenceTraining.Size {
  /// Seconds on one core, for the embedded model.
  static let short = Self(
    steps: 30, batch: 3, rounds: 4, prompts: 3, samples: 3, newTokens: 16, stepsAfterLoad: 2)
  /// Half a minute on one core.
  static let long = Self(
    steps: 100, batch: 4, rounds: 12, prompts: 4, samples: 4, newTokens: 32, stepsAfterLoad: 10)
}

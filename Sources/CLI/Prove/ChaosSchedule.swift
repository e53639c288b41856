/// What is done to a service while it works, and when: from a seed, the same every time.
struct ChaosSchedule: Sendable, Equatable {
  /// How the processes of a service are started.
  enum Shape: String, Sendable {
    /// `tinsmith serve`: a supervisor, and below it router and workers.
    case serve
    /// `tinsmith router`, and each `tinsmith worker` for itself.
    case split = "router + workers"
  }

  /// What can happen to processes.
  enum Act: Hashable, Sendable {
    /// SIGKILL for a worker; where nobody else does, it is started again after so long.
    case killWorker(Int, absentMilliseconds: Int)
    /// SIGKILL for the router.
    case killRouter
    /// SIGKILL for the supervisor, which takes its children with it.
    case killSupervisor
    /// SIGKILL for all processes at once.
    case killAll
    /// SIGSTOP for a worker, and SIGCONT so much later.
    case pauseWorker(Int, milliseconds: Int)

    /// What to call it in a count.
    var name: String {
      switch self {
      case .killWorker: "worker killed"
      case .killRouter: "router killed"
      case .killSupervisor: "supervisor killed"
      case .killAll: "all killed at once"
      case .pauseWorker: "worker paused"
      }
    }
  }

  /// An act, after so many answers and then so much time.
  struct Step: Sendable, Equatable {
    var answers: Int
    var milliseconds: Int
    var act: Act
  }

  let shape: Shape
  /// By number of answers.
  let steps: [Step]

  /// - Parameters:
  ///   - count: acts; their kinds take turns in an order from the seed.
  ///   - answers: those of the whole work. Acts fall into its first nine tenths, so that there is
  ///     something left to go wrong.
  ///   - longPause: milliseconds of the longest pause; at least 50.
  init(
    seed: UInt64, shape: Shape, count: Int, workers: Int, answers: Int, longPause: Int
  ) {
    var random = SeededGenerator(seed: seed)
    var kinds: [Int] = []
    while kinds.count < count { kinds += (0..<5).shuffled(using: &random) }
    let last = max(1, answers * 9 / 10)
    // Where there is a supervisor it takes turns with its router.
    var isSupervisorsTurn = shape == .serve
    let points = (0..<count).map { _ in Int.random(in: 1...last, using: &random) }
    self.shape = shape
    steps = zip(points.sorted(), kinds).map { point, kind in
      let worker = Int.random(in: 0..<workers, using: &random)
      let act: Act =
        switch kind {
        case 0 where isSupervisorsTurn: .killSupervisor
        case 0: .killRouter
        case 1: .killAll
        case 2:
          .pauseWorker(worker, milliseconds: Int.random(in: 50...longPause, using: &random))
        // The most common of accidents is twice as likely.
        default:
          .killWorker(worker, absentMilliseconds: Int.random(in: 0...1000, using: &random))
        }
      if kind == 0, shape == .serve { isSupervisorsTurn.toggle() }
      return Step(
        answers: point, milliseconds: Int.random(in: 0...200, using: &random), act: act)
    }
  }
}

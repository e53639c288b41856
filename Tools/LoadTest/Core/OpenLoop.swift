import Foundation
import Synchronization

/// The thread that sends each arrival at its moment.
final class OpenLoop: Sendable {
  private let scenario: Scenario
  private let timelines: [Timeline]
  private let plan: RequestPlan
  private let clock: Clock
  private let send: @Sendable (Request, Double) -> Void
  private let isStopped = Atomic(false)

  /// - Parameter send: called on the thread with a request and its moment; must not block.
  init(
    _ scenario: Scenario, _ timelines: [Timeline], _ plan: RequestPlan, _ clock: Clock,
    send: @escaping @Sendable (Request, Double) -> Void
  ) {
    self.scenario = scenario
    self.timelines = timelines
    self.plan = plan
    self.clock = clock
    self.send = send
  }

  /// Runs until the last arrival was sent, or the task is cancelled.
  func run() async {
    let isOpen = timelines.contains { timeline in timeline.blocks.contains { $0.load.isOpen } }
    guard isOpen else { return }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let thread = Thread { [self] in
          loop()
          continuation.resume()
        }
        thread.name = "open-loop"
        thread.start()
      }
    } onCancel: {
      isStopped.store(true, ordering: .relaxed)
    }
  }

  private func loop() {
    var groups = timelines.enumerated().map { group, timeline in
      Line(group, timeline, scenario.seed)
    }
    while !isStopped.load(ordering: .relaxed) {
      guard let first = groups.indices.min(by: { groups[$0].time < groups[$1].time }),
        groups[first].time.isFinite
      else { return }
      let time = groups[first].time
      let now = clock.now
      if time > now {
        // In slices, so that a run that is stopped ends soon.
        clock.sleepThread(until: min(time, now + 0.1))
        continue
      }
      let (group, number) = (groups[first].group, groups[first].number)
      let clients = scenario.groups[group].clients
      let request = plan.request(group: group, client: number % clients, index: number / clients)
      send(request, time)
      groups[first].advance()
    }
  }

  /// The arrivals of one group.
  private struct Line {
    let group: Int
    private var arrivals: Arrivals
    /// Number of the next arrival.
    private(set) var number = 0
    /// Its moment; infinite if there is none.
    private(set) var time: Double

    init(_ group: Int, _ timeline: Timeline, _ seed: UInt64) {
      self.group = group
      arrivals = Arrivals(timeline, seed: seed, group: group)
      time = arrivals.next() ?? .infinity
    }

    mutating func advance() {
      number += 1
      time = arrivals.next() ?? .infinity
    }
  }
}

extension Load {
  /// Whether its requests have moments of their own.
  fileprivate var isOpen: Bool {
    switch self {
    case .rate, .burst: true
    case .outstanding, .idle: false
    }
  }
}

import Dispatch
import Foundation
import Glibc
import LoadTestCore

/// One run: connects, drives the load, shows its progress, and returns the report.
struct LoadRun {
  private let scenario: Scenario
  private let endpoint: String
  private let isQuiet: Bool

  init(_ scenario: Scenario, endpoint: String, isQuiet: Bool) {
    self.scenario = scenario
    self.endpoint = endpoint
    self.isQuiet = isQuiet
  }

  /// - Throws: `RunError` if the service does not answer or refuses what the load needs.
  func run() async throws -> Report {
    let target = try await ServiceTarget.prepare(scenario, endpoint: endpoint) { text in
      if !isQuiet { Output.complain(text) }
    }
    let recorder = Recorder(scenario)
    let started = ISO8601DateFormatter().string(from: Date())
    let clock = Clock(zeroIn: scenario.warmup)
    let watcher = Task { [self] in await watch(recorder, clock) }
    let poll = Task { await Self.poll(recorder, target, clock) }
    let work = Task { [scenario] in
      await Driver(scenario, target: target, recorder: recorder, clock: clock).run()
    }
    // The first Ctrl-C ends the run early and still shows what was seen; a second one kills.
    signal(SIGINT, SIG_IGN)
    let interrupt = DispatchSource.makeSignalSource(signal: SIGINT)
    interrupt.setEventHandler {
      work.cancel()
      signal(SIGINT, SIG_DFL)
    }
    interrupt.activate()
    await work.value
    let end = work.isCancelled ? clock.now : .infinity
    interrupt.cancel()
    watcher.cancel()
    poll.cancel()
    await watcher.value
    await poll.value
    await target.close()
    return Report(
      recorder, scenario, endpoint: endpoint, service: target.version, started: started,
      stoppedAt: end)
  }

  // MARK: Progress

  /// Asks the service for its numbers once a second, until cancelled.
  private static func poll(_ recorder: Recorder, _ target: ServiceTarget, _ clock: Clock) async {
    while !Task.isCancelled {
      if let service = await target.statistics() {
        recorder.tick(at: clock.now, service: service)
      }
      try? await clock.sleep(until: clock.now.rounded(.down) + 1.5)
    }
  }

  /// Shows the state of the run: redrawn on a terminal, otherwise a line a second; until cancelled.
  private func watch(_ recorder: Recorder, _ clock: Clock) async {
    let view = LiveView(scenario)
    var drawn = 0
    while !Task.isCancelled {
      let now = clock.now
      recorder.tick(at: now, service: nil)
      if !isQuiet {
        let progress = recorder.progress()
        if let columns = Output.columns {
          let lines = view.lines(progress, at: now, columns: columns)
          Output.draw(Self.redraw(lines, over: drawn))
          drawn = lines.count
        } else {
          Output.complain(view.line(progress, at: now))
        }
      }
      let pause = Output.columns == nil ? 1 : 0.25
      try? await clock.sleep(until: ((now / pause).rounded(.down) + 1) * pause + 0.01)
    }
  }

  /// The lines in the place of those that were drawn before.
  private static func redraw(_ lines: [String], over drawn: Int) -> String {
    let up = drawn > 0 ? "\u{1B}[\(drawn)A" : ""
    let body = lines.map { "\u{1B}[2K\($0)\n" }.joined()
    return up + body + "\u{1B}[J"
  }
}

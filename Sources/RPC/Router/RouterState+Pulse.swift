internal import Wire

/// Whether a worker still works, as its heartbeats, its progress and its answers say.
///
/// Time counts only while the router itself runs on time: on a machine so loaded that the router
/// is late, that a worker says nothing means nothing.
struct Pulse {
  /// Why a worker is taken to do nothing any more.
  enum Stall: Equatable {
    /// It says nothing: it is stopped.
    case silent
    /// It has work, and finishes none of it.
    case hanging
  }

  /// Milliseconds without a word, and without progress while there is work.
  private(set) var silence: UInt64 = 0
  private(set) var standstill: UInt64 = 0
  private(set) var stall: Stall?
  /// When its stall is reported next.
  private var nextReport: UInt64 = 0
  /// Its progress and answers when they were looked at last.
  private var last = (progress: UInt64(0), answers: UInt64(0))

  /// Some time has passed.
  /// - Parameters:
  ///   - step: how much, as far as it counts.
  ///   - wasHeard: it said something meanwhile.
  ///   - hasWork: it had something to compute all the time.
  mutating func pass(
    _ step: UInt64, wasHeard: Bool, hasWork: Bool, progress: UInt64, answers: UInt64,
    _ rules: RouterRules
  ) {
    silence = wasHeard ? 0 : silence + step
    let moved = last.progress != progress || last.answers != answers
    standstill = moved || !hasWork ? 0 : standstill + step
    last = (progress, answers)
    let before = stall
    stall =
      silence >= rules.stallMilliseconds
      ? .silent : standstill >= rules.hangMilliseconds ? .hanging : nil
    if stall != before { nextReport = 0 }
  }

  /// Whether its stall is to be reported: at once, and again while it lasts.
  mutating func isReportDue(_ now: UInt64) -> Bool {
    guard stall != nil, now >= nextReport else { return false }
    nextReport = now + 10_000
    return true
  }
}

/// Workers that are stopped or hang.
extension RouterState {
  /// A tick that comes later than this says that the router did not run on time.
  static let punctualMilliseconds: UInt64 = 500

  mutating func watchWorkers(_ now: UInt64) {
    let elapsed = now - min(now, lastTick)
    let step = elapsed <= Self.punctualMilliseconds ? elapsed : 0
    for worker in workers.indices
    where !workers[worker].isKeeper && !details[worker].name.isEmpty
      && !details[worker].hasSaidGoodbye
    {
      details[worker].pulse.pass(
        step, wasHeard: workers[worker].lastHeard >= lastTick && workers[worker].isConnected,
        hasWork: workers[worker].inFlight > 0 || workers[worker].openings > 0,
        progress: workers[worker].progress, answers: workers[worker].answers, rules)
      if details[worker].pulse.stall != nil { stalled(worker, now) }
    }
    lastTick = now
  }

  private mutating func stalled(_ worker: Int, _ now: UInt64) {
    guard let stall = details[worker].pulse.stall else { return }
    let reason =
      stall == .silent
      ? "said nothing for \(details[worker].pulse.silence / 1000) s"
      : "finished nothing for \(details[worker].pulse.standstill / 1000) s, with "
        + "\(workers[worker].inFlight) requests there"
    if workers[worker].isSupervised {
      guard details[worker].pulse.isReportDue(now) else { return }
      actions.append(.stalled(worker: details[worker].name, reason: reason))
    } else if stall == .hanging {
      // Nobody here can end it. What it says later finds it unknown, and its models elsewhere.
      actions.append(.note("worker \(details[worker].name) \(reason): it is given up"))
      end(worker: worker, crashed: true, now)
    }
  }
}

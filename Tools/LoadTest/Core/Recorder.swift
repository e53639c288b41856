internal import Histogram
import Synchronization

/// Collects what a run sees, from any thread: latencies and outcomes by series, and what happened
/// in each second.
///
/// Requests intended during the warm-up count in the seconds before 0 only. Arrivals count for
/// throughput where they arrive, whenever they were sent.
package final class Recorder: Sendable {
  /// Which requests are counted together.
  package struct Key: Sendable, Hashable {
    package var group: Int
    /// Place in the names of the group's timeline.
    package var stage: Int
    package var tenant: Int
    package var primitive: Primitive

    package init(group: Int, stage: Int, tenant: Int, primitive: Primitive) {
      self.group = group
      self.stage = stage
      self.tenant = tenant
      self.primitive = primitive
    }
  }

  /// What was counted for a key.
  struct Series: Sendable {
    /// Microseconds of answers, and of waiting in vain where none came.
    var latency = Histogram<UInt32>()
    var ok = 0
    var errors: [String: Int] = [:]
    /// Given up by the plan.
    var cancelled = 0
    /// Answers that arrived in the measured time of the stage, and their tokens.
    var arrived = 0
    var arrivedTokens = 0
  }

  /// A request on its way.
  package struct Ticket: Sendable {
    let key: Key
    /// When it was due, seconds.
    package let intended: Double
    let tokens: Int
    /// Whether it was given up by the plan.
    var isCancelled = false

    package init(key: Key, intended: Double, tokens: Int) {
      self.key = key
      self.intended = intended
      self.tokens = tokens
    }
  }

  struct State {
    var places: [Key: Int] = [:]
    var keys: [Key] = []
    var series: [Series] = []
    var lag = Histogram<UInt32>()
    var inFlight = 0
    var seconds: SecondLog
    var totals: [Primitive: Series] = [:]
  }

  /// Error of a request that had no answer when the run ended.
  package static let unfinished = "UNFINISHED"
  /// Error of a request that an open loop did not send because too many were in flight.
  package static let notSent = "NOT_SENT"

  private let timelines: [Timeline]
  private let tenants: [String]
  private let state: Mutex<State>

  package init(_ scenario: Scenario) {
    timelines = scenario.groups.map { Timeline($0.stages, warmup: scenario.warmup) }
    tenants = scenario.tenants.map(\.name)
    state = Mutex(State(seconds: SecondLog(start: -scenario.warmup)))
  }

  /// A request is sent.
  /// - Parameter isOpen: whether it had a moment of its own, which it may miss.
  package func sent(_ ticket: Ticket, at now: Double, isOpen: Bool) {
    state.withLock { state in
      state.inFlight += 1
      state.seconds.advance(to: now, inFlight: state.inFlight)
      state.seconds.current.sent += 1
      if isOpen, ticket.intended >= 0 { state.lag.record(Self.microseconds(now - ticket.intended)) }
    }
  }

  /// A request has its outcome.
  package func done(_ ticket: Ticket, _ outcome: RequestOutcome, at now: Double) {
    let wait = Self.microseconds(now - ticket.intended)
    state.withLock { state in
      state.inFlight -= 1
      state.seconds.advance(to: now, inFlight: state.inFlight)
      count(ticket, outcome, wait, &state)
      if outcome == .ok { arrived(ticket, now, &state) }
      let tenant = tenants[ticket.key.tenant]
      if ticket.isCancelled {
        state.seconds.current.cancelled += 1
      } else {
        state.seconds.count(
          ticket.key.primitive, tenant: tenant, outcome, wait, tokens: ticket.tokens)
      }
    }
  }

  /// A request was due and not sent.
  package func skipped(_ ticket: Ticket, at now: Double) {
    state.withLock { state in
      state.seconds.advance(to: now, inFlight: state.inFlight)
      state.seconds.current.errors += 1
      count(ticket, .failed(Self.notSent), 0, &state)
    }
  }

  /// Closes the seconds that are over, also when nothing happened, and notes what the service
  /// said of itself.
  package func tick(at now: Double, service: [String: Double]?) {
    state.withLock { state in
      state.seconds.advance(to: now, inFlight: state.inFlight)
      if let service { state.seconds.current.service = service }
    }
  }

  /// What there is so far, for the live view.
  package func progress() -> Progress {
    state.withLock { state in
      Progress(
        inFlight: state.inFlight, seconds: state.seconds.closed.suffix(120),
        totals: state.totals.mapValues { Totals($0) })
    }
  }

  /// Everything, once the run is over.
  func recording() -> Recording {
    state.withLock { state in
      Recording(
        series: zip(state.keys, state.series).map { ($0, $1) }, seconds: state.seconds.all(),
        lag: state.lag)
    }
  }

  private func count(
    _ ticket: Ticket, _ outcome: RequestOutcome, _ wait: UInt64, _ state: inout State
  ) {
    guard ticket.intended >= 0 else { return }
    let place = state.place(ticket.key)
    state.series[place].count(outcome, wait, isCancelled: ticket.isCancelled)
    state.totals[ticket.key.primitive, default: Series()]
      .count(outcome, wait, isCancelled: ticket.isCancelled)
  }

  private func arrived(_ ticket: Ticket, _ now: Double, _ state: inout State) {
    guard now >= 0, let block = timelines[ticket.key.group].block(at: now) else { return }
    var key = ticket.key
    key.stage = block.name
    let place = state.place(key)
    state.series[place].arrived += 1
    state.series[place].arrivedTokens += ticket.tokens
  }

  private static func microseconds(_ seconds: Double) -> UInt64 {
    UInt64(min(max(seconds * 1e6, 0), 1e12).rounded())
  }
}

extension Recorder.State {
  mutating func place(_ key: Recorder.Key) -> Int {
    if let place = places[key] { return place }
    places[key] = series.count
    keys.append(key)
    series.append(Recorder.Series())
    return series.count - 1
  }
}

extension Recorder.Series {
  mutating func count(_ outcome: RequestOutcome, _ wait: UInt64, isCancelled: Bool) {
    switch outcome {
    case .ok:
      ok += 1
      latency.record(wait)
    case .failed where isCancelled: cancelled += 1
    case .failed(let code):
      errors[code, default: 0] += 1
      // It waited at least so long; leaving it out would flatter the percentiles.
      if code == Recorder.unfinished { latency.record(wait) }
    }
  }
}

/// What a run saw.
struct Recording: Sendable {
  let series: [(key: Recorder.Key, value: Recorder.Series)]
  let seconds: [Second]
  /// Microseconds by which an open loop was late.
  let lag: Histogram<UInt32>
}

/// What a run has seen so far.
package struct Progress: Sendable {
  package let inFlight: Int
  /// The last seconds that are over.
  package let seconds: ArraySlice<Second>
  package let totals: [Primitive: Totals]
}

/// Figures of one primitive so far; milliseconds.
package struct Totals: Sendable {
  package let ok: Int
  package let errors: [String: Int]
  package let p50: Double
  package let p99: Double
  package let p999: Double

  init(_ series: Recorder.Series) {
    ok = series.ok
    errors = series.errors
    p50 = Double(series.latency.valueAtPercentile(50)) * 1e-3
    p99 = Double(series.latency.valueAtPercentile(99)) * 1e-3
    p999 = Double(series.latency.valueAtPercentile(99.9)) * 1e-3
  }
}

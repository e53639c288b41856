internal import Metrics
internal import Synchronization

/// One series of a `MetricsCollector`: a name with labels, and its value.
///
/// It answers to every kind of swift-metrics handler; which of their calls come depends on what it
/// was made as.
package final class MetricSeries: Sendable {
  /// Types of the text format.
  package enum Kind: String, Sendable { case counter, gauge, summary }

  /// A moment's value: of a counter or gauge in `sum`, of a summary in both.
  package struct Value: Sendable, Equatable {
    package var sum = 0.0
    package var count = 0
  }

  package let name: String
  package let labels: [Label]
  package let kind: Kind
  private let state = Mutex(Value())

  package struct Label: Hashable, Sendable {
    package let name: String
    package let value: String
  }

  init(name: String, labels: [Label], kind: Kind) {
    self.name = name
    self.labels = labels
    self.kind = kind
  }

  package var value: Value { state.withLock { $0 } }

  private func add(_ amount: Double) {
    state.withLock { value in
      value.sum += amount
      value.count += 1
    }
  }
}

extension MetricSeries: CounterHandler, FloatingPointCounterHandler {
  package func increment(by amount: Int64) { add(Double(amount)) }
  package func increment(by amount: Double) { add(amount) }
  package func reset() { state.withLock { $0 = Value() } }
}

extension MetricSeries: MeterHandler {
  package func set(_ value: Int64) { set(Double(value)) }
  package func set(_ value: Double) { state.withLock { $0 = Value(sum: value, count: 1) } }
  package func decrement(by amount: Double) { add(-amount) }
}

extension MetricSeries: RecorderHandler {
  package func record(_ value: Int64) { record(Double(value)) }
  package func record(_ value: Double) { kind == .gauge ? set(value) : add(value) }
}

extension MetricSeries: TimerHandler {
  /// Times are kept in seconds.
  package func recordNanoseconds(_ duration: Int64) { add(Double(duration) / 1e9) }
}

internal import Metrics
internal import Synchronization

/// The numbers of `Admin.Stats` as metrics: `router.requests_total` is
/// `tinsmith_router_requests_total`, `worker.NAME.models` is `tinsmith_worker_models{worker="NAME"}`.
package final class ServiceMetrics: Sendable {
  private enum Handle {
    case counter(FloatingPointCounter, last: Double)
    case gauge(Meter)
  }

  private let factory: MetricsCollector
  private let handles = Mutex<[String: Handle]>([:])

  package init(_ collector: MetricsCollector) { factory = collector }

  /// Takes in the numbers of now. What is no longer among them is forgotten.
  package func update(_ values: [String: Double]) {
    handles.withLock { handles in
      for (path, value) in values { update(&handles[path], path, value) }
      for (path, handle) in handles where values[path] == nil {
        switch handle {
        case .counter(let counter, _): counter.destroy()
        case .gauge(let meter): meter.destroy()
        }
        handles[path] = nil
      }
    }
  }

  private func update(_ handle: inout Handle?, _ path: String, _ value: Double) {
    switch handle {
    case .gauge(let meter): meter.set(value)
    case .counter(let counter, let last):
      // A counter that fell began anew with its process.
      counter.increment(by: value >= last ? value - last : value)
      handle = .counter(counter, last: value)
    case nil:
      guard let (name, dimensions) = Self.series(path) else { return }
      if ServiceNumbers.isCounter(path) {
        let counter = FloatingPointCounter(label: name, dimensions: dimensions, factory: factory)
        counter.increment(by: value)
        handle = .counter(counter, last: value)
      } else {
        let meter = Meter(label: name, dimensions: dimensions, factory: factory)
        meter.set(value)
        handle = .gauge(meter)
      }
    }
  }

  /// Name and labels of a number; nil where it has neither of the two forms.
  static func series(_ path: String) -> (name: String, dimensions: [(String, String)])? {
    guard let first = path.firstIndex(of: "."), let last = path.lastIndex(of: "."),
      first > path.startIndex, path.index(after: last) < path.endIndex
    else { return nil }
    let (group, key) = (path[..<first], path[path.index(after: last)...])
    let name = "tinsmith_\(group)_\(key)"
    if first == last { return group == "router" ? (name, []) : nil }
    return (name, [(String(group), String(path[path.index(after: first)..<last]))])
  }

  /// What the numbers are, in words.
  package static func help(_ name: String) -> String? {
    let words = name.split(separator: "_", maxSplits: 2)
    guard words.count == 3, words[0] == "tinsmith" else { return nil }
    if let known = help["\(words[1]).\(words[2])"] { return known }
    let what = words[2].replacing("_total", with: "").replacing("_", with: " ")
    return "\(what) of the \(words[1])"
  }

  private static let help = [
    "router.requests_total": "Requests that arrived from clients.",
    "router.answers_total": "Final answers that workers gave.",
    "router.refusals_total": "Requests that the router answered itself with an error.",
    "router.unreadable_total": "Messages of clients that were no requests.",
    "router.stale_answers_total": "Answers of workers that nobody waits for.",
    "router.held": "Requests that wait in the router for room or for an earlier one.",
    "router.in_flight": "Requests at workers.",
    "router.sessions": "Sessions that the router knows.",
    "router.streams": "Streams that the router knows: models and series of independent calls.",
    "router.connections": "Connections of clients that have asked for something.",
    "router.connections_open": "Connections of clients.",
    "router.connections_accepted_total": "Connections of clients since the start.",
    "router.receiving_bytes": "Bytes of unfinished messages of clients.",
    "router.sending_bytes": "Bytes that wait until clients take them.",
    "router.workers": "Workers that are registered.",
    "worker.requests": "Requests that run or wait in the worker.",
    "worker.models": "Models that live on the worker.",
    "worker.streams": "Streams that the worker serves.",
    "worker.training_tokens_total": "Tokens that went through forward or forward_backward.",
    "worker.sampled_tokens_total": "Tokens that were sampled.",
    "worker.prompt_tokens_total": "Tokens of prompts.",
    "worker.cache_hit_tokens_total": "Tokens of prompts that the prefix cache had.",
    "worker.compute_busy_seconds": "Time that the compute thread worked.",
    "worker.memory_bytes": "Memory that the worker has set aside or given out, by its own account.",
    "worker.memory_limit_bytes": "Memory that the worker may use.",
    "worker.memory_resident_bytes": "Memory of the worker as the system sees it, with mappings.",
    "worker.memory_private_bytes": "Memory that only this worker has.",
    "tenant.waiting": "Requests of the tenant that wait for room.",
    "tenant.in_flight": "Requests of the tenant at workers.",
    "tenant.served_tokens_total": "Tokens of the tenant's requests that were dispatched.",
  ]
}

package import Dispatch
import Synchronization

/// Runs pieces of work one at a time, tenants in turns: whoever has much to do waits for himself,
/// and others for one piece of his.
package final class FairQueueOfWork: Sendable {
  package typealias Work = @Sendable () -> Void

  private let queue: DispatchQueue
  private let turns = Mutex(Turns<Work>())

  /// - Parameter label: of the queue, for people.
  package convenience init(label: String) {
    self.init(on: DispatchQueue(label: label, qos: .utility))
  }

  /// On a serial queue, which may have other things to do, too.
  package init(on queue: DispatchQueue) { self.queue = queue }

  /// Adds a piece of a tenant. From any thread.
  package func add(for tenant: String, _ work: @escaping Work) {
    turns.withLock { $0.add(work, for: tenant) }
    // As many calls as pieces: each takes what is next by then.
    queue.async { [self] in turns.withLock { $0.next() }?() }
  }
}

/// Who is next: a queue for each tenant, and the tenants in a circle. A pure value.
struct Turns<Work> {
  private var waiting: [String: [Work]] = [:]
  /// Tenants that wait, the next one first.
  private var circle: [String] = []

  mutating func add(_ work: Work, for tenant: String) {
    if waiting[tenant] == nil { circle.append(tenant) }
    waiting[tenant, default: []].append(work)
  }

  mutating func next() -> Work? {
    guard let tenant = circle.first, let work = waiting[tenant]?.first else { return nil }
    circle.removeFirst()
    waiting[tenant]?.removeFirst()
    if waiting[tenant]?.isEmpty == true {
      waiting[tenant] = nil
    } else {
      circle.append(tenant)
    }
    return work
  }
}

import Synchronization

/// The requests on their way: what cancels them, and when none is left.
final class InFlight: Sendable {
  fileprivate struct Entry {
    var ticket: Recorder.Ticket
    var cancel: (@Sendable () -> Void)?
    let then: @Sendable () -> Void
  }

  private let state = Mutex<(next: UInt64, entries: [UInt64: Entry])>((0, [:]))

  var count: Int { state.withLock { $0.entries.count } }

  /// A request that is about to start.
  /// - Parameter then: what follows its outcome; for whoever removes it to call.
  func add(_ ticket: Recorder.Ticket, then: @escaping @Sendable () -> Void) -> UInt64 {
    state.withLock { state in
      state.next += 1
      state.entries[state.next] = Entry(ticket: ticket, then: then)
      return state.next
    }
  }

  /// What gives the request up; called at once if that is wanted already.
  func started(_ id: UInt64, cancel: @escaping @Sendable () -> Void) {
    let isLate = state.withLock { state in
      guard let entry = state.entries[id] else { return false }
      if entry.ticket.isCancelled { return true }
      state.entries[id]?.cancel = cancel
      return false
    }
    if isLate { cancel() }
  }

  /// A request that is not on its way any more, for one caller only.
  struct Removed {
    let ticket: Recorder.Ticket
    let cancel: (@Sendable () -> Void)?
    let then: @Sendable () -> Void

    fileprivate init(_ entry: Entry) {
      ticket = entry.ticket
      cancel = entry.cancel
      then = entry.then
    }
  }

  /// The request has its outcome; nil if somebody has counted it before.
  func remove(_ id: UInt64) -> Removed? {
    state.withLock { $0.entries.removeValue(forKey: id).map(Removed.init) }
  }

  /// Gives up all requests of a group, as the plan wants it.
  func cancel(group: Int) {
    let cancels = state.withLock { state in
      var cancels: [@Sendable () -> Void] = []
      for (id, entry) in state.entries where entry.ticket.key.group == group {
        state.entries[id]?.ticket.isCancelled = true
        if let cancel = entry.cancel { cancels.append(cancel) }
      }
      return cancels
    }
    for cancel in cancels { cancel() }
  }

  /// All that are left, which nobody else counts then.
  func removeAll() -> [Removed] {
    state.withLock { state in
      defer { state.entries = [:] }
      return state.entries.values.map(Removed.init)
    }
  }
}

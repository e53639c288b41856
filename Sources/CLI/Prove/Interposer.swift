import RPC
import Synchronization
import ZeroMQ

/// Stands between clients and a service, and does to their messages what fate says.
///
/// A ROUTER for the clients, and for each of their connections a DEALER to the service. All sockets
/// belong to one thread; others only say when to close and open.
final class Interposer: Sendable {
  /// What happened to messages.
  struct Counts: Equatable, Sendable {
    var messages = 0
    var late = 0
    var twice = 0
    var behind = 0
    var lost = 0
    /// Times at which all connections broke.
    var breaks = 0
  }

  /// What the thread is asked for, and what it has done.
  struct Orders: Sendable {
    var isOpen = true
    var isStopped = false
    var counts = Counts()
  }

  /// Where clients connect.
  let endpoint: String
  private let orders: SharedOrders
  private let thread: LoopThread

  /// Starts it on a free port.
  ///
  /// - Parameter service: where the service listens for clients.
  init(service: String, fates: Fates) throws {
    let context = try Context()
    let orders = try SharedOrders()
    // Found here, and bound again by the thread as after every break.
    let endpoint = try Socket(context, .router).bind("tcp://127.0.0.1:*")
    thread = LoopThread(name: "interposer") {
      try InterposerLoop(
        listen: endpoint, service: service, fates: fates, orders: orders, context: context
      ).run()
    }
    self.endpoint = endpoint
    self.orders = orders
    try thread.start()
  }

  /// What happened so far.
  var counts: Counts { orders.read { $0.counts } }

  /// Breaks all connections and takes no new ones, as a service that is not there.
  func close() { orders.change { $0.isOpen = false } }

  /// Takes connections again.
  func open() { orders.change { $0.isOpen = true } }

  /// Ends the thread.
  /// - Throws: why it ended earlier, if it did.
  func stop() async throws {
    orders.change { $0.isStopped = true }
    try await thread.wait()
  }
}

/// Orders that reach a poll loop.
final class SharedOrders: Sendable {
  private let orders = Mutex(Interposer.Orders())
  private let wakeup: Wakeup

  init() throws { wakeup = try Wakeup() }

  /// What the loop polls.
  var descriptor: Int32 { wakeup.descriptor }

  func read<Value: Sendable>(_ body: (Interposer.Orders) -> Value) -> Value {
    orders.withLock { body($0) }
  }

  func change(_ body: (inout Interposer.Orders) -> Void) {
    orders.withLock { body(&$0) }
    wakeup.signal()
  }

  // MARK: For the loop only

  func count(_ body: (inout Interposer.Counts) -> Void) {
    orders.withLock { body(&$0.counts) }
  }

  func drain() { wakeup.drain() }
}

import Checkpoints
import Foundation
import RPC
import Synchronization
import Wire

/// The ledger of a worker, which several threads use.
final class MemoryAccount: Sendable {
  let plan: MemoryPlan
  private let ledger: Mutex<MemoryLedger>
  /// Signalled when memory came back.
  private let condition = NSCondition()

  init(_ plan: MemoryPlan) {
    self.plan = plan
    ledger = Mutex(
      MemoryLedger(limits: [
        .adapters: plan.adapters, .training: plan.requests / 2, .sampling: plan.requests / 2,
      ]))
  }

  /// Takes memory until the charge is let go of.
  func reserve(
    _ bytes: Int, _ kind: MemoryLedger.Kind
  ) throws(MemoryShortage) -> MemoryCharge {
    // Typed throws through `withLock` would lose the type.
    let result = ledger.withLock { ledger in
      Result { () throws(MemoryShortage) in try ledger.reserve(bytes, kind) }
    }
    try result.get()
    return MemoryCharge(self, bytes, kind)
  }

  /// The same, waiting until others have let go of theirs. Never on the compute thread, which is the
  /// one that ends what they do.
  /// - Throws: a shortage that nobody's end would help.
  func waitAndReserve(
    _ bytes: Int, _ kind: MemoryLedger.Kind
  ) throws(MemoryShortage) -> MemoryCharge {
    condition.lock()
    defer { condition.unlock() }
    while true {
      do {
        return try reserve(bytes, kind)
      } catch {
        if error.isForGood { throw error }
        condition.wait()
      }
    }
  }

  fileprivate func release(_ bytes: Int, _ kind: MemoryLedger.Kind) {
    ledger.withLock { $0.release(bytes, kind) }
    condition.lock()
    condition.broadcast()
    condition.unlock()
  }

  func used(_ kind: MemoryLedger.Kind) -> Int { ledger.withLock { $0.used(kind) } }
  func free(_ kind: MemoryLedger.Kind) -> Int { ledger.withLock { $0.free(kind) } }
  func limit(_ kind: MemoryLedger.Kind) -> Int { ledger.withLock { $0.limit(kind) } }

  /// What the worker reports: what is set aside for good and what clients have taken, of what it may
  /// have.
  var figures: [String: Double] {
    let (adapters, requests) = ledger.withLock {
      ($0.used(.adapters), $0.used(.training) + $0.used(.sampling))
    }
    let fixed = plan.limit - plan.adapters
    return [
      "memory_bytes": Double(fixed + adapters), "memory_limit_bytes": Double(plan.limit),
      "memory_adapters_bytes": Double(adapters), "memory_requests_bytes": Double(requests),
    ]
  }
}

/// Memory that somebody has; given back with the last reference to it.
final class MemoryCharge: Sendable {
  private let account: MemoryAccount
  private let bytes: Int
  private let kind: MemoryLedger.Kind

  fileprivate init(_ account: MemoryAccount, _ bytes: Int, _ kind: MemoryLedger.Kind) {
    self.account = account
    self.bytes = bytes
    self.kind = kind
  }

  deinit { account.release(bytes, kind) }
}

extension RPCError {
  /// What cannot be had now may be asked for again; what can never be had is refused for good.
  init(_ shortage: MemoryShortage, _ what: String) {
    self.init(
      shortage.isForGood ? .failedPrecondition : .resourceExhausted, shortage.message(what),
      retryAfterMilliseconds: shortage.isForGood ? 0 : 500)
  }
}

internal import Wire

/// Requests and their bytes that somebody has outstanding.
///
/// Every request is on four such accounts from its admission to its last answer: its session's, its
/// tenant's, everybody's together and, without a session, its connection's. No number that a peer
/// sends can make a sum here trap: sums saturate, and a saturated account lets nothing in.
struct Account: Equatable, Sendable {
  private(set) var requests = 0
  private(set) var bytes = 0

  mutating func take(requests count: Int = 1, bytes more: Int) {
    requests = Self.sum(requests, count)
    bytes = Self.sum(bytes, more)
  }

  mutating func giveBack(requests count: Int = 1, bytes less: Int) {
    requests = max(0, requests - count)
    bytes = max(0, bytes - less)
  }

  private static func sum(_ left: Int, _ right: Int) -> Int {
    let (sum, overflows) = left.addingReportingOverflow(max(0, right))
    return overflows ? .max : sum
  }
}

/// How what is limited is shared: by what is left of it.
///
/// A tenant may have as much as nobody has, and a session (or connection) of it as much as its
/// tenant may still take. One alone gets up to half of all, n together 1 / (n + 1) each, and there
/// is always something left for who comes next. Nobody has to know how many there will be.
package enum Share {
  /// Whether `more` may be taken.
  /// - Parameters:
  ///   - holder: what the session or connection has.
  ///   - tenant: what its tenant has, the holder's included.
  ///   - all: what everybody has.
  package static func allows(
    _ more: Int, holder: Int, tenant: Int, all: Int, of limit: Int
  ) -> Bool {
    let free = limit - min(all, limit) - min(more, limit)
    return free >= 0 && tenant <= free && holder <= free - tenant
  }
}

/// On whose accounts a request is.
struct Charge: Equatable, Sendable {
  /// The place of its session; 0 for none.
  var session: Int
  var bytes: Int
  /// The place of the connection that pays, of a request without a session; else -1.
  var payer: Int32 = -1
  var payerGeneration: UInt32 = 0

  /// Who takes turns in queues: sessions, and connections without one.
  var turn: Int { payer < 0 ? session : -1 - Int(payer) }
}

extension RouterState {
  /// Puts a request on its accounts.
  mutating func take(_ charge: Charge, requests: Int = 1) {
    outstanding.take(requests: requests, bytes: charge.bytes)
    sessions[charge.session].outstanding.take(requests: requests, bytes: charge.bytes)
    tenants[sessions[charge.session].tenant].outstanding.take(
      requests: requests, bytes: charge.bytes)
    if charge.payer >= 0, connections[Int(charge.payer)].generation == charge.payerGeneration {
      connections[Int(charge.payer)].outstanding.take(requests: requests, bytes: charge.bytes)
    }
  }

  /// Takes a request off its accounts.
  mutating func giveBack(_ charge: Charge, requests: Int = 1) {
    outstanding.giveBack(requests: requests, bytes: charge.bytes)
    defer { if sessions[charge.session].hasEnded { freeSession(charge.session) } }
    sessions[charge.session].outstanding.giveBack(requests: requests, bytes: charge.bytes)
    tenants[sessions[charge.session].tenant].outstanding.giveBack(
      requests: requests, bytes: charge.bytes)
    if charge.payer >= 0, connections[Int(charge.payer)].generation == charge.payerGeneration {
      connections[Int(charge.payer)].outstanding.giveBack(requests: requests, bytes: charge.bytes)
    }
  }

  /// The bytes of a request wait in the router.
  mutating func takeHeld(_ charge: Charge) {
    heldBytes += charge.bytes
    sessions[charge.session].heldBytes += charge.bytes
    tenants[sessions[charge.session].tenant].heldBytes += charge.bytes
  }

  /// The bytes of a request do not wait in the router any more.
  mutating func giveBackHeld(_ charge: Charge) {
    heldBytes -= charge.bytes
    sessions[charge.session].heldBytes -= charge.bytes
    tenants[sessions[charge.session].tenant].heldBytes -= charge.bytes
  }
}

/// What the router keeps of one tenant.
struct TenantRecord {
  var name: String
  /// What one token of cost adds to the tenant's counters.
  var costFactor: Double
  var generation: UInt32 = 0
  var sessions = 0
  /// Streams in order of its sessions.
  var orderedStreams = 0
  var outstanding = Account()
  /// Bytes of its requests that wait in the router.
  var heldBytes = 0
  /// Its sessions in the order in which they are looked at when one has to be forgotten.
  var sessionClock = SessionClock()
  /// Requests in queues for room, and at workers.
  var waiting = 0
  var inFlight = 0
  /// Tokens of training and sampling that were answered, as workers counted them.
  var servedTokens: UInt64 = 0
}

/// The tenants that have sessions, by place. Place 0 is `default`, to which also the calls without
/// a session belong. Where everybody is let in, keys can be made up: of those beyond
/// `RouterLimits.tenants` all are one account, the last place's.
struct TenantTable {
  private(set) var records = [TenantRecord(name: Tenant.defaultName, costFactor: 1)]
  private var index = [Tenant.defaultName: 0]
  private var free: [Int] = []

  /// Lent, not copied: requests look at several numbers of one record.
  subscript(place: Int) -> TenantRecord {
    _read { yield records[place] }
    _modify { yield &records[place] }
  }

  /// The account of those that have none of their own; no tenant can be called so.
  static let others = "+"
  /// How many have an account of their own; a list of tenants may be longer.
  let limit: Int

  init(limit: Int = RouterLimits.tenants) { self.limit = limit }

  /// How many there are.
  var count: Int { index.count }

  /// The place of a tenant, which is added if it is new. It may be the place of one that was
  /// removed; what that one's counters are ahead of others', at most one request, it keeps.
  mutating func place(of name: String, weight: Double) -> Int {
    if let known = index[name] {
      records[known].costFactor = 1 / weight
      return known
    }
    if index.count >= limit, name != Self.others { return self.place(of: Self.others, weight: 1) }
    let place: Int
    if let last = free.popLast() {
      let generation = records[last].generation
      records[last] = TenantRecord(name: name, costFactor: 1 / weight, generation: generation)
      place = last
    } else {
      records.append(TenantRecord(name: name, costFactor: 1 / weight))
      place = records.count - 1
    }
    index[name] = place
    return place
  }

  /// Forgets a tenant without sessions.
  mutating func remove(_ place: Int) {
    index[records[place].name] = nil
    records[place].name = ""
    records[place].generation &+= 1
    free.append(place)
  }
}

/// What the router keeps of one tenant.
struct TenantRecord {
  var name: String
  /// What one token of cost adds to the tenant's counters.
  var costFactor: Double
}

/// The tenants that have sessions, by place. Place 0 is `default`, to which also the calls without
/// a session belong.
struct TenantTable {
  private(set) var records = [TenantRecord(name: Tenant.defaultName, costFactor: 1)]
  private var index = [Tenant.defaultName: 0]

  subscript(place: Int) -> TenantRecord { records[place] }

  /// The place of a tenant, which is added if it is new.
  mutating func place(of name: String, weight: Double) -> Int {
    if let known = index[name] {
      records[known].costFactor = 1 / weight
      return known
    }
    records.append(TenantRecord(name: name, costFactor: 1 / weight))
    index[name] = records.count - 1
    return records.count - 1
  }
}

internal import DequeModule
internal import Wire

/// The numbers of `Admin.Stats`: `router.KEY`, `worker.NAME.KEY`, `tenant.NAME.KEY` and
/// `request.STREAM#SEQ.KEY` (of the oldest one). A name may hold dots, a key never does. There are
/// not more than `Limits.maxStatistics`, and of tenants those with the most to do. Keys of counters that only grow end in `_total` or
/// `_seconds`.
extension RouterState {
  /// Everything by name, as of now.
  package func report(now: UInt64) -> [String: Double] {
    var report: [String: Double] = [:]
    for (key, value) in statistics.named { report["router.\(key)"] = value }
    if let oldest = oldestRequest {
      let age = now - min(now, oldest.arrived)
      report["router.oldest_request_ms"] = Double(age)
      if age >= RouterLimits.oldRequestMilliseconds {
        report["request.\(oldest.stream)#\(oldest.seq).age_ms"] = Double(age)
      }
    }
    addWorkers(to: &report)
    addTenants(to: &report)
    return report
  }

  private func addWorkers(to report: inout [String: Double]) {
    for (place, worker) in workers.enumerated() where worker.isConnected && !worker.isKeeper {
      // What a worker says of itself first: the router's own figures have the last word.
      var values = details[place].statistics
      values["streams"] = Double(worker.streams)
      values["stalled"] = details[place].pulse.stall == nil ? 0 : 1
      values["router_waiting"] = Double(worker.waiting)
      values["room_training_tokens"] = Double(worker.room.trainingTokens)
      values["room_decode_tokens"] = Double(worker.room.decodeTokens)
      values["used_training_tokens"] = Double(worker.used.trainingTokens)
      values["used_decode_tokens"] = Double(worker.used.decodeTokens)
      for (key, value) in values where report.count < Limits.maxStatistics {
        report["worker.\(details[place].name).\(key)"] = value
      }
    }
  }

  /// The tenants with the most to do, and the sum of all others as one of no name.
  private func addTenants(to report: inout [String: Double]) {
    let known = tenants.records.filter { !$0.name.isEmpty && $0.name != TenantTable.others }
    let busiest = known.sorted { left, right in
      (left.waiting + left.inFlight, left.servedTokens, right.name)
        > (right.waiting + right.inFlight, right.servedTokens, left.name)
    }
    for tenant in busiest.prefix(RouterLimits.reportedTenants) {
      add(tenant, as: "tenant.\(tenant.name)", to: &report)
    }
    let others =
      busiest.dropFirst(RouterLimits.reportedTenants)
      + tenants.records.filter { $0.name == TenantTable.others }
    guard var sum = others.first else { return }
    for other in others.dropFirst() {
      sum.sessions += other.sessions
      sum.waiting += other.waiting
      sum.inFlight += other.inFlight
      sum.servedTokens &+= other.servedTokens
    }
    add(sum, as: "tenant.\(TenantTable.others)", to: &report)
  }

  private func add(_ tenant: TenantRecord, as prefix: String, to report: inout [String: Double]) {
    guard report.count + 5 <= Limits.maxStatistics else { return }
    report[prefix + ".sessions"] = Double(tenant.sessions)
    report[prefix + ".waiting"] = Double(tenant.waiting)
    report[prefix + ".in_flight"] = Double(tenant.inFlight)
    report[prefix + ".served_tokens_total"] = Double(tenant.servedTokens)
    report[prefix + ".weight"] = 1 / tenant.costFactor
  }

  /// The request that has been here for the longest time. A look at all streams, once a second.
  var oldestRequest: (stream: String, seq: UInt64, arrived: UInt64)? {
    var oldest: (place: Int, seq: UInt64, arrived: UInt64)?
    for place in streams.indices where !streams[place].requests.isIdle {
      for entry in streams[place].requests.inFlight.entries
      where oldest.map({ entry.value.arrived < $0.arrived }) ?? true {
        oldest = (place, entry.seq, entry.value.arrived)
      }
      for entry in streams[place].requests.held.entries
      where oldest.map({ entry.value.arrived < $0.arrived }) ?? true {
        oldest = (place, entry.seq, entry.value.arrived)
      }
    }
    return oldest.map { (Self.publicName(streams[$0.place].name), $0.seq, $0.arrived) }
  }

  /// A stream's name as anybody may see it: of its session's id only the beginning.
  private static func publicName(_ stream: String) -> String {
    let session = stream.prefix { $0 != ":" }
    return String(session.prefix(5) + stream.dropFirst(session.count))
  }
}

extension RouterCounters {
  /// By the keys of `Admin.Stats`.
  package var named: [String: Double] {
    [
      "requests_total": Double(requests), "answers_total": Double(answers),
      "refusals_total": Double(refusals), "unreadable_total": Double(unreadable),
      "stale_answers_total": Double(staleAnswers), "held": Double(held),
      "in_flight": Double(inFlight), "streams": Double(streams),
      "sessions": Double(sessions), "tenants": Double(tenants), "connections": Double(connections),
      "workers": Double(workers),
    ]
  }
}

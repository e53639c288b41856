internal import Wire

/// The numbers of `Admin.Stats`: `router.KEY`, `worker.NAME.KEY` and `tenant.NAME.KEY`. A name may
/// hold dots, a key never does. Keys of counters that only grow end in `_total` or
/// `_seconds`.
extension RouterState {
  /// Everything by name, as of now.
  package var report: [String: Double] {
    var report: [String: Double] = [:]
    for (key, value) in statistics.named { report["router.\(key)"] = value }
    addWorkers(to: &report)
    addTenants(to: &report)
    return report
  }

  private func addWorkers(to report: inout [String: Double]) {
    for (place, worker) in workers.enumerated() where worker.isConnected && !worker.isKeeper {
      // What a worker says of itself first: the router's own figures have the last word.
      var values = details[place].statistics
      values["streams"] = Double(worker.streams)
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

  private func addTenants(to report: inout [String: Double]) {
    for tenant in tenants.records where !tenant.name.isEmpty {
      guard report.count + 5 <= Limits.maxStatistics else { return }
      let prefix = "tenant.\(tenant.name)."
      report[prefix + "sessions"] = Double(tenant.sessions)
      report[prefix + "waiting"] = Double(tenant.waiting)
      report[prefix + "in_flight"] = Double(tenant.inFlight)
      report[prefix + "served_tokens_total"] = Double(tenant.servedTokens)
      report[prefix + "weight"] = 1 / tenant.costFactor
    }
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

import Journal
import RPC
import Wire

extension JournalRecord.Request {
  init(_ admitted: AdmittedRequest) {
    self.init()
    seq = admitted.seq
    method = admitted.method.rawValue
    flags = admitted.flags.rawValue
    tenant = String(admitted.tenant)
    digest = admitted.digest?.bytes ?? []
    payload = admitted.payload
  }
}

extension JournalRecord.Outcome {
  init(seq: UInt64, _ outcome: RPC.Outcome, ran: Bool) {
    self.init()
    self.seq = seq
    code = UInt32(outcome.error?.code.rawValue ?? 0)
    message = outcome.error?.message ?? ""
    field = outcome.error?.field ?? ""
    self.ran = ran
    payload = outcome.payload
    let times = outcome.info
    info = [
      times.queueMicroseconds, times.computeMicroseconds, times.cacheHitTokens,
      times.costPromptTokens, times.costNewTokens,
    ]
  }
}

extension RPC.Outcome {
  /// What a client that asks again is sent.
  init(_ record: JournalRecord.Outcome) {
    var info = ReplyInfo()
    let numbers = record.info + [UInt64](repeating: 0, count: max(0, 5 - record.info.count))
    info.queueMicroseconds = numbers[0]
    info.computeMicroseconds = numbers[1]
    info.cacheHitTokens = numbers[2]
    info.costPromptTokens = numbers[3]
    info.costNewTokens = numbers[4]
    let code = UInt8(exactly: record.code).flatMap(StatusCode.init(rawValue:)) ?? .unknown
    self.init(
      error: code == .ok ? nil : RPCError(code, record.message, field: record.field),
      payload: record.payload, info: info)
  }
}

extension StreamLog {
  /// Where a stream's next owner goes on, with the answers that clients may ask for again.
  init(_ plan: ReplayPlan) {
    self.init(nextSeq: plan.nextSeq)
    for step in plan.answers {
      guard let outcome = step.outcome else { continue }
      restore(
        seq: step.request.seq, digest: PayloadDigest(bytes: step.request.digest),
        outcome: Outcome(outcome))
    }
  }
}

import Journal
import RPC
import Wire

extension JournalRecord {
  init(_ admitted: AdmittedRequest) {
    var request = Request()
    request.seq = admitted.seq
    request.method = admitted.method.rawValue
    request.flags = admitted.flags.rawValue
    request.tenant = String(admitted.tenant)
    request.digest = admitted.digest?.bytes ?? []
    request.payload = admitted.payload
    self = .request(request)
  }

  init(seq: UInt64, _ outcome: RPC.Outcome, ran: Bool) {
    var record = Outcome()
    record.seq = seq
    record.code = UInt32(outcome.error?.code.rawValue ?? 0)
    record.message = outcome.error?.message ?? ""
    record.field = outcome.error?.field ?? ""
    record.ran = ran
    record.payload = outcome.payload
    let info = outcome.info
    record.info = [
      info.queueMicroseconds, info.computeMicroseconds, info.cacheHitTokens, info.costPromptTokens,
      info.costNewTokens,
    ]
    self = .outcome(record)
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

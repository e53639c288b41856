internal import Wire

/// What workers say of themselves is bounded before it is believed.
extension RouterState {
  /// Why a worker may not take part, nil if it may.
  func refusal(of hello: WorkerHello) -> String? {
    guard hello.protocolVersion == RequestHeader.currentVersion else {
      return "protocol version \(hello.protocolVersion); this router speaks "
        + "\(RequestHeader.currentVersion)"
    }
    guard Self.isWorkerName(hello.name) else {
      return "a worker's name is 1 to \(Limits.maxClientNameBytes) letters, digits and . _ -"
    }
    let known = workerNames[hello.name]
    guard known != nil || workerNames.count < RouterLimits.workers else {
      return "there are \(workerNames.count) workers, the most there may be"
    }
    if let known, workers[known].isKeeper != hello.isKeeper {
      return "\(hello.name) is the name of another one"
    }
    guard !hello.isKeeper else {
      return known == nil && keeper != nil ? "there is a keeper" : nil
    }
    if let numerics, numerics != NumericsClass(of: hello) {
      return "it computes with numerics \(hello.numericsVersion) \(hello.precision), this service "
        + "with \(numerics.version) \(numerics.precision): they do not give the same bits"
    }
    return nil
  }

  private static func isWorkerName(_ name: String) -> Bool {
    !name.isEmpty && name.utf8.count <= Limits.maxClientNameBytes
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
          UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }

  /// Whether a worker can really have a stream so: epochs are given out by routers, one by one, so
  /// one far above all that is known was never given.
  func isPlausible(_ owned: OwnedStream) -> Bool {
    guard Self.isModelName(owned.stream) else { return false }
    let known = streamIndex[owned.stream].map { streams[$0].epoch } ?? 0
    let highest = max(lastEpoch, rules.firstEpoch, known)
    // Where routers count on over restarts none before this one gave more than its first.
    guard rules.firstEpoch == 0 else { return owned.epoch <= highest }
    return owned.epoch <= highest.addingReportingOverflow(RouterLimits.epochWindow).partialValue
  }
}

extension NumericsClass {
  init(of hello: WorkerHello) {
    self.init(version: hello.numericsVersion, precision: hello.precision)
  }
}

extension OwnedStream {
  /// The seq that its owner runs next, as far as clients can name any: an owner whose records are
  /// lost is beyond all of them, so that each is passed to it and refused there.
  var boundedNextSeq: UInt64 { min(nextSeq, Limits.maxOrderedSeq + 1) }
}

extension WorkerRoom {
  /// As far as it can be added up.
  var bounded: WorkerRoom {
    WorkerRoom(
      trainingTokens: min(trainingTokens, Limits.maxCost),
      decodeTokens: min(decodeTokens, Limits.maxCost),
      controlRequests: min(controlRequests, Limits.maxCost))
  }
}

internal import Wire

/// Room in the table of streams.
extension RouterState {
  /// One more stream in order: its share of the table.
  /// - Throws: INVALID_ARGUMENT for a name that its owner could not keep records under.
  func makeRoomForModel(_ name: String, session: Int) throws(RPCError) {
    guard Self.isModelName(name) else {
      throw RPCError(
        .invalidArgument,
        "a model's stream has at most \(Self.maximumModelName) letters, digits and . _ - :",
        field: "stream")
    }
    let own = sessions[session].orderedStreams
    guard own < RouterLimits.streamsPerSession else {
      throw RPCError(
        .resourceExhausted, "the session has \(own) models, the most there may be",
        retryAfterMilliseconds: 1000)
    }
    let tenant = sessions[session].tenant
    guard
      Share.allows(
        1, holder: own, tenant: tenants[tenant].orderedStreams, all: orderedStreams,
        of: RouterLimits.streams)
    else {
      throw RPCError(
        .resourceExhausted,
        "\(orderedStreams) of at most \(RouterLimits.streams) models are there, "
          + "\(tenants[tenant].orderedStreams) of them this tenant's",
        retryAfterMilliseconds: 1000)
    }
  }

  /// One more independent stream: nothing is refused for it. What it says of idle ones (their last
  /// worker) can be forgotten, and those that are not idle are limited by their requests.
  mutating func makeRoomForStream(of session: Int, _ now: UInt64) {
    let own = sessions[session].streams.count - sessions[session].orderedStreams
    if own >= RouterLimits.streamsPerSession { forgetIdleStream(of: session) }
    if independentStreams >= RouterLimits.independentStreams { forgetIdlestStream(now) }
  }

  /// Forgets one idle independent stream of a session, if one is among the next that are looked at.
  private mutating func forgetIdleStream(of session: Int) {
    for _ in 0..<16 {
      let position = sessions[session].nextToForget % max(1, sessions[session].streams.count)
      sessions[session].nextToForget = position + 1
      let place = sessions[session].streams[position]
      guard isForgettable(place) else { continue }
      return removeStream(place)
    }
  }

  private mutating func forgetIdlestStream(_ now: UInt64) {
    for _ in 0..<16 {
      guard let entry = idleStreams.popFirst() else { return }
      guard streams[entry.place].generation == entry.generation else { continue }
      guard !isForgettable(entry.place) else { return removeStream(entry.place) }
      streams[entry.place].lastUse = now
      watchIdle(entry.place)
    }
  }

  private func isForgettable(_ place: Int) -> Bool {
    streams[place].ordering == .independent && streams[place].requests.isIdle
  }

  private static let maximumModelName = 200

  /// Whether a name can be that of a model, which is also a folder's name at its owner.
  static func isModelName(_ name: String) -> Bool {
    !name.hasPrefix(".") && (1...maximumModelName).contains(name.utf8.count)
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
          UInt8(ascii: "-"), UInt8(ascii: ":"):
          true
        default: false
        }
      }
  }
}

internal import Crypto
internal import DequeModule

/// A session's id in 16 bytes: what is remembered of one that has ended.
package struct SessionDigest: Hashable, Sendable {
  /// Bytes of a digest.
  static let size = 16

  let high: UInt64
  let low: UInt64

  package init(_ id: String) {
    let digest = Array(SHA256.hash(data: Array(id.utf8)))
    self.init(digest[..<Self.size])
  }

  /// - Parameter bytes: the 16 bytes of one.
  init(_ bytes: ArraySlice<UInt8>) {
    high = bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    low = bytes.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) }
  }

  var bytes: [UInt8] {
    [high, low].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) } }
  }
}

/// Sessions that have ended and whose tokens are refused: the last ones, so that the memory is
/// bounded. What an older token can do is open a session that has nothing.
struct EndedSessions {
  private var digests: Set<SessionDigest> = []
  private var order = Deque<SessionDigest>()

  var count: Int { digests.count }

  func contains(_ id: String) -> Bool { !digests.isEmpty && digests.contains(SessionDigest(id)) }

  mutating func insert(_ digest: SessionDigest) {
    guard digests.insert(digest).inserted else { return }
    order.append(digest)
    if order.count > RouterLimits.endedSessions, let oldest = order.popFirst() {
      digests.remove(oldest)
    }
  }
}

/// The ids of the last sessions that ended, by number, for workers that were not connected then.
struct Endings {
  private var ids = Deque<String>()
  /// The number of the next one.
  private(set) var next = 0

  mutating func append(_ id: String) {
    ids.append(id)
    next += 1
    if ids.count > RouterLimits.endings { ids.removeFirst() }
  }

  /// Those with at least this number, as far as they are remembered.
  func since(_ number: Int) -> [String] { Array(ids.suffix(max(0, next - number))) }
}

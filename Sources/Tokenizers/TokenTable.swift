/// Tokens by text and by id, their UTF-8 laid end to end in one block.
struct TokenTable: Sendable {
  /// Ids above this are refused, so that a hostile file cannot ask for gigabytes.
  static let maximumID = 1 << 22

  private var bytes: [UInt8] = []
  private var starts: [Int] = [0]
  private var ids: [Int32] = []
  /// Open addressing by hash: the entry's number plus one, zero where free.
  private var slots: [Int32]
  /// The entry of each id, plus one.
  private var entries: [Int32] = []

  init(capacity: Int) {
    var size = 64
    while size < capacity * 2 { size *= 2 }
    slots = Array(repeating: 0, count: size)
  }

  var count: Int { ids.count }
  /// One more than the highest id.
  var endID: Int { entries.count }

  /// The id of a token given in UTF-8.
  func id(of token: UnsafeBufferPointer<UInt8>) -> Int32? {
    let entry = Int(slots[slot(of: token)])
    return entry == 0 ? nil : ids[entry - 1]
  }

  func id(of token: String) -> Int32? {
    var token = token
    return token.withUTF8 { id(of: $0) }
  }

  /// The text of an id.
  func token(_ id: Int32) -> String? {
    guard id >= 0, id < entries.count, entries[Int(id)] > 0 else { return nil }
    let entry = Int(entries[Int(id)]) - 1
    return String(decoding: bytes[starts[entry]..<starts[entry + 1]], as: UTF8.self)
  }

  /// - Throws: `invalidFile` if the text or the id is taken, or the id out of range.
  mutating func insert(_ token: String, id: Int) throws(TokenizerError) {
    guard (0..<Self.maximumID).contains(id) else {
      throw TokenizerError(.invalidFile, "the id \(id) of token \(token) is out of range")
    }
    if count * 2 >= slots.count { grow() }
    var token = token
    let slot: Int = token.withUTF8 { self.slot(of: $0) }
    guard slots[slot] == 0 else {
      throw TokenizerError(.invalidFile, "the token \(token) occurs twice")
    }
    if id >= entries.count {
      entries.append(contentsOf: repeatElement(0, count: id + 1 - entries.count))
    }
    guard entries[id] == 0 else {
      throw TokenizerError(.invalidFile, "two tokens have the id \(id)")
    }
    bytes += token.utf8
    starts.append(bytes.count)
    ids.append(Int32(id))
    slots[slot] = Int32(ids.count)
    entries[id] = Int32(ids.count)
  }

  /// Where the token is, or the free slot where it would be.
  private func slot(of token: UnsafeBufferPointer<UInt8>) -> Int {
    let mask = slots.count - 1
    var slot = Self.hash(token) & mask
    while slots[slot] != 0 {
      let entry = Int(slots[slot]) - 1
      let range = starts[entry]..<starts[entry + 1]
      if range.count == token.count, bytes[range].elementsEqual(token) { return slot }
      slot = (slot + 1) & mask
    }
    return slot
  }

  /// Seeded anew in each process, so that no file can choose tokens that collide.
  private static func hash(_ token: UnsafeBufferPointer<UInt8>) -> Int {
    var hasher = Hasher()
    hasher.combine(bytes: UnsafeRawBufferPointer(token))
    return Int(bitPattern: UInt(bitPattern: hasher.finalize()) >> 1)
  }

  private mutating func grow() {
    slots = Array(repeating: 0, count: slots.count * 2)
    for entry in ids.indices {
      let range = starts[entry]..<starts[entry + 1]
      let slot: Int = bytes.withUnsafeBufferPointer {
        self.slot(of: UnsafeBufferPointer(rebasing: $0[range]))
      }
      slots[slot] = Int32(entry + 1)
    }
  }
}

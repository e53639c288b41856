/// Writes protobuf fields in field order, skipping defaults as proto3 does.
///
/// Only the two headers are written by hand: they are coded for every message in the router, where
/// protobuf-c's allocations would dominate. A test checks that protobuf-c gives the same bytes.
package struct FieldWriter: ~Copyable {
  private var start: UnsafeMutableRawPointer
  private var capacity: Int
  private var isOwned: Bool
  private var count = 0

  /// Writes into memory of its own.
  package init(reserving capacity: Int) {
    start = .allocate(byteCount: max(16, capacity), alignment: 8)
    self.capacity = max(16, capacity)
    isOwned = true
  }

  /// Writes into memory that the caller lends, and into memory of its own what exceeds it.
  init(_ scratch: UnsafeMutableRawBufferPointer) {
    isOwned = scratch.baseAddress == nil
    capacity = isOwned ? 16 : scratch.count
    start = scratch.baseAddress ?? .allocate(byteCount: 16, alignment: 8)
  }

  deinit { if isOwned { start.deallocate() } }

  /// What was written.
  package var bytes: [UInt8] { [UInt8](UnsafeRawBufferPointer(start: start, count: count)) }

  /// How much was written into the memory that was lent; nil if that was too small.
  var lentCount: Int? { isOwned ? nil : count }

  /// Makes sure that `more` bytes fit.
  @inline(__always)
  private mutating func reserve(_ more: Int) { if capacity - count < more { grow(more) } }

  private mutating func grow(_ more: Int) {
    let size = max(2 * capacity, count + more)
    let larger = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 8)
    larger.copyMemory(from: start, byteCount: count)
    if isOwned { start.deallocate() }
    (start, capacity, isOwned) = (larger, size, true)
  }

  /// Into reserved memory.
  @inline(__always)
  private mutating func append(varint value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      start.storeBytes(
        of: UInt8(truncatingIfNeeded: rest) | 0x80, toByteOffset: count, as: UInt8.self)
      count += 1
      rest >>= 7
    }
    start.storeBytes(of: UInt8(truncatingIfNeeded: rest), toByteOffset: count, as: UInt8.self)
    count += 1
  }

  /// The tag, the length and the bytes.
  private mutating func append(_ field: UInt32, block: UnsafeRawBufferPointer) {
    reserve(15 + block.count)
    append(varint: UInt64(field) << 3 | 2)
    append(varint: UInt64(block.count))
    guard let source = block.baseAddress else { return }
    (start + count).copyMemory(from: source, byteCount: block.count)
    count += block.count
  }

  package mutating func put(_ field: UInt32, varint value: UInt64) {
    guard value != 0 else { return }
    reserve(15)
    append(varint: UInt64(field) << 3)
    append(varint: value)
  }

  /// Writes a length-delimited field, also when it is empty.
  package mutating func put(_ field: UInt32, block: [UInt8]) {
    block.withUnsafeBytes { append(field, block: $0) }
  }

  package mutating func put(_ field: UInt32, fixed64 value: UInt64) {
    guard value != 0 else { return }
    reserve(13)
    append(varint: UInt64(field) << 3 | 1)
    start.storeBytes(of: value.littleEndian, toByteOffset: count, as: UInt64.self)
    count += 8
  }

  /// Writes text up to its first NUL and, where a limit is given, up to the last whole character
  /// within it: a long status message must not make a header that its receiver refuses.
  package mutating func put(_ field: UInt32, text: String, limit: Int = .max) {
    var text = text
    text.withUTF8 { utf8 in
      guard !utf8.isEmpty else { return }
      let isPlain = FieldReader.isPlain(UnsafeRawBufferPointer(utf8))
      var end = isPlain ? utf8.count : utf8.firstIndex(of: 0) ?? utf8.count
      if end > limit {
        end = limit
        while end > 0, utf8[end] & 0xc0 == 0x80 { end -= 1 }
      }
      guard end > 0 else { return }
      append(field, block: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(utf8)[..<end]))
    }
  }
}

/// Reads protobuf fields from untrusted bytes; every way out of the buffer is an error.
package struct FieldReader {
  private let buffer: UnsafeRawBufferPointer
  private(set) var offset = 0

  package init(_ buffer: UnsafeRawBufferPointer) { self.buffer = buffer }

  /// The next field's tag, split; nil at the end.
  package mutating func next() throws(WireError) -> (field: UInt32, wireType: UInt8)? {
    guard let tag = try nextTag() else { return nil }
    return (tag >> 3, UInt8(tag & 7))
  }

  /// The next field's tag, number and wire type in one; nil at the end.
  @inline(__always)
  mutating func nextTag() throws(WireError) -> UInt32? {
    guard offset < buffer.count else { return nil }
    let tag = try varint()
    guard tag >= 8, tag <= UInt64(UInt32.max) else {
      throw WireError(.malformed, "field number out of range")
    }
    return UInt32(tag)
  }

  @inline(__always)
  package mutating func varint() throws(WireError) -> UInt64 {
    if offset < buffer.count, buffer[offset] < 0x80 {
      defer { offset += 1 }
      return UInt64(buffer[offset])
    }
    return try longVarint()
  }

  private mutating func longVarint() throws(WireError) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while offset < buffer.count {
      let byte = buffer[offset]
      offset += 1
      // The tenth byte holds bit 63 only.
      guard shift < 63 || byte <= 1 else { throw WireError(.malformed, "varint over 64 bits") }
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
      shift += 7
    }
    throw WireError(.truncated, "the bytes end inside a varint")
  }

  mutating func fixed64() throws(WireError) -> UInt64 {
    guard buffer.count - offset >= 8 else {
      throw WireError(.truncated, "the bytes end inside a 64-bit number")
    }
    defer { offset += 8 }
    return UInt64(
      littleEndian: buffer.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }

  mutating func fixed32() throws(WireError) -> UInt32 {
    guard buffer.count - offset >= 4 else {
      throw WireError(.truncated, "the bytes end inside a 32-bit number")
    }
    defer { offset += 4 }
    return UInt32(
      littleEndian: buffer.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }

  /// A length-delimited field's bytes.
  package mutating func block() throws(WireError) -> UnsafeRawBufferPointer {
    let length = try varint()
    guard length <= UInt64(buffer.count - offset) else {
      throw WireError(.truncated, "a field is longer than its message")
    }
    let end = offset + Int(length)
    defer { offset = end }
    return UnsafeRawBufferPointer(rebasing: buffer[offset..<end])
  }

  /// A text field: UTF-8 without NUL, at most `limit` bytes.
  package mutating func text(limit: Int) throws(WireError) -> String {
    let block = try block()
    guard block.count <= limit else {
      throw WireError(.tooLarge, "text of \(block.count) bytes, at most \(limit) allowed")
    }
    return try Self.text(block)
  }

  static func text(_ block: UnsafeRawBufferPointer) throws(WireError) -> String {
    if isPlain(block) { return String(decoding: block, as: UTF8.self) }
    guard !block.contains(0) else { throw WireError(.badText, "text contains NUL") }
    guard let text = String(validating: block, as: UTF8.self) else {
      throw WireError(.badText, "text is not UTF-8")
    }
    return text
  }

  /// Checks that a text field is UTF-8 without NUL, and allocates nothing where it is ASCII.
  static func checkText(_ block: UnsafeRawBufferPointer) throws(WireError) {
    if !isPlain(block) { _ = try text(block) }
  }

  /// Whether all bytes are ASCII other than NUL, eight at a time: most texts are, and each header
  /// has three.
  fileprivate static func isPlain(_ block: UnsafeRawBufferPointer) -> Bool {
    let high: UInt64 = 0x8080_8080_8080_8080
    let ones: UInt64 = 0x0101_0101_0101_0101
    var offset = 0
    while block.count - offset >= 8 {
      let word = block.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      // A borrow reaches the top bit of a byte that is 0; one above 0x80 has that bit already.
      if (word | (word &- ones)) & high != 0 { return false }
      offset += 8
    }
    while offset < block.count {
      if block[offset] == 0 || block[offset] >= 0x80 { return false }
      offset += 1
    }
    return true
  }

  /// Steps over a field whose number this version does not know.
  mutating func skip(_ wireType: UInt8) throws(WireError) {
    switch wireType {
    case 0: _ = try varint()
    case 1: _ = try fixed64()
    case 2: _ = try block()
    case 5: _ = try fixed32()
    default: throw WireError(.malformed, "wire type \(wireType)")
    }
  }
}

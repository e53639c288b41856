/// Writes protobuf fields in field order, skipping defaults as proto3 does.
///
/// Only the two headers are written by hand: they are coded for every message in the router, where
/// protobuf-c's allocations would dominate. A test checks that protobuf-c gives the same bytes.
struct FieldWriter {
  private(set) var bytes: [UInt8] = []

  init(reserving capacity: Int) { bytes.reserveCapacity(capacity) }

  private mutating func append(varint value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  mutating func put(_ field: UInt32, varint value: UInt64) {
    guard value != 0 else { return }
    append(varint: UInt64(field) << 3)
    append(varint: value)
  }

  /// Writes a length-delimited field, also when it is empty.
  mutating func put(_ field: UInt32, block: [UInt8]) {
    append(varint: UInt64(field) << 3 | 2)
    append(varint: UInt64(block.count))
    bytes.append(contentsOf: block)
  }

  mutating func put(_ field: UInt32, fixed64 value: UInt64) {
    guard value != 0 else { return }
    append(varint: UInt64(field) << 3 | 1)
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  /// Writes text up to its first NUL and, where a limit is given, up to the last whole character
  /// within it: a long status message must not make a header that its receiver refuses.
  mutating func put(_ field: UInt32, text: String, limit: Int = .max) {
    var text = text
    text.withUTF8 { utf8 in
      let isPlain = FieldReader.isPlain(UnsafeRawBufferPointer(utf8))
      var end = isPlain ? utf8.count : utf8.firstIndex(of: 0) ?? utf8.count
      if end > limit {
        end = limit
        while end > 0, utf8[end] & 0xc0 == 0x80 { end -= 1 }
      }
      guard end > 0 else { return }
      append(varint: UInt64(field) << 3 | 2)
      append(varint: UInt64(end))
      bytes.append(contentsOf: UnsafeBufferPointer(rebasing: utf8[..<end]))
    }
  }
}

/// Reads protobuf fields from untrusted bytes; every way out of the buffer is an error.
struct FieldReader {
  private let buffer: UnsafeRawBufferPointer
  private(set) var offset = 0

  init(_ buffer: UnsafeRawBufferPointer) { self.buffer = buffer }

  /// The next field's tag, split; nil at the end.
  mutating func next() throws(WireError) -> (field: UInt32, wireType: UInt8)? {
    guard offset < buffer.count else { return nil }
    let tag = try varint()
    guard tag >= 8, tag <= UInt64(UInt32.max) else {
      throw WireError(.malformed, "field number out of range")
    }
    return (UInt32(tag >> 3), UInt8(tag & 7))
  }

  mutating func varint() throws(WireError) -> UInt64 {
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
  mutating func block() throws(WireError) -> UnsafeRawBufferPointer {
    let length = try varint()
    guard length <= UInt64(buffer.count - offset) else {
      throw WireError(.truncated, "a field is longer than its message")
    }
    let end = offset + Int(length)
    defer { offset = end }
    return UnsafeRawBufferPointer(rebasing: buffer[offset..<end])
  }

  /// A text field: UTF-8 without NUL, at most `limit` bytes.
  mutating func text(limit: Int) throws(WireError) -> String {
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

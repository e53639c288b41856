internal import Wire
package import Engine

/// How a segment is made of blocks. A block is what one commit writes: records that are durable
/// together. It is synced before the next one is written, so after a crash or a power loss at most
/// the last block can be missing, torn or mixed, and a bad block with a good one behind it is damage.
///
/// Block: 24 bytes of header (magic, length of the body, offset of the block in the file, CRC-32C of
/// the body, CRC-32C of the header before it; little-endian), then the body. The offset tells a block
/// from a stale copy of another one.
package enum JournalBlock {
  static let magic: UInt32 = 0x314a_5354  // "TSJ1"
  static let headerBytes = 24
  /// Larger bodies are not written, so a length beyond it is damage.
  package static let maximumBody = 1 << 31

  /// A block whose body holds `records`, encoded.
  static func encode(_ body: [UInt8], at offset: UInt64) -> [UInt8] {
    var block = [UInt8]()
    block.reserveCapacity(headerBytes + body.count)
    append(magic, to: &block)
    append(UInt32(body.count), to: &block)
    append(offset, to: &block)
    append(body.withUnsafeBytes(CRC32C.of), to: &block)
    append(block.withUnsafeBytes(CRC32C.of), to: &block)
    return block + body
  }

  private static func append(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  /// The body of the block at `offset`, nil if there is no good one.
  static func body(
    in file: UnsafeRawBufferPointer, at offset: Int
  ) -> UnsafeRawBufferPointer? {
    guard let length = length(in: file, at: offset) else { return nil }
    let start = offset + headerBytes
    guard length <= file.count - start else { return nil }
    let body = UnsafeRawBufferPointer(rebasing: file[start..<start + length])
    let expected = UInt32(
      littleEndian: file.loadUnaligned(fromByteOffset: offset + 16, as: UInt32.self))
    return CRC32C.of(body) == expected ? body : nil
  }

  /// The body's length that a good header at `offset` says.
  private static func length(in file: UnsafeRawBufferPointer, at offset: Int) -> Int? {
    guard file.count - offset >= headerBytes,
      UInt32(littleEndian: file.loadUnaligned(fromByteOffset: offset, as: UInt32.self)) == magic
    else { return nil }
    let header = UnsafeRawBufferPointer(rebasing: file[offset..<offset + headerBytes - 4])
    let expected = file.loadUnaligned(fromByteOffset: offset + headerBytes - 4, as: UInt32.self)
    let place = file.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self)
    guard CRC32C.of(header) == UInt32(littleEndian: expected),
      UInt64(littleEndian: place) == UInt64(offset)
    else { return nil }
    let length = file.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)
    return Int(UInt32(littleEndian: length))
  }

  /// What a segment holds.
  package struct Contents: Sendable {
    package var records: [JournalRecord] = []
    /// Bytes up to the end of the last good block.
    package var length: UInt64 = 0
    /// CRC-32C of these bytes.
    package var checksum: UInt32 = 0
    /// Whether something that is no block stands behind it: a commit that a crash cut.
    package var isTorn = false
  }

  /// Reads a segment's blocks.
  /// - Parameter sealed: the length that counts; nil to read up to a torn end.
  /// - Throws: `dataLoss` naming `file` and the offset of a bad block that was durable.
  package static func read(
    _ bytes: UnsafeRawBufferPointer, file: String, sealed: UInt64? = nil
  ) throws(EngineError) -> Contents {
    var contents = Contents()
    let end = sealed.map { Int(clamping: $0) } ?? bytes.count
    guard end <= bytes.count else {
      throw damage(file, bytes.count, "the file ends before byte \(end)")
    }
    var offset = 0
    while offset < end {
      guard let body = body(in: bytes, at: offset) else {
        if sealed != nil { throw damage(file, offset, "a bad block") }
        if let next = laterBlock(in: bytes, after: offset) {
          throw damage(file, offset, "a bad block, with a good one at byte \(next)")
        }
        contents.isTorn = true
        break
      }
      do {
        contents.records += try JournalRecord.decode(body)
      } catch {
        throw damage(file, offset, error.reason)
      }
      offset += headerBytes + body.count
    }
    guard sealed == nil || offset == end else {
      throw damage(file, offset, "the seal at byte \(end) is inside a block")
    }
    contents.length = UInt64(offset)
    contents.checksum = CRC32C.of(UnsafeRawBufferPointer(rebasing: bytes[..<offset]))
    return contents
  }

  private static func laterBlock(in file: UnsafeRawBufferPointer, after offset: Int) -> Int? {
    guard file.count - headerBytes > offset else { return nil }
    return (offset + 1...file.count - headerBytes).first { body(in: file, at: $0) != nil }
  }

  static func damage(_ file: String, _ offset: Int, _ what: String) -> EngineError {
    EngineError(.dataLoss, "the journal \(file) is damaged at byte \(offset): \(what)")
  }
}

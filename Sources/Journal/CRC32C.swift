/// CRC-32C (Castagnoli polynomial, reflected), as iSCSI's (RFC 3720, appendix B.4); it can be
/// continued piece by piece.
package struct CRC32C: Sendable, Equatable {
  private var state: UInt32 = 0xffff_ffff

  package init() {}

  /// The checksum of what was added so far.
  package var value: UInt32 { ~state }

  package static func of(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    var crc = CRC32C()
    crc.add(bytes)
    return crc.value
  }

  /// Continues over more bytes, eight at a time ("slicing by eight", Kounavis and Berry 2005).
  package mutating func add(_ bytes: UnsafeRawBufferPointer) {
    state = Self.tables.withUnsafeBufferPointer { table in
      var crc = state
      var i = 0
      while i + 8 <= bytes.count {
        let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: i, as: UInt64.self))
        let x = word ^ UInt64(crc)
        crc =
          table[7 << 8 | Int(x & 0xff)] ^ table[6 << 8 | Int(x >> 8 & 0xff)]
          ^ table[5 << 8 | Int(x >> 16 & 0xff)] ^ table[4 << 8 | Int(x >> 24 & 0xff)]
        crc ^=
          table[3 << 8 | Int(x >> 32 & 0xff)] ^ table[2 << 8 | Int(x >> 40 & 0xff)]
          ^ table[1 << 8 | Int(x >> 48 & 0xff)] ^ table[Int(x >> 56)]
        i += 8
      }
      while i < bytes.count {
        crc = crc >> 8 ^ table[Int((crc ^ UInt32(bytes[i])) & 0xff)]
        i += 1
      }
      return crc
    }
  }

  /// Eight tables of 256: the k-th is the first one pushed through k more zero bytes.
  private static let tables: [UInt32] = {
    var tables = [UInt32](repeating: 0, count: 8 << 8)
    for byte in 0..<256 {
      var crc = UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82f6_3b78 : crc >> 1 }
      tables[byte] = crc
    }
    for table in 1..<8 {
      for byte in 0..<256 {
        let before = tables[(table - 1) << 8 | byte]
        tables[table << 8 | byte] = before >> 8 ^ tables[Int(before & 0xff)]
      }
    }
    return tables
  }()
}

import CSystem

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

  /// Continues over more bytes.
  package mutating func add(_ bytes: UnsafeRawBufferPointer) {
    state = system_crc32c(state, bytes.baseAddress, bytes.count)
  }
}

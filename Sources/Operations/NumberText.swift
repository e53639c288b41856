internal import Foundation

/// Numbers as people read them, short.
package enum NumberText {
  /// "7", "12.3k", "4.5M"; whole numbers stay whole below 100,000.
  package static func count(_ value: Double) -> String {
    if value == value.rounded(), abs(value) < 100_000 { return String(format: "%.0f", value) }
    if abs(value) < 100 { return String(format: "%.1f", value) }
    if abs(value) < 10_000 { return String(format: "%.0f", value) }
    for (unit, name) in [(1e9, "G"), (1e6, "M")] where abs(value) >= unit {
      return String(format: "%.1f\(name)", value / unit)
    }
    return String(format: "%.1fk", value / 1e3)
  }

  /// "512 B", "3.2 GiB".
  package static func bytes(_ value: Double) -> String {
    let units: [(Double, String)] = [(0x1p40, "TiB"), (0x1p30, "GiB"), (0x1p20, "MiB")]
    for (unit, name) in units where abs(value) >= unit {
      return String(format: "%.1f \(name)", value / unit)
    }
    return abs(value) >= 1024
      ? String(format: "%.1f KiB", value / 1024) : String(format: "%.0f B", value)
  }

  /// By what the end of a key says: bytes, seconds, or a count.
  package static func value(_ value: Double, of key: String) -> String {
    if key.hasSuffix("_bytes") { return bytes(value) }
    if key.hasSuffix("_seconds") { return String(format: "%.1f s", value) }
    return count(value)
  }
}

import Foundation

/// Numbers for people.
package enum Format {
  /// Three significant digits, large numbers whole with thin groups: `0.123`, `12.3`, `12 345`.
  package static func number(_ value: Double) -> String {
    guard value.isFinite else { return "–" }
    let size = abs(value)
    if size >= 1000 { return grouped(value.rounded()) }
    if value == value.rounded() { return String(Int(value)) }
    let digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3
    return String(format: "%.\(digits)f", value)
  }

  /// A whole number in groups of three.
  package static func count(_ value: Int) -> String { grouped(Double(value)) }

  /// A time of so many milliseconds with the unit that fits.
  package static func milliseconds(_ value: Double?) -> String {
    guard let value, value.isFinite else { return "–" }
    if value >= 9999.5 { return "\(number(value / 1000)) s" }
    if value >= 1 || value == 0 { return "\(number(value)) ms" }
    return "\(number(value * 1000)) µs"
  }

  private static func grouped(_ value: Double) -> String {
    let digits = String(format: "%.0f", abs(value))
    var text = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index).isMultiple(of: 3) { text += "\u{202F}" }
      text.append(digit)
    }
    return value < 0 ? "-" + text : text
  }
}

import Foundation

/// Shows how far a run is: one line that redraws on a terminal, a line now and then elsewhere.
final class ProgressBar {
  private let total: Int
  private let isInteractive: Bool
  private var lastLine = 0
  private var hasDrawn = false

  init(total: Int, isInteractive: Bool = Terminal.isInteractive) {
    self.total = max(total, 1)
    self.isInteractive = isInteractive
  }

  /// The run has done `step` of its steps.
  ///
  /// - Parameter note: what else to say, e.g. the loss.
  func update(_ step: Int, note: String) {
    if isInteractive {
      Terminal.say("\r\u{1B}[K" + line(step, note), terminator: "")
      hasDrawn = true
    } else if step >= lastLine + max(total / 10, 1) || step == total {
      Terminal.say(line(step, note))
      lastLine = step
    }
  }

  /// Leaves the line, so that what follows begins a new one.
  func finish() {
    if hasDrawn { Terminal.say("") }
    hasDrawn = false
  }

  private func line(_ step: Int, _ note: String) -> String {
    let width = 24
    let filled = min(width, width * step / total)
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
    return "\(bar) \(step)/\(total)  \(note)"
  }
}

/// Numbers as a row of small bars.
enum Sparkline {
  private static let bars = Array("▁▂▃▄▅▆▇█")

  /// A picture of `values`, each bar the mean of a slice of them, scaled from the least to the
  /// greatest mean.
  static func draw(_ values: [Double], width: Int) -> String {
    let finite = values.filter(\.isFinite)
    let count = min(width, finite.count)
    guard count > 0 else { return "" }
    let means = (0..<count).map { index in
      let slice = finite[index * finite.count / count..<(index + 1) * finite.count / count]
      return slice.reduce(0, +) / Double(slice.count)
    }
    guard let low = means.min(), let high = means.max() else { return "" }
    let span = high - low
    return String(
      means.map { mean in
        let level = span > 0 ? (mean - low) / span * Double(bars.count - 1) : 0
        return bars[Int(level.rounded())]
      })
  }
}

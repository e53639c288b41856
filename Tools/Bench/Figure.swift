import Foundation
import Synchronization

/// One measured figure, printed as a line.
struct Figure: Encodable {
  let name: String
  let value: Double
  let unit: String
  /// Samples behind the value (their median).
  let n: Int
  /// (largest - smallest) / median of the samples.
  let noise: Double
}

/// Prints figures as they come, as JSON lines or as a table, those whose name was asked for.
struct Reporter {
  private final class Count: Sendable {
    let value = Atomic(0)
  }

  let json: Bool
  let only: String
  private let printed = Count()

  init(json: Bool, only: String) {
    self.json = json
    self.only = only
  }

  /// How many figures were printed.
  var count: Int { printed.value.load(ordering: .relaxed) }

  /// Whether figures that start with `name` are wanted, so that others need not be measured.
  func wants(_ name: String) -> Bool { name.hasPrefix(only) || only.hasPrefix(name) }

  func report(_ name: String, samples: [Double], unit: String) {
    guard name.hasPrefix(only), !samples.isEmpty else { return }
    printed.value.add(1, ordering: .relaxed)
    let sorted = samples.sorted()
    let median = sorted[sorted.count / 2]
    let spread = median == 0 ? 0 : (sorted[sorted.count - 1] - sorted[0]) / median
    let figure = Figure(name: name, value: median, unit: unit, n: samples.count, noise: spread)
    if json, let line = try? JSONEncoder().encode(figure) {
      print(String(decoding: line, as: UTF8.self))
    } else {
      let value = String(format: median >= 100 ? "%.0f" : "%.3g", median)
      let noise = String(format: "%.0f %%", spread * 100)
      print(
        "\(name.padding(toLength: 52, withPad: " ", startingAt: 0)) \(value) \(unit)  ±\(noise)")
    }
    fflush(nil)
  }
}

/// Seconds that `body` takes.
func seconds(_ body: () throws -> Void) rethrows -> Double {
  let clock = ContinuousClock()
  let elapsed = try clock.measure(body).components
  return Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18
}

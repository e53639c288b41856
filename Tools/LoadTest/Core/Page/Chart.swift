import Foundation

/// A chart of lines as SVG.
struct Chart {
  /// One line.
  struct Line {
    let name: String
    /// Its colour: 0 to 7, from the page's palette.
    let colour: Int
    /// Whether it goes with a line of the same colour that is not.
    var isDashed = false
    let points: [(x: Double, y: Double)]
  }

  /// How an axis is divided.
  enum Scale {
    case linear
    /// Powers of ten; values below the first are drawn there.
    case logarithmic
  }

  /// What it shows, for those who cannot see it.
  let title: String
  let lines: [Line]
  var xScale = Scale.linear
  var yScale = Scale.linear
  /// Text of a value on an axis.
  var xText: (Double) -> String = { Format.number($0) }
  var yText: (Double) -> String = { Format.number($0) }
  /// Places of the marks of the x axis; nil for round numbers.
  var xMarks: [Double]?

  private static let width = 760.0
  private static let height = 280.0
  private static let left = 66.0
  private static let right = 24.0
  private static let top = 12.0
  private static let bottom = 28.0

  /// The chart with its legend.
  var html: String {
    let points = lines.flatMap(\.points)
    guard points.count > 1 else { return "<p class=\"none\">Nothing was measured.</p>" }
    let x = Axis(points.map(\.x), xScale, isTight: true, marks: xMarks)
    let y = Axis(points.map(\.y), yScale)
    return legend + "<svg viewBox=\"0 0 \(Int(Self.width)) \(Int(Self.height))\" role=\"img\" "
      + "data-chart=\"\(data(x))\" aria-label=\"\(title.escaped)\">"
      + grid(x, y) + lines.map { path($0, x, y) }.joined()
      + "<line class=\"cursor\" y1=\"\(Int(Self.top))\" "
      + "y2=\"\(Int(Self.height - Self.bottom))\" visibility=\"hidden\"/></svg>"
  }

  private var legend: String {
    guard lines.count > 1 else { return "" }
    let items = lines.map { line in
      "<span><i class=\"c\(line.colour)\(line.isDashed ? " pale" : "")\"></i>"
        + "\(line.name.escaped)</span>"
    }
    return "<div class=\"legend\">\(items.joined())</div>"
  }

  private func grid(_ x: Axis, _ y: Axis) -> String {
    var parts: [String] = []
    for mark in y.marks {
      let place = text(placeY(mark, y))
      parts.append(
        "<line class=\"grid\" x1=\"\(Int(Self.left))\" x2=\"\(Int(Self.width - Self.right))\" "
          + "y1=\"\(place)\" y2=\"\(place)\"/><text class=\"y\" x=\"\(Int(Self.left) - 8)\" "
          + "y=\"\(place)\">\(yText(mark).escaped)</text>")
    }
    for mark in x.marks {
      parts.append(
        "<text class=\"x\" x=\"\(text(placeX(mark, x)))\" y=\"\(Int(Self.height) - 8)\">"
          + "\(xText(mark).escaped)</text>")
    }
    return parts.joined()
  }

  private func path(_ line: Line, _ x: Axis, _ y: Axis) -> String {
    let points = line.points.map { "\(text(placeX($0.x, x))),\(text(placeY($0.y, y)))" }
    guard points.count > 1 else { return "" }
    let dashed = line.isDashed ? " dashed" : ""
    return
      "<polyline class=\"l\(line.colour)\(dashed)\" points=\"\(points.joined(separator: " "))\"/>"
  }

  /// What the page's script shows under the pointer: for each x its place and the values' text.
  private func data(_ x: Axis) -> String {
    var values: [Double: [String]] = [:]
    for line in lines {
      for point in line.points {
        let name = lines.count > 1 ? line.name + " " : ""
        values[point.x, default: []].append(name + yText(point.y))
      }
    }
    let items = values.sorted { $0.key < $1.key }.map { key, texts in
      "\(text(placeX(key, x)))~\(xText(key))~\(texts.joined(separator: "~"))"
    }
    return items.joined(separator: "|").escaped
  }

  private func placeX(_ value: Double, _ axis: Axis) -> Double {
    Self.left + axis.share(value) * (Self.width - Self.left - Self.right)
  }

  private func placeY(_ value: Double, _ axis: Axis) -> Double {
    Self.height - Self.bottom - axis.share(value) * (Self.height - Self.top - Self.bottom)
  }

  private func text(_ place: Double) -> String { String(format: "%.1f", place) }
}

/// The range and the marks of an axis.
struct Axis {
  private let low: Double
  private let high: Double
  private let scale: Chart.Scale
  let marks: [Double]

  /// - Parameters:
  ///   - isTight: it spans the values, no more; otherwise it ends at marks, a linear one at 0.
  ///   - marks: given marks; those outside of the values are left out.
  init(
    _ values: [Double], _ scale: Chart.Scale, isTight: Bool = false, marks: [Double]? = nil
  ) {
    self.scale = scale
    let least = values.min() ?? 0
    let most = values.max() ?? 1
    switch scale {
    case .linear:
      low = isTight ? least : min(0, least)
      // Values that are nearly the same would have marks without number.
      let step = Self.step(max(most - low, abs(low) * 1e-6, 1e-9) / 5)
      high = isTight ? max(most, low + 1e-9) : max((most / step).rounded(.up) * step, low + step)
      let first = Int((low / step).rounded(.up))
      let last = Int((high / step + 1e-6).rounded(.down))
      self.marks = marks ?? (first...max(first, last)).map { Double($0) * step }
    case .logarithmic:
      let positive = values.filter { $0 > 0 }
      low = pow(10, log10(positive.min() ?? 1).rounded(.down))
      let top = positive.max() ?? 1
      high = isTight ? max(top, low * 2) : max(pow(10, log10(top).rounded(.up)), low * 10)
      var powers: [Double] = []
      var power = low
      while power <= high * 1.01 {
        powers.append(power)
        power *= 10
      }
      self.marks = marks?.filter { [low, high] in (low...high * 1.01).contains($0) } ?? powers
    }
  }

  /// Where a value lies, 0 to 1.
  func share(_ value: Double) -> Double {
    switch scale {
    case .linear: return (value - low) / (high - low)
    case .logarithmic: return log(max(value, low) / low) / log(high / low)
    }
  }

  /// The next of 1, 2, 5 times a power of ten.
  private static func step(_ wanted: Double) -> Double {
    let power = pow(10, log10(wanted).rounded(.down))
    for factor in [1.0, 2, 5] where factor * power >= wanted { return factor * power }
    return 10 * power
  }
}

extension String {
  /// Safe between tags and in attributes of HTML.
  var escaped: String {
    var text = ""
    for character in unicodeScalars {
      switch character {
      case "&": text += "&amp;"
      case "<": text += "&lt;"
      case ">": text += "&gt;"
      case "\"": text += "&quot;"
      case "'": text += "&#39;"
      default: text.unicodeScalars.append(character)
      }
    }
    return text
  }
}

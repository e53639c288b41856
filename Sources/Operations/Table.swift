/// Rows of text in columns.
package enum Table {
  /// One line per row, columns as wide as their widest cell.
  ///
  /// - Parameter numbersFrom: columns from this one on end at the same place, as numbers should;
  ///   nil for none.
  package static func lines(_ rows: [[String]], numbersFrom: Int? = nil) -> [String] {
    let columns = rows.map(\.count).max() ?? 0
    let widths = (0..<columns).map { column in
      rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    return rows.map { row in
      let cells = row.enumerated().map { index, cell in
        let space = String(repeating: " ", count: widths[index] - cell.count)
        if let numbersFrom, index >= numbersFrom { return space + cell }
        return index == row.count - 1 ? cell : cell + space
      }
      return cells.joined(separator: "  ")
    }
  }
}

/// A segment's file: `<epoch>-<index>.log`. Epochs are given out once, so a segment has one writer.
package struct SegmentName: Sendable, Hashable, Comparable, CustomStringConvertible {
  /// Which owner of the model.
  package var epoch: UInt64
  /// The owner's how-manieth segment, from 0.
  package var index: UInt64

  package init(epoch: UInt64, index: UInt64) {
    self.epoch = epoch
    self.index = index
  }

  /// Nil for a file that is no segment.
  package init?(fileName: String) {
    guard fileName.hasSuffix(".log") else { return nil }
    let parts = fileName.dropLast(4).split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 2, let epoch = UInt64(parts[0]), let index = UInt64(parts[1]) else {
      return nil
    }
    self.init(epoch: epoch, index: index)
    guard description == fileName else { return nil }
  }

  package var description: String { "\(epoch)-\(index).log" }

  package static func < (left: Self, right: Self) -> Bool {
    (left.epoch, left.index) < (right.epoch, right.index)
  }
}

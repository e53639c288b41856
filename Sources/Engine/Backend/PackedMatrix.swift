import CKernels

/// A weight matrix [outputs, inputs] in the panel layout of the product kernels.
///
/// A view: the panels live in the mapped weight cache or in an adapter's own block, and whoever
/// holds the view keeps that owner alive.
package struct PackedMatrix {
  var raw: ck_packed

  package var outputs: Int { Int(raw.n) }
  package var inputs: Int { Int(raw.k) }

  init(panels: UnsafeRawPointer, dtype: ck_dtype, outputs: Int, inputs: Int) {
    raw = ck_packed(panels: panels, dtype: dtype, n: Int64(outputs), k: Int64(inputs))
  }

  /// Bytes that packing an f32 matrix takes, rounded up to whole cache lines.
  static func floatBytes(outputs: Int, inputs: Int) -> Int {
    (ck_packed_bytes(CK_F32, Int64(outputs), Int64(inputs)) + 63) & ~63
  }
}

/// Heap memory of floats, 64-byte aligned and zeroed. Adapter parameters and moments live here.
package final class FloatBlock {
  package let pointer: UnsafeMutablePointer<Float>
  package let count: Int

  package init(count: Int) {
    let raw = UnsafeMutableRawPointer.allocate(byteCount: max(count, 16) * 4, alignment: 64)
    pointer = raw.bindMemory(to: Float.self, capacity: max(count, 16))
    pointer.initialize(repeating: 0, count: max(count, 16))
    self.count = count
  }

  deinit { UnsafeMutableRawPointer(pointer).deallocate() }

  func copy(from other: FloatBlock) {
    pointer.update(from: other.pointer, count: count)
  }

  func zero() { pointer.update(repeating: 0, count: count) }
}

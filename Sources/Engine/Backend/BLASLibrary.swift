import CKernels

/// OpenBLAS as this process loads it: opened at run time, after deciding which kernels it uses.
package struct BLASLibrary: Sendable {
  /// The kernels in use, e.g. `Haswell` or `SkylakeX`; empty if the library reports none.
  package let core: String
  /// The library's own description of its build; empty if it reports none.
  package let configuration: String

  /// Opens the library, once per process.
  ///
  /// - Throws: `unimplemented` with the loader's words when it is not installed or not usable.
  package init() throws(EngineError) {
    if let problem = ck_blas_open() {
      throw EngineError(.unimplemented, "OpenBLAS: \(String(cString: problem))")
    }
    core = ck_blas_core().map { String(cString: $0) } ?? ""
    configuration = ck_blas_config().map { String(cString: $0) } ?? ""
  }
}

/// What the kernels of this build need of a CPU and find in it.
package enum InstructionSet {
  /// The best x86-64 level that kernels exist for: 4, 3, or 0 if this CPU has neither.
  package static var available: Int { Int(ck_isa_available()) }
}

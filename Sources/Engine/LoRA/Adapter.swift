import CKernels

/// The two factors of one target, packed for the product kernels.
struct AdapterFactors {
  /// Position in the adapter's `tensors`.
  let tensor: Int
  let packedA: PackedMatrix  // [rank, inputs]
  let packedB: PackedMatrix  // [outputs, rank]
  /// Factor of B·A.
  let scale: Float
  var rank: Int { packedA.outputs }
}

/// A and B of one target inside an adapter's flat blocks (offsets in floats).
package struct AdapterTensors: Sendable {
  package let site: AdapterSite
  let rank: Int
  let offsetA: Int
  let offsetB: Int
  let countA: Int
  let countB: Int

  /// A factor as it stands in files: its name there, offset and shape.
  typealias Factor = (name: String, offset: Int, shape: [Int])

  /// A [rank, inputs] and B [outputs, rank].
  var factors: [Factor] {
    [
      (PEFTName.tensor(site.module, .a), offsetA, [rank, site.inputs]),
      (PEFTName.tensor(site.module, .b), offsetB, [site.outputs, rank]),
    ]
  }
}

/// A LoRA adapter: A and B of every target in one flat block, and their packed copies.
///
/// Owned by the compute thread. Parameters change only in `OptimizerState.step` and when a state
/// is loaded; both repack.
package final class Adapter {
  package let config: LoRAConfig
  package let tensors: [AdapterTensors]
  let parameters: FloatBlock
  /// By site index; nil where this adapter has no target.
  private var factors: [AdapterFactors?]
  /// Gradients and moments; nil for an adapter that is only sampled from.
  package var training: OptimizerState?
  private let panels: UnsafeMutableRawPointer
  /// Whatever is to live as long as the adapter: who counts its memory keeps the account here.
  package var charge: AnyObject?

  /// An adapter of zeros for the sites of `model` that `config` asks for.
  ///
  /// - Throws: `invalidArgument` when no site of the model is in the asked groups.
  package init(config: LoRAConfig, sites: [AdapterSite]) throws(EngineError) {
    self.config = config
    var offset = 0
    var packedBytes = 0
    func take(_ count: Int) -> Int {
      defer { offset += (count + 15) & ~15 }
      return offset
    }
    let chosen = sites.filter { config.groups.contains($0.group) && config.targets($0.module) }
    tensors = chosen.map { site in
      let rank = config.rank(of: site.module)
      packedBytes +=
        PackedMatrix.floatBytes(outputs: rank, inputs: site.inputs)
        + PackedMatrix.floatBytes(outputs: site.outputs, inputs: rank)
      return AdapterTensors(
        site: site, rank: rank, offsetA: take(rank * site.inputs),
        offsetB: take(site.outputs * rank), countA: rank * site.inputs,
        countB: site.outputs * rank)
    }
    guard !tensors.isEmpty else {
      throw .invalid("lora", "the model has no layer of the targets that are asked for")
    }
    parameters = FloatBlock(count: offset)
    panels = .allocate(byteCount: packedBytes, alignment: 64)
    factors = Array(repeating: nil, count: (sites.map(\.index).max() ?? 0) + 1)
    var next = panels
    for (index, tensor) in tensors.enumerated() {
      let (site, rank) = (tensor.site, tensor.rank)
      let a = PackedMatrix(panels: next, dtype: CK_F32, outputs: rank, inputs: site.inputs)
      next += PackedMatrix.floatBytes(outputs: rank, inputs: site.inputs)
      let b = PackedMatrix(panels: next, dtype: CK_F32, outputs: site.outputs, inputs: rank)
      next += PackedMatrix.floatBytes(outputs: site.outputs, inputs: rank)
      factors[site.index] = AdapterFactors(
        tensor: index, packedA: a, packedB: b, scale: config.scale(of: site.module))
    }
  }

  deinit { panels.deallocate() }

  func factors(at site: AdapterSite) -> AdapterFactors? {
    site.index < factors.count ? factors[site.index] : nil
  }

  /// Bytes of memory: parameters, their packed copies, gradients and moments.
  package var bytes: Int {
    Self.bytes(config, sites: tensors.map(\.site), isTrained: training != nil)
  }

  /// The same of an adapter that is not there yet.
  package static func bytes(_ config: LoRAConfig, sites: [AdapterSite], isTrained: Bool) -> Int {
    var (values, packed) = (0, 0)
    for site in sites where config.groups.contains(site.group) && config.targets(site.module) {
      let rank = config.rank(of: site.module)
      // As `init` rounds them.
      for count in [rank * site.inputs, site.outputs * rank] { values += (count + 15) & ~15 }
      packed +=
        PackedMatrix.floatBytes(outputs: rank, inputs: site.inputs)
        + PackedMatrix.floatBytes(outputs: site.outputs, inputs: rank)
    }
    // Parameters; two blocks of gradients and two of moments.
    return packed + 4 * values * (isTrained ? 5 : 1)
  }

  /// Number of trainable values.
  package var parameterCount: Int { tensors.reduce(0) { $0 + $1.countA + $1.countB } }

  /// PEFT's start: A uniform in ±1/sqrt(inputs) (Kaiming with a = sqrt 5), B zero.
  package func initialize(kernels: Kernels) {
    parameters.zero()
    for tensor in tensors {
      let bound = 1 / Float(tensor.site.inputs).squareRoot()
      kernels.uniform(
        parameters.pointer + tensor.offsetA, count: tensor.countA, seed: config.seed,
        stream: UInt64(tensor.site.index), bound: bound)
    }
    repack(kernels: kernels)
  }

  /// Brings the packed copies up to date with the parameters.
  package func repack(kernels: Kernels) {
    kernels.pack(
      factors.compactMap(\.self).flatMap { pair in
        let tensor = tensors[pair.tensor]
        return [
          (UnsafePointer(parameters.pointer + tensor.offsetA), pair.packedA),
          (UnsafePointer(parameters.pointer + tensor.offsetB), pair.packedB),
        ]
      })
  }

  /// A copy for sampling that later steps do not change.
  package func snapshot(kernels: Kernels) throws(EngineError) -> Adapter {
    let copy = try Adapter(config: config, sites: tensors.map(\.site))
    copy.parameters.copy(from: parameters)
    copy.repack(kernels: kernels)
    return copy
  }
}

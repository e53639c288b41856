/// Says whether an adapter of so many bytes may be made; what it returns lives as long as the adapter.
package typealias AdapterAdmission = (_ bytes: Int) throws(EngineError) -> AnyObject?

/// Adapters on disk, in the layout of PEFT: `adapter_config.json`, `adapter_model.safetensors`.
package enum AdapterFiles {
  package static let configName = "adapter_config.json"
  package static let weightsName = "adapter_model.safetensors"

  /// Writes the adapter into `folder`, which must exist; each file is synced.
  ///
  /// - Parameter base: the base model's name, for `base_model_name_or_path`.
  package static func write(
    _ adapter: Adapter, base: String, to folder: String, storage: any Storage
  ) throws {
    try JSONFiles.write(
      AdapterConfigFile(adapter: adapter, base: base), to: "\(folder)/\(configName)", storage)
    try writeTensors(
      "\(folder)/\(weightsName)", [("", adapter.parameters)], adapter, metadata: ["format": "pt"],
      storage)
  }

  /// Writes flat blocks laid out like the adapter's parameters, tensor by tensor. `blocks` pairs a
  /// prefix of the names with a block; an empty prefix gives PEFT's own names.
  static func writeTensors(
    _ path: String, _ blocks: [(prefix: String, block: FloatBlock)], _ adapter: Adapter,
    metadata: [String: String], _ storage: any Storage
  ) throws {
    var writer = SafetensorsWriter(metadata: metadata)
    for (prefix, block) in blocks {
      for tensor in adapter.tensors {
        for place in tensor.factors {
          writer.add(prefix + place.name, block.pointer + place.offset, shape: place.shape)
        }
      }
    }
    try storage.writeFile(path) { try writer.write(to: $0) }
  }

  /// Reads an adapter for `model`, of ours or of PEFT. The modules that have one are those that the
  /// config targets: of each there are tensors, and of no other.
  ///
  /// - Parameters:
  ///   - isForeign: whether it was made elsewhere. What was written here is read as it is: an adapter
  ///     that has diverged has values that are not finite.
  ///   - seed: of its initial values, where that is known.
  ///   - isTrained: whether it gets an optimizer.
  ///   - admit: is asked before memory is taken.
  /// - Throws: `notFound`, `dataLoss`, `unimplemented` or `invalidArgument`, naming the setting or
  ///   tensor that does not fit; what `admit` throws.
  package static func read(
    _ folder: String, model: BaseModel, kernels: Kernels, seed: UInt64 = 0,
    isTrained: Bool = false, isForeign: Bool = false, admit: AdapterAdmission = { _ in nil }
  ) throws(EngineError) -> Adapter {
    let settings = try AdapterSettings(path: "\(folder)/\(configName)")
    let file = try Safetensors(
      path: "\(folder)/\(weightsName)", headerLimit: RegularFile.Limit.adapterHeader)
    let tensors = try PEFTName.canonical(file.tensors)
    let sites = model.sites.filter { site in
      PEFTName.Factor.allCases.contains { tensors[PEFTName.tensor(site.module, $0)] != nil }
    }
    guard !sites.isEmpty else {
      throw .invalid(weightsName, "holds no LoRA factor of a linear layer of this model")
    }
    try settings.targets.check(Set(tensors.keys), sites, of: model.sites)
    let config = try settings.loraConfig(sites: sites, of: model.sites, seed: seed)
    let charge = try admit(Adapter.bytes(config, sites: model.sites, isTrained: isTrained))
    let adapter = try Adapter(config: config, sites: model.sites)
    adapter.charge = charge
    var rest = Set(tensors.keys)
    try readTensors(
      tensors, prefix: "", mustBeFinite: isForeign, into: adapter.parameters, adapter, kernels,
      &rest)
    for name in rest.sorted() {
      if let tensor = tensors[name] { try checkBaseCopy(name, tensor, model) }
    }
    adapter.repack(kernels: kernels)
    if isTrained { adapter.startTraining() }
    return adapter
  }

  /// Fills a block from tensors by name, striking their names off `rest`.
  static func readTensors(
    _ tensors: [String: StoredTensor], prefix: String, mustBeFinite: Bool,
    into block: FloatBlock, _ adapter: Adapter, _ kernels: Kernels, _ rest: inout Set<String>
  ) throws(EngineError) {
    for place in adapter.tensors.flatMap(\.factors) {
      let name = prefix + place.name
      guard let stored = tensors[name] else { throw .invalid(name, "is missing") }
      guard stored.shape == place.shape else {
        throw .invalid(stored.name, "has shape \(stored.shape), expected \(place.shape)")
      }
      let values = try stored.floats(kernels)
      guard !mustBeFinite || kernels.allFinite(values, count: values.count) else {
        throw .invalid(stored.name, "holds a value that is not finite")
      }
      (block.pointer + place.offset).update(from: values, count: values.count)
      rest.remove(name)
    }
  }

  /// PEFT saves embedding and head beside an adapter that targets them, and the modules of
  /// `modules_to_save`. A copy of the base's own is accepted; anything else would silently change
  /// the model, so it is refused.
  private static func checkBaseCopy(
    _ name: String, _ tensor: StoredTensor, _ model: BaseModel
  ) throws(EngineError) {
    func refuse(_ what: String) -> EngineError {
      EngineError(.unimplemented, what, field: tensor.name)
    }
    if name.contains(".lora_magnitude_vector") { throw refuse("DoRA (use_dora) is not supported") }
    if name.contains(".lora_embedding_") {
      throw refuse("an adapter of the embedding is not supported")
    }
    if PEFTName.Factor.allCases.contains(where: { name.hasSuffix(".\($0.rawValue).weight") }) {
      throw .invalid(tensor.name, "belongs to no linear layer of this model")
    }
    if name.hasSuffix(".bias") { throw refuse("a trained bias is not supported") }
    guard let base = model.stored(String(name.dropFirst(PEFTName.prefix.count))) else {
      throw refuse("is neither a LoRA factor nor a tensor of the base model")
    }
    guard try tensor.hasValues(of: base) else {
      throw refuse(
        "differs from the base model's: fully trained modules (modules_to_save) are not supported")
    }
  }
}

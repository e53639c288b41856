/// Adapters on disk, in the layout of PEFT: `adapter_config.json`, `adapter_model.safetensors`.
package enum AdapterFiles {
  package static let configName = "adapter_config.json"
  package static let weightsName = "adapter_model.safetensors"
  private static let prefix = "base_model.model."

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
    let rank = adapter.config.rank
    for (blockPrefix, block) in blocks {
      for tensor in adapter.tensors {
        let name = blockPrefix + prefix + tensor.site.module
        writer.add(
          "\(name).lora_A.weight", block.pointer + tensor.offsetA,
          shape: [rank, tensor.site.inputs])
        writer.add(
          "\(name).lora_B.weight", block.pointer + tensor.offsetB,
          shape: [tensor.site.outputs, rank])
      }
    }
    try storage.writeFile(path) { try writer.write(to: $0) }
  }

  /// Reads an adapter for `model`, of ours or of PEFT.
  ///
  /// - Throws: `notFound`, `dataLoss`, `unimplemented` or `invalidArgument`, naming the setting or
  ///   tensor that does not fit.
  package static func read(
    _ folder: String, model: BaseModel, kernels: Kernels
  ) throws(EngineError) -> Adapter {
    let config = try JSONFiles.read(
      AdapterConfigFile.self, "\(folder)/\(configName)", "adapter config")
    let (rank, alpha) = try config.validated()
    let file = try Safetensors(path: "\(folder)/\(weightsName)")
    let sites = model.sites.filter {
      file.tensors["\(prefix)\($0.module).lora_A.weight"] != nil
    }
    let adapter = try Adapter(
      config: LoRAConfig(rank: rank, alpha: alpha, groups: Set(sites.map(\.group))), sites: sites)
    var rest = Set(file.tensors.keys)
    try readTensors(file, prefix: "", into: adapter.parameters, adapter, kernels, &rest)
    for name in rest.sorted() {
      try checkBaseTensor(name, file, model, kernels)
    }
    adapter.repack(kernels: kernels)
    return adapter
  }

  /// Fills a block from the tensors of a file, striking their names off `rest`.
  static func readTensors(
    _ file: Safetensors, prefix blockPrefix: String, into block: FloatBlock, _ adapter: Adapter,
    _ kernels: Kernels, _ rest: inout Set<String>
  ) throws(EngineError) {
    let rank = adapter.config.rank
    for tensor in adapter.tensors {
      for (factor, offset, shape) in [
        ("lora_A", tensor.offsetA, [rank, tensor.site.inputs]),
        ("lora_B", tensor.offsetB, [tensor.site.outputs, rank]),
      ] {
        let name = "\(blockPrefix)\(prefix)\(tensor.site.module).\(factor).weight"
        guard let stored = file.tensors[name] else {
          throw EngineError(.invalidArgument, "\(file.file.path) lacks \(name)")
        }
        guard stored.shape == shape else {
          throw EngineError(
            .invalidArgument, "\(name) has shape \(stored.shape), expected \(shape)")
        }
        let values = try stored.floats(kernels)
        guard kernels.allFinite(values, count: values.count) else {
          throw EngineError(.invalidArgument, "\(name) holds a value that is not finite")
        }
        (block.pointer + offset).update(from: values, count: values.count)
        rest.remove(name)
      }
    }
  }

  /// PEFT saves embedding and head beside an adapter that targets them. A copy of the base's own is
  /// accepted; anything else would silently change the model, so it is refused.
  private static func checkBaseTensor(
    _ name: String, _ file: Safetensors, _ model: BaseModel, _ kernels: Kernels
  ) throws(EngineError) {
    let plain = name.dropFirst(prefix.count).replacing(".base_layer", with: "")
    let own =
      model.config.tiesEmbeddings && plain == "lm_head.weight"
      ? "model.embed_tokens.weight" : plain
    guard name.hasPrefix(prefix), let stored = file.tensors[name],
      let base = model.weights.stored(own), base.shape == stored.shape,
      try base.floats(kernels) == stored.floats(kernels)
    else {
      throw EngineError(
        .unimplemented,
        "the adapter holds \(name), which is neither a LoRA factor of this model nor a copy of the "
          + "base model's own tensor")
    }
  }
}

import Foundation
import Testing

@testable import Engine

/// A golden model ready to run, with its adapters.
struct GoldenModel {
  let name: String
  let kernels: Kernels
  let model: BaseModel
  let engine: TrainingEngine

  /// - Parameter folder: of a model that is not among the golden files.
  init(_ name: String, folder: String? = nil, threads: Int = 2, isa: Int32 = 0) throws {
    self.name = name
    kernels = try Kernels(threads: threads, isa: isa)
    model = try BaseModel(
      name: name, folder: folder ?? "\(Golden.folder)/models/\(name)", cache: Self.cache,
      storage: FileStorage(), kernels: kernels)
    engine = TrainingEngine(model: model, kernels: kernels, arena: try Arena(bytes: 1 << 30))
  }

  /// Packed weights of all golden models, for this run of the tests.
  private static let cache: String = {
    atexit { try? FileManager.default.removeItem(atPath: GoldenModel.cachePath) }
    return cachePath
  }()
  private static let cachePath =
    "\(FileManager.default.temporaryDirectory.path)/tinsmith-golden-\(getpid())"

  /// A trainable adapter read from its PEFT folder.
  func adapter(_ label: String) throws -> Adapter {
    let folder = "\(Golden.folder)/adapters/\(name)-\(label)"
    let adapter = try AdapterFiles.read(folder, model: model, kernels: kernels)
    adapter.startTraining()
    return adapter
  }

  /// Logits of the whole batch, [rows, vocabulary] in row order.
  func logits(_ batch: RowBatch) throws -> [Float] {
    let arena = try Arena(bytes: 1 << 30)
    let pass = try Pass(
      kernels: kernels, arena: arena, policy: .inference, batch: batch, store: .scratch)
    let hidden = pass.tape[try model.transformer.hidden(pass)].value
    let (logits, _) = try model.transformer.head.logits(
      hidden, segments: batch.segments, kernels: kernels, arena: arena)
    return Array(UnsafeBufferPointer(start: logits.pointer, count: logits.elements))
  }

  /// The accumulated gradient of a tensor by its PEFT name.
  func gradient(_ name: String, of adapter: Adapter) throws -> [Float] {
    try values(name, of: adapter, in: #require(adapter.training).gradients)
  }

  /// Replaces the accumulated gradient of one tensor.
  func set(_ name: String, of adapter: Adapter, to values: [Float]) throws {
    let range = try range(name, of: adapter)
    try #require(values.count == range.count)
    let block = try #require(adapter.training).gradients
    (block.pointer + range.lowerBound).update(from: values, count: values.count)
  }

  /// Part of a block laid out like the adapter's parameters, by PEFT name.
  func values(_ name: String, of adapter: Adapter, in block: FloatBlock) throws -> [Float] {
    let range = try range(name, of: adapter)
    return range.map { block.pointer[$0] }
  }

  private func range(_ name: String, of adapter: Adapter) throws -> Range<Int> {
    for tensor in adapter.tensors {
      let module = "base_model.model.\(tensor.site.module)"
      if name == "\(module).lora_A.weight" {
        return tensor.offsetA..<tensor.offsetA + tensor.countA
      }
      if name == "\(module).lora_B.weight" {
        return tensor.offsetB..<tensor.offsetB + tensor.countB
      }
    }
    throw EngineError(.notFound, "the adapter has no tensor \(name)")
  }

  /// PEFT names of an adapter's tensors, in order.
  func tensorNames(_ adapter: Adapter) -> [String] {
    adapter.tensors.flatMap { tensor in
      ["lora_A", "lora_B"].map { "base_model.model.\(tensor.site.module).\($0).weight" }
    }
  }

  /// A request for the datums of a case, its loss and settings. `logprobs` stands in for the
  /// input of that name where the case has none.
  func request(
    _ loss: GoldenLoss, _ adapter: Adapter?, accumulates: Bool = true, logprobs: [[Float]] = []
  ) throws -> TrainingRequest {
    let function = try LossFunction(name: loss.lossFn, config: loss.config)
    let data = try loss.datums.enumerated().map { (i, datum) in
      var inputs = try datum.inputs.mapValues { try $0.lossInput }
      if function.isPolicy, inputs["logprobs"] == nil {
        inputs["logprobs"] = LossInput(
          shape: [datum.tokens.count], values: .floats(logprobs[i]))
      }
      return try TrainingDatum(
        tokens: datum.tokens, inputs: inputs, loss: function, config: model.config,
        field: "data[\(i)]")
    }
    return TrainingRequest(
      adapter: adapter, data: data, loss: function, accumulates: accumulates)
  }

  /// A cross-entropy datum with weight 1 everywhere.
  func datum(_ tokens: [Int32], targets: [Int32]) throws -> TrainingDatum {
    let weights = [Float](repeating: 1, count: tokens.count)
    return try TrainingDatum(
      tokens: tokens,
      inputs: [
        "target_tokens": LossInput(
          shape: [tokens.count], values: .integers(targets.map { Int64($0) })),
        "weights": LossInput(shape: [tokens.count], values: .floats(weights)),
      ],
      loss: LossFunction(name: "cross_entropy"), config: model.config, field: "data")
  }

  /// Runs one request and returns its answer.
  func run(_ request: TrainingRequest) throws -> TrainingResult {
    try #require(engine.run([request]).first).get()
  }
}

extension GoldenLoss.Input {
  var lossInput: LossInput {
    get throws {
      let values: LossInput.Values =
        dtype == "int64" ? .integers(data.map { Int64($0) }) : .floats(data.map { Float($0) })
      guard let rows = sparseCrowIndices, let columns = sparseColIndices else {
        return LossInput(shape: shape, values: values)
      }
      return try LossInput(
        rows: shape[0], columns: shape[1], rowPointers: rows.map { Int64($0) },
        columnIndices: columns.map { Int64($0) }, values: values, field: "input")
    }
  }
}

import Foundation
import JSON
import TestSupport
import Testing

@testable import Engine

/// Adapters that PEFT itself made, taken in, held against what PEFT computes with them.
@Suite struct AdapterImportTests {
  struct Case: Decodable {
    let model: String
    let sequences: [GoldenForward.Sequence]
  }

  static let names = ["rslora", "patterns", "one-layer", "all-linear"]

  private func source(_ name: String) -> String { "\(Golden.folder)/peft/\(name)" }

  private func read(_ folder: String, _ golden: GoldenModel) throws -> Adapter {
    try AdapterImport.read(folder, model: golden.model, kernels: golden.kernels)
  }

  private func values(_ adapter: Adapter) -> Bits { Bits(adapter.parameters) }

  private func logprobs(
    _ sequences: [GoldenForward.Sequence], _ adapter: Adapter, _ golden: GoldenModel
  ) throws -> [[Float]] {
    let data = try sequences.map { try golden.datum($0.tokens, targets: $0.targets) }
    let loss = try LossFunction(name: "cross_entropy")
    return try golden.run(
      TrainingRequest(adapter: adapter, data: data, loss: loss, accumulates: false)
    ).logprobs
  }

  @Test(arguments: names)
  func logprobsArePEFTs(name: String) throws {
    let index = try Golden.decode([String: Case].self, "peft.json")
    let expected = try Golden.tensors("peft.safetensors")
    let this = try #require(index[name])
    let golden = try GoldenModel(this.model)
    let ours = try logprobs(this.sequences, read(source(name), golden), golden)
    for (i, row) in ours.enumerated() {
      let error = relativeError(row, try expected.doubles("\(name)/\(i)"))
      #expect(error <= Tolerance.logprobs, "\(name) \(i): \(error)")
    }
  }

  /// What we write of an imported adapter is the same adapter: tensors bit for bit, settings, and
  /// targets that name no module more.
  @Test(arguments: names)
  func roundTrip(name: String) throws {
    let golden = try GoldenModel(
      #require(Golden.decode([String: Case].self, "peft.json")[name]).model)
    let adapter = try read(source(name), golden)
    let folder = try TemporaryFolder()
    try AdapterFiles.write(adapter, base: "base", to: folder.path, storage: FileStorage())
    let again = try read(folder.path, golden)
    #expect(again.config == adapter.config)
    #expect(again.tensors.map(\.site) == adapter.tensors.map(\.site))
    #expect(again.tensors.map(\.rank) == adapter.tensors.map(\.rank))
    #expect(values(again) == values(adapter))
    let copy = try adapter.snapshot(kernels: golden.kernels)
    #expect(copy.config == adapter.config && values(copy) == values(adapter))
    struct Config: Decodable { let targetModules: [String] }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let config = try decoder.decode(
      Config.self, from: Data(contentsOf: URL(filePath: "\(folder.path)/adapter_config.json")))
    let block =
      ["mlp.down_proj", "mlp.gate_proj", "mlp.up_proj"]
      + ["k_proj", "o_proj", "q_proj", "v_proj"].map { "self_attn.\($0)" }
    let targets = [
      "rslora": ["q_proj", "v_proj"],
      "patterns": ["down_proj", "k_proj", "lm_head", "q_proj", "up_proj"],
      "one-layer": block.map { "model.layers.1.\($0)" },
      "all-linear": [
        "down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj",
      ],
    ]
    #expect(config.targetModules == targets[name])
  }

  /// An imported adapter trains, and continues from a saved state with the same bits: only the
  /// modules that it has, with their own ranks and scales.
  @Test func trainsOn() throws {
    let golden = try GoldenModel("qwen3")
    let loss = try #require(Golden.losses("qwen3").first { $0.name == "cross_entropy" })
    let adapter = try read(source("patterns"), golden)
    let start = values(adapter)
    func step(_ adapter: Adapter) throws {
      _ = try golden.run(try golden.request(loss, adapter))
      _ = try adapter.step(AdamParameters(), kernels: golden.kernels)
    }
    try step(adapter)
    #expect(values(adapter) != start)
    let folder = try TemporaryFolder()
    let storage = FileStorage()
    try AdapterFiles.write(adapter, base: "qwen3", to: folder.path, storage: storage)
    try TrainingStateFiles.write(
      adapter, includesGradient: false, to: folder.path, storage: storage)
    let again = try TrainingStateFiles.read(
      folder.path, optimizer: true, model: golden.model, kernels: golden.kernels)
    for adapter in [adapter, again] { try step(adapter) }
    #expect(values(again) == values(adapter))
  }

  /// Names as they stand in a state dict and with the wrappers of saved modules mean the same adapter.
  @Test(arguments: ["one-layer", "patterns"])
  func otherNames(name: String) throws {
    let golden = try GoldenModel(
      #require(Golden.decode([String: Case].self, "peft.json")[name]).model)
    let expected = values(try read(source(name), golden))
    let changes: [(String) -> String] = [
      { $0.replacing(".lora_A.", with: ".lora_A.default.") },
      { $0.replacing("lm_head.weight", with: "lm_head.modules_to_save.default.weight") },
    ]
    for change in changes {
      let folder = try TemporaryFolder(copying: source(name))
      try folder.editTensors(AdapterFiles.weightsName) { tensors in
        for i in tensors.indices { tensors[i].name = change(tensors[i].name) }
      }
      #expect(values(try read(folder.path, golden)) == expected)
    }
  }

  /// Settings that change nothing of what the tensors mean.
  @Test func harmlessSettings() throws {
    let golden = try GoldenModel("llama")
    let expected = values(try read(source("rslora"), golden))
    let folder = try TemporaryFolder(copying: source("rslora"))
    try folder.editJSON(AdapterFiles.configName) { config in
      config["init_lora_weights"] = "gaussian"
      config["layers_to_transform"] = [0, 1]
      config["exclude_modules"] = ["k_proj"]
      config["ensure_weight_tying"] = true  // neither head nor embedding has an adapter
      config["a_number_of_a_later_version"] = 16
      config["a_switch_of_a_later_version"] = false
      config["target_modules"] = ".*(q|v)_proj"
    }
    #expect(values(try read(folder.path, golden)) == expected)
  }

  // MARK: Refusals

  @Test(arguments: [
    ("use_dora", "true"), ("bias", "\"all\""), ("bias", "\"lora_only\""),
    ("fan_in_fan_out", "true"), ("peft_type", "\"LOHA\""), ("peft_type", "null"),
    ("init_lora_weights", "\"pissa\""), ("init_lora_weights", "\"olora\""),
    ("init_lora_weights", "\"loftq\""), ("lora_bias", "true"), ("use_qalora", "true"),
    ("trainable_token_indices", "[1, 2]"), ("layer_replication", "[[0, 1]]"),
    ("target_parameters", "[\"experts.down_proj\"]"), ("alora_invocation_tokens", "[1]"),
    ("arrow_config", "{\"top_k\": 1}"), ("a_switch_of_a_later_version", "true"),
    ("rank_pattern", "{\"(?=layers).*\": 5}"), ("alpha_pattern", "{\"(q|v)_proj\\\\1\": 5}"),
  ])
  func settingsThatAreNotSupported(key: String, value: String) throws {
    try expectRefusal("rslora", .unimplemented, "adapter_config.\(key)") { folder in
      try folder.set(key, to: value)
    }
  }

  /// PEFT would share the head's adapter with the embedding.
  @Test func sharedAdapter() throws {
    try expectRefusal("patterns", .unimplemented, "adapter_config.ensure_weight_tying") { folder in
      try folder.set("ensure_weight_tying", to: "true")
    }
  }

  @Test(arguments: [
    ("r", "0"), ("r", "513"), ("r", "null"), ("lora_alpha", "0"), ("lora_alpha", "-1"),
    ("lora_alpha", "1e300"), ("rank_pattern", "{\"q_proj\": 100000}"),
    ("alpha_pattern", "{\"q_proj\": -2}"),
    ("rank_pattern", "{\"q_proj(\": 2}"), ("rank_pattern", "{\"q_proj\": \"2\"}"),
    ("alpha_pattern", "[1]"), ("use_rslora", "1"), ("lora_alpha", "null"),
    ("modules_to_save", "[\"embed_tokens\"]"), ("layers_pattern", "\"layers\""),
  ])
  func settingsOutOfRange(key: String, value: String) throws {
    try expectRefusal("rslora", .invalidArgument, "adapter_config.\(key)") { folder in
      try folder.set(key, to: value)
    }
  }

  /// Ranks that the tensors have not.
  @Test(arguments: [("r", "4"), ("rank_pattern", "{\"q_proj\": 4}")])
  func ranksOfOtherTensors(key: String, value: String) throws {
    let name = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
    try expectRefusal("rslora", .invalidArgument, name) { try $0.set(key, to: value) }
  }

  private static let module = "base_model.model.model.layers.1.self_attn.q_proj"

  @Test(arguments: [
    ("\(module).lora_magnitude_vector", EngineError.Code.unimplemented),
    ("\(module).lora_B.bias", .unimplemented), ("\(module).bias", .unimplemented),
    ("base_model.model.model.embed_tokens.lora_embedding_A", .unimplemented),
    ("base_model.model.model.embed_tokens.weight", .unimplemented),
    ("base_model.model.lm_head.modules_to_save.weight", .unimplemented),
    ("base_model.model.score.weight", .unimplemented),
    ("base_model.model.model.layers.2.self_attn.q_proj.lora_A.weight", .invalidArgument),
    ("base_model.model.model.layers.1.self_attn.rotary.lora_A.weight", .invalidArgument),
    ("model.layers.1.self_attn.q_proj.lora_A.weight", .invalidArgument),
  ])
  func tensorsThatDoNotBelong(name: String, code: EngineError.Code) throws {
    try expectRefusal("rslora", code, name) { folder in
      try folder.editTensors(AdapterFiles.weightsName) { tensors in
        tensors.append(.init(name, floats: [1, 2, 3, 4], shape: [2, 2]))
      }
    }
  }

  @Test func halvesShapesAndValues() throws {
    let (a, b) = ("\(Self.module).lora_A.weight", "\(Self.module).lora_B.weight")
    func refuse(
      _ field: String, _ code: EngineError.Code = .invalidArgument,
      _ edit: (inout [TemporaryFolder.Tensor]) -> Void
    ) throws {
      try expectRefusal("rslora", code, field) { folder in
        try folder.editTensors(AdapterFiles.weightsName, edit)
      }
    }
    for name in [a, b] { try refuse(name) { $0.removeAll { $0.name == name } } }
    try refuse(a) { tensors in
      for i in tensors.indices where tensors[i].name == a { tensors[i].shape.reverse() }
    }
    try refuse(b) { tensors in
      for i in tensors.indices where tensors[i].name == b {
        tensors[i].bytes.replaceSubrange(4..<8, with: [0, 0, 0xc0, 0x7f])
      }
    }
    try refuse(a, .unimplemented) { tensors in
      for i in tensors.indices where tensors[i].name == a { tensors[i].type = .i32 }
    }
    try refuse(AdapterFiles.weightsName) { $0.removeAll() }
  }

  /// A module that the config targets and the file lacks is an adapter that was cut.
  @Test func missingLayers() throws {
    let gone = Self.module
    try expectRefusal("rslora", .invalidArgument, "\(gone).lora_A.weight") { folder in
      try folder.editTensors(AdapterFiles.weightsName) { tensors in
        tensors.removeAll { $0.name.hasPrefix("\(gone).") }
      }
    }
    // One that was made for some layers is whole.
    let golden = try GoldenModel("llama")
    for (key, value) in [
      ("layers_to_transform", "[0]"), ("layers_to_transform", "0"),
      ("target_modules", "\".*layers\\\\.0\\\\..*(q|v)_proj\""),
      ("exclude_modules", "[\"layers.1.self_attn.q_proj\"]"),
    ] {
      let folder = try TemporaryFolder(copying: source("rslora"))
      try folder.editTensors(AdapterFiles.weightsName) { tensors in
        tensors.removeAll {
          $0.name.hasPrefix("\(gone).")
            || (key != "exclude_modules" && $0.name.contains("layers.1."))
        }
      }
      try folder.set(key, to: value)
      _ = try read(folder.path, golden)
    }
  }

  /// A module that the file has and the config does not target: PEFT would pass over it.
  @Test(arguments: [
    ("exclude_modules", #"["v_proj"]"#, "0.self_attn.v_proj"),
    ("target_modules", #"["q_proj"]"#, "0.self_attn.v_proj"),
    ("target_modules", "[]", "0.self_attn.q_proj"),
    ("target_modules", #"".*x_proj""#, "0.self_attn.q_proj"),
    ("layers_to_transform", "[1]", "0.self_attn.q_proj"),
  ])
  func modulesThatAreNotTargeted(key: String, value: String, module: String) throws {
    let name = "base_model.model.model.layers.\(module).lora_A.weight"
    try expectRefusal("rslora", .invalidArgument, name) { try $0.set(key, to: value) }
  }

  /// The list of layers that the numbers are of.
  @Test func listsOfLayers() throws {
    let golden = try GoldenModel("llama")
    for (list, isRight) in [(#""layers""#, true), (#"["h", "layers"]"#, true), (#""h""#, false)] {
      let folder = try TemporaryFolder(copying: source("rslora"))
      try folder.set("layers_to_transform", to: "[0, 1]")
      try folder.set("layers_pattern", to: list)
      if isRight {
        _ = try read(folder.path, golden)
      } else {
        let error = #expect(throws: EngineError.self) { try read(folder.path, golden) }
        #expect(error?.code == .invalidArgument)
      }
    }
  }

  /// What an adapter of ours became is read again whatever it is: nobody loses a model that diverged.
  @Test func whatDivergedIsKept() throws {
    let golden = try GoldenModel("llama")
    let adapter = try golden.adapter("all-r3")
    adapter.startTraining()
    let training = try #require(adapter.training)
    adapter.parameters.pointer[3] = .infinity
    training.secondMoment.pointer[5] = .infinity
    training.firstMoment.pointer[7] = .nan
    let (folder, storage) = (try TemporaryFolder(), FileStorage())
    try AdapterFiles.write(adapter, base: "llama", to: folder.path, storage: storage)
    try TrainingStateFiles.write(
      adapter, includesGradient: true, to: folder.path, storage: storage)
    let again = try TrainingStateFiles.read(
      folder.path, optimizer: true, model: golden.model, kernels: golden.kernels)
    #expect(again.parameters.pointer[3] == .infinity)
    #expect(again.training?.secondMoment.pointer[5] == .infinity)
    #expect(again.training?.firstMoment.pointer[7].isNaN == true)
    let error = #expect(throws: EngineError.self) { try read(folder.path, golden) }
    #expect(error?.message.contains("not finite") == true)
  }

  /// The first expression that fits counts, in the file's order.
  @Test func patternsInOrder() throws {
    let text =
      #"{"layers\\.1\\.self_attn.q_proj":7,".*\\.layers\\.[01]\\..*(q|k)_proj":5,"k_proj":9}"#
    let object = try #require(JSONParser.parse(Array(text.utf8)).object)
    var pattern = try ModulePattern(object, "rank_pattern")
    #expect(try pattern.value(of: "model.layers.1.self_attn.q_proj")?.int == 7)
    #expect(try pattern.value(of: "model.layers.0.self_attn.q_proj")?.int == 5)
    #expect(try pattern.value(of: "model.layers.1.self_attn.k_proj")?.int == 5)
    #expect(try pattern.value(of: "model.layers.2.self_attn.k_proj")?.int == 9)
    #expect(try pattern.value(of: "model.layers.2.self_attn.q_proj") == nil)
    #expect(try pattern.value(of: "model.layers.2.self_attn.xk_proj") == nil)
  }

  /// A saved head that differs from the base's in one bit of one value.
  @Test func changedHead() throws {
    try expectRefusal("one-layer", .unimplemented, "base_model.model.lm_head.weight") { folder in
      try folder.editTensors(AdapterFiles.weightsName) { tensors in
        for i in tensors.indices where tensors[i].name.hasSuffix("lm_head.weight") {
          tensors[i].bytes[5000] ^= 1
        }
      }
    }
  }

  /// Damaged files are the caller's fault here, and no path of this machine is told.
  @Test(arguments: [AdapterFiles.configName, AdapterFiles.weightsName])
  func damagedFiles(name: String) throws {
    let golden = try GoldenModel("llama")
    let folder = try TemporaryFolder(copying: source("rslora"))
    let whole = try Data(contentsOf: URL(filePath: "\(folder.path)/\(name)"))
    for count in [0, 1, 7, 8, 100, whole.count - 3] {
      try whole.prefix(count).write(to: URL(filePath: "\(folder.path)/\(name)"))
      let error = try #require(throws: EngineError.self) { _ = try read(folder.path, golden) }
      #expect(error.code == .invalidArgument && error.message.contains(name), "\(error)")
      #expect(!error.message.contains(folder.path))
    }
    try FileManager.default.removeItem(atPath: "\(folder.path)/\(name)")
    let error = try #require(throws: EngineError.self) { _ = try read(folder.path, golden) }
    #expect(error.code == .notFound && error.message.contains(name), "\(error)")
  }

  private func expectRefusal(
    _ name: String, _ code: EngineError.Code, _ field: String,
    _ edit: (TemporaryFolder) throws -> Void
  ) throws {
    let golden = try GoldenModel(
      #require(Golden.decode([String: Case].self, "peft.json")[name]).model)
    let folder = try TemporaryFolder(copying: source(name))
    try edit(folder)
    let error = try #require(throws: EngineError.self) { _ = try read(folder.path, golden) }
    #expect(error.code == code && error.field == field, "\(error)")
  }
}

extension TemporaryFolder {
  /// Replaces one setting of the adapter's config by a JSON value.
  fileprivate func set(_ key: String, to value: String) throws {
    let parsed = try JSONSerialization.jsonObject(
      with: Data(value.utf8), options: .fragmentsAllowed)
    try editJSON(AdapterFiles.configName) { $0[key] = parsed }
  }
}

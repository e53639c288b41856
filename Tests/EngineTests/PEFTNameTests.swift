import JSON
import Testing

@testable import Engine

/// Names of modules and tensors as PEFT has them.
@Suite struct PEFTNameTests {
  @Test(arguments: [
    ("model.layers.0.self_attn.q_proj", "q_proj"),
    ("model.layers.3.mlp.experts.17.gate_proj", "gate_proj"),
    ("lm_head", "lm_head"),
  ])
  func everyWayOfWritingATensor(module: String, end: String) {
    let name = "base_model.model.\(module).lora_A.weight"
    #expect(PEFTName.tensor(module, .a) == name)
    for other in [
      name, "base_model.model.\(module).lora_A.default.weight",
      "base_model.model.\(module).lora_A.my-adapter.weight",
    ] {
      #expect(PEFTName.canonical(other) == name, "\(other)")
    }
    #expect(PEFTName.canonical("\(module).lora_A.weight") == nil)
    #expect(PEFTName.ends(of: module).first == module && PEFTName.ends(of: module).last == end)
  }

  @Test func wrappersOfSavedModules() {
    for name in [
      "base_model.model.lm_head.weight", "base_model.model.lm_head.base_layer.weight",
      "base_model.model.lm_head.modules_to_save.default.weight",
      "base_model.model.lm_head.modules_to_save.weight",
    ] {
      #expect(PEFTName.canonical(name) == "base_model.model.lm_head.weight", "\(name)")
    }
  }

  /// The last component stands for a module exactly where it means no module without an adapter.
  @Test func targetModules() {
    let experts = (0..<4).map { "model.layers.0.mlp.experts.\($0).up_proj" }
    let all = experts + ["model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj"]
    #expect(PEFTName.targetModules(experts, of: all) == ["up_proj"])
    #expect(PEFTName.targetModules(all, of: all) == ["up_proj", "q_proj"])
    #expect(
      PEFTName.targetModules(Array(all[1..<5]), of: all)
        == Set(all[1..<5]))
  }

  @Test func patterns() throws {
    var pattern = try ModulePattern(
      JSONObject([
        ("q_proj", 1), ("^model.layers.1.self_attn.k_proj", 2), (#"layers\.0\.mlp.up_proj$"#, 3),
        ("self_attn.q_proj", 4),
      ]), "it")
    #expect(try pattern.value(of: "model.layers.7.self_attn.q_proj")?.int == 1)
    #expect(try pattern.value(of: "model.layers.1.self_attn.k_proj")?.int == 2)
    #expect(try pattern.value(of: "model.layers.2.self_attn.k_proj") == nil)
    #expect(try pattern.value(of: "model.layers.0.mlp.up_proj")?.int == 3)
    #expect(try pattern.value(of: "model.layers.10.mlp.up_proj") == nil)
    #expect(try pattern.value(of: "model.layers.0.self_attn.seq_proj") == nil)
  }
}

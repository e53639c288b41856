import Testing

@testable import Engine

/// Five optimizer steps fed the golden gradients, against torch.optim.AdamW in float64.
@Suite struct GoldenAdamTests {
  struct Index: Decodable {
    struct Adam: Decodable {
      struct Variant: Decodable {
        let learningRate, beta1, beta2, eps, weightDecay, gradClipNorm: Double
      }

      let model, adapter: String
      let tensors, gradientsOfCase: [String]
      let unclippedNorms: [Double]
      let variants: [String: Variant]
    }

    let adamw: Adam
  }

  /// What a float can hold is a setting; what it cannot is refused by name.
  @Test func settingsAreFloats() throws {
    func refused(_ step: Int = 1, _ change: (inout AdamParameters) -> Void) -> String? {
      var adam = AdamParameters()
      change(&adam)
      do throws(EngineError) {
        try adam.validate(step: step)
        return nil
      } catch {
        return error.code == .invalidArgument ? error.field : "\(error)"
      }
    }
    for value in [0, 1e-300, 1e6, 1e30] {
      #expect(refused { $0.learningRate = value } == nil)
      #expect(refused { $0.epsilon = value } == nil)
      #expect(refused { $0.weightDecay = value } == nil)
      #expect(refused { $0.gradientClipNorm = value } == nil)
    }
    #expect(refused { $0.gradientClipNorm = 1e300 } == nil)
    for value in [-1, .nan, .infinity, 1e300] {
      #expect(refused { $0.learningRate = value } == "adam.learning_rate")
      #expect(refused { $0.epsilon = value } == "adam.eps")
      #expect(refused { $0.weightDecay = value } == "adam.weight_decay")
    }
    #expect(refused { $0.beta1 = 1 } == "adam.beta1")
    #expect(refused { $0.beta2 = -0.1 } == "adam.beta2")
    // The first step is the largest.
    #expect(refused { $0.learningRate = 1e38 } == "adam.learning_rate")
    #expect(refused(100) { $0.learningRate = 1e38 } == nil)
  }

  @Test(arguments: ["plain", "decay", "clip", "clip-decay"])
  func steps(variant: String) throws {
    let index = try Golden.decode(Index.self, "index.json").adamw
    let golden = try GoldenModel(index.model)
    let adapter = try golden.adapter(index.adapter)
    let training = try #require(adapter.training)
    let expected = try Golden.tensors("adamw.safetensors")
    let gradients = try Golden.tensors("losses-\(index.model).safetensors")
    let settings = try #require(index.variants[variant])
    var adam = AdamParameters()
    (adam.learningRate, adam.beta1, adam.beta2) =
      (settings.learningRate, settings.beta1, settings.beta2)
    (adam.epsilon, adam.weightDecay, adam.gradientClipNorm) =
      (settings.eps, settings.weightDecay, settings.gradClipNorm)
    for (step, name) in index.gradientsOfCase.enumerated() {
      // Tensors without a golden gradient keep 0: the norm is over the four alone.
      for tensor in index.tensors {
        try golden.set(tensor, of: adapter, to: try gradients.floats("\(name)/grad/\(tensor)"))
      }
      training.restoreGradient(present: true)
      let norm = try adapter.step(adam, kernels: golden.kernels)
      #expect(abs(norm / index.unclippedNorms[step] - 1) <= 1e-6, "step \(step): norm \(norm)")
      for tensor in index.tensors {
        for (what, block) in [
          ("param", adapter.parameters), ("m", training.firstMoment), ("v", training.secondMoment),
        ] {
          let ours = try golden.values(tensor, of: adapter, in: block)
          let key = "\(variant)/\(step)/\(what)/\(tensor)"
          let error = relativeError(ours, try expected.doubles(key))
          #expect(error <= 2e-6, "\(key): \(error)")
        }
      }
    }
  }
}

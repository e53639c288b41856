import Testing

@testable import Engine

/// SplitMix64: the same seed gives the same cases everywhere.
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// Any tokens of a model.
  mutating func tokens(_ count: Int, _ golden: GoldenModel) -> [Int32] {
    let vocabulary = Int32(golden.model.config.vocabularySize)
    return (0..<count).map { _ in Int32.random(in: 0..<vocabulary, using: &self) }
  }
}

/// An adapter as a value: the same one can be made on any number of engines.
struct RandomAdapter {
  let config: LoRAConfig

  /// Any rank, alpha, groups; now and then a part of the modules, other ranks or another scale.
  init(_ random: inout SeededRandom, sites: [AdapterSite]) throws {
    let groups = TargetGroup.allCases.filter { _ in Bool.random(using: &random) }
    var config = try LoRAConfig(
      rank: [1, 2, 3, 4, 8, 16, 17, 32, 33].randomElement(using: &random) ?? 1,
      alpha: Float.random(in: 0.5...40, using: &random), seed: random.next(),
      groups: Set(groups.isEmpty ? TargetGroup.allCases : groups))
    let modules = sites.filter { config.groups.contains($0.group) }.map(\.module)
    if Int.random(in: 0..<4, using: &random) == 0 {
      let some = modules.shuffled(using: &random).prefix(1 + modules.count / 2)
      config.targetModules = Set(some)
    }
    if Int.random(in: 0..<4, using: &random) == 0,
      let module = modules.first(where: config.targets)
    {
      config.rankPattern[module] = 5
      config.alphaPattern[module] = 3
      config.isRankStabilized = Bool.random(using: &random)
    }
    self.config = config
  }

  /// A and B both random, of a size that moves log-probs by nats but keeps them finite.
  func make(_ golden: GoldenModel) throws -> Adapter {
    let adapter = try Adapter(config: config, sites: golden.model.sites)
    for (i, tensor) in adapter.tensors.enumerated() {
      let scale = config.scale(of: tensor.site.module) * Float(tensor.rank).squareRoot()
      for (j, (offset, count, bound)) in [
        (tensor.offsetA, tensor.countA, 1.7 / Float(tensor.site.inputs).squareRoot()),
        (tensor.offsetB, tensor.countB, 0.5 / scale),
      ].enumerated() {
        golden.kernels.uniform(
          adapter.parameters.pointer + offset, count: count, seed: config.seed,
          stream: UInt64(2 * i + j), bound: bound)
      }
    }
    adapter.repack(kernels: golden.kernels)
    adapter.startTraining()
    return adapter
  }
}

/// The data and loss of a forward or forward_backward as a value.
struct RandomRequest {
  let data: [TrainingDatum]
  let loss: LossFunction
  let accumulates: Bool

  static let losses = [
    "cross_entropy", "cross_entropy-wide", "importance_sampling", "ppo", "cispo", "dro", "gspo",
  ]

  init(_ random: inout SeededRandom, config: ModelConfig) throws {
    let kind = Self.losses.randomElement(using: &random) ?? "cross_entropy"
    let isWide = kind.hasSuffix("-wide")
    let name = isWide ? "cross_entropy" : kind
    let loss = try LossFunction(name: name, config: name == "dro" ? ["beta": 0.05] : [:])
    self.loss = loss
    accumulates = Int.random(in: 0..<4, using: &random) > 0
    let vocabulary = Int64(config.vocabularySize)
    var data: [TrainingDatum] = []
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      // Short ones mostly, some around the sizes of pages and blocks, few long ones.
      let longest = [4, 20, 34, 70, 130].randomElement(using: &random) ?? 20
      let count = Int.random(in: 1...longest, using: &random)
      let k = isWide ? 3 : 1
      func floats(_ range: ClosedRange<Float>, _ width: Int = 1) -> LossInput {
        let values = (0..<count * width).map { _ in
          Int.random(in: 0..<5, using: &random) == 0 ? 0 : Float.random(in: range, using: &random)
        }
        return LossInput(shape: width > 1 ? [count, width] : [count], values: .floats(values))
      }
      let targets = (0..<count * k).map { _ in Int64.random(in: 0..<vocabulary, using: &random) }
      var inputs = [
        "target_tokens": LossInput(
          shape: isWide ? [count, k] : [count], values: .integers(targets))
      ]
      if loss.isPolicy {
        inputs["logprobs"] = floats(-7 ... -4)
        inputs["advantages"] = floats(-1...1)
        if loss.needsWholeSequence {
          inputs["sequence_ratio_mask"] = LossInput(
            shape: [count], values: .floats((0..<count).map { $0 % 3 == 1 ? 0 : 1 }))
        }
      } else {
        inputs["weights"] = floats(-0.5...1, k)
      }
      data.append(
        try TrainingDatum(
          tokens: (0..<count).map { _ in Int32.random(in: 0..<Int32(vocabulary), using: &random) },
          inputs: inputs, loss: loss, config: config, field: "data"))
    }
    self.data = data
  }

  func make(_ adapter: Adapter?) -> TrainingRequest {
    TrainingRequest(adapter: adapter, data: data, loss: loss, accumulates: accumulates)
  }
}

/// A prompt and how it is continued, as a value.
struct RandomSample {
  private var request: GenerationRequest

  /// The start of `stem` and something behind it, so that prompts share prefixes.
  init(_ random: inout SeededRandom, stem: [Int32], _ golden: GoldenModel) {
    let tail = random.tokens(Int.random(in: 0...20, using: &random), golden)
    request = GenerationRequest(
      prompt: stem.prefix(Int.random(in: 1...stem.count, using: &random)) + tail)
    request.sampleCount = Int.random(in: 1...3, using: &random)
    request.parameters.maxTokens = Int.random(in: 0...40, using: &random)
    request.parameters.seed = random.next()
    request.parameters.temperature = [0, 0.7, 1, 1.3].randomElement(using: &random) ?? 1
    request.parameters.topK = [-1, 1, 30].randomElement(using: &random) ?? -1
    request.parameters.topP = [1, 0.5, 0.95].randomElement(using: &random) ?? 1
    if Int.random(in: 0..<3, using: &random) == 0 {
      request.wantsPromptLogprobs = true
      request.topPromptLogprobs = Int.random(in: 0...4, using: &random)
      request.lastPromptLogprobs = [nil, 1, 20].randomElement(using: &random) ?? nil
    }
    if Int.random(in: 0..<3, using: &random) == 0, request.prompt.count > 1 {
      // Rows of no, one and several tokens, some of them -1; one is none of these.
      var (starts, tokens) = ([0], [Int32]())
      for row in 0..<request.prompt.count - 1 {
        let count = row == request.prompt.count - 2 ? 1 : Int.random(in: 0...3, using: &random)
        tokens += random.tokens(count, golden)
        if count == 3 { tokens[tokens.count - 2] = -1 }
        starts.append(tokens.count)
      }
      request.promptTargets = PromptTargets(rowStarts: starts, tokens: tokens)
    }
    request.topSampleLogprobs = Int.random(in: 0...4, using: &random)
    request.wantsModelLogprobs = Bool.random(using: &random)
  }

  func make(_ adapter: Adapter?, scope: String?) -> GenerationRequest {
    var request = request
    (request.adapter, request.cacheScope) = (adapter, scope)
    return request
  }
}

/// What the sender of a sampling request sees, as bit patterns.
struct SampleOutcome: Equatable {
  let tokens: [[Int32]]
  let logprobs: [Bits]
  /// Likeliest tokens and their log-probs, of the samples and of the prompt.
  let topTokens: [[Int32]]
  let topLogprobs: [Bits]
  let prompt: Bits

  init(_ result: GenerationResult) {
    tokens = result.sequences.map(\.tokens)
    logprobs = result.sequences.map { Bits($0.logprobs + $0.modelLogprobs) }
    let top = (result.sequences.map(\.top) + [result.topPromptLogprobs]).flatMap(\.self)
    topTokens = top.map { $0.map(\.token) }
    topLogprobs = top.map { Bits($0.map(\.logprob)) }
    prompt = Bits(result.promptLogprobs.map { $0 ?? .nan } + result.targetLogprobs)
  }
}

/// Bit patterns of floats: equal ones may differ in the sign of a zero. Compared as a whole; an
/// array in an expectation that fails would be taken apart element by element, which takes minutes.
struct Bits: Equatable, CustomStringConvertible {
  private let patterns: [UInt32]

  init(_ values: some Sequence<Float>) { patterns = values.map(\.bitPattern) }

  init(_ block: FloatBlock) {
    self.init(UnsafeBufferPointer(start: block.pointer, count: block.count))
  }

  /// Enough to see that two differ.
  var description: String {
    let sum = patterns.reduce(UInt64(14_695_981_039_346_656_037)) {
      ($0 ^ UInt64($1)) &* 1_099_511_628_211
    }
    return "\(patterns.count) floats, \(String(sum, radix: 16))"
  }
}

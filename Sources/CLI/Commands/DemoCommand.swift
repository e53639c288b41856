import ArgumentParser
import Foundation
import Operations
import Glibc
import Tinsmith

/// `tinsmith demo`: fine-tunes a model through the real service and shows that it learned.
struct DemoCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo", abstract: "Teaches the embedded model pig latin, and shows it.",
    discussion: """
      Starts a service of its own unless --endpoint names one. Takes a few minutes on two cores.
      """)

  @Option(
    help: ArgumentHelp("Use this service instead of starting one.", valueName: "endpoint"))
  var endpoint: String?

  @Option(help: "The base model.") var model = "tinsmith/mini"
  @Option(help: "Most steps of training.") var steps = 500
  @Option(help: "Rank of the adapter.") var rank = 32
  @Option(help: "Seed of the words' order and of the adapter.") var seed: UInt64 = 5
  @Option(help: "Compute threads of the service that is started.") var threads: Int?
  @Option(
    help: ArgumentHelp("Folder for the adapter, which is replaced there.", valueName: "dir"),
    transform: PathText.check)
  var out = "piglatin-adapter"
  @Flag(help: "A short look: at most 60 steps and 60 held-out words.") var quick = false

  func validate() throws {
    guard steps >= 1 else { throw ValidationError("--steps must be at least 1") }
    guard rank >= 1 else { throw ValidationError("--rank must be at least 1") }
  }

  func run() async throws {
    Terminal.startLogging()
    if let endpoint {
      try await demonstrate(endpoint)
    } else {
      Terminal.say("starting a service …")
      let service = try await ServiceProcess.start(threads: threads)
      let interrupted = StopSignals {
        Task {
          await service.stop()
          Glibc.exit(1)
        }
      }
      defer { withExtendedLifetime(interrupted) {} }
      let outcome = await Result.of { try await demonstrate(service.endpoint) }
      await service.stop()
      try outcome.get()
    }
    Terminal.say("The adapter is in \(URL(fileURLWithPath: out).path), as PEFT reads it.")
  }

  private func demonstrate(_ endpoint: String) async throws {
    let service = try await Connection(endpoint: endpoint).service
    let base = try await service.createSamplingClient(baseModel: model).value()
    let text = try TextModel(baseModel: model, given: nil, served: base.tokenizer)
    var words = try PigLatin.Words(seed: seed)
    var recipe = PigLatinRun.Recipe()
    recipe.steps = quick ? min(steps, 60) : steps
    recipe.seed = seed
    if quick { words.heldOut = Array(words.heldOut.prefix(60)) }
    let run = PigLatinRun(model: text, recipe: recipe, words: words)

    Terminal.say("\(model) before training, on words that training will not see:")
    try await show(run, base)
    let before = try await run.accuracy(base, words.heldOut)
    Terminal.say("right: \(percent(before)) of \(words.heldOut.count) held-out words\n")

    let training = try await service.createLoRATrainingClient(
      baseModel: model, rank: rank, seed: seed
    ).value()
    try await train(run, training)

    let path = try await training.saveWeightsForSampler(name: "piglatin").value()
    let tuned = try await service.createSamplingClient(modelPath: path).value()
    Terminal.say("\nafter training:")
    try await show(run, tuned)
    let after = try await run.accuracy(tuned, words.heldOut)
    Terminal.say(
      "right: \(percent(after)) of \(words.heldOut.count) held-out words (before: \(percent(before)))"
    )
    let folder = try ExportFolder(out)
    for file in try await service.exportCheckpoint(path: path).value() {
      try await folder.write(file.content, to: file.name)
    }
    await service.close()
  }

  private func train(_ run: PigLatinRun, _ training: TrainingClient) async throws {
    Terminal.say(
      "training an adapter of rank \(rank) on \(run.words.training.count) words, "
        + "\(run.recipe.batch) a step, at most \(run.recipe.steps) steps")
    let clock = ContinuousClock()
    let start = clock.now
    let bar = ProgressBar(total: run.recipe.steps)
    let outcome = try await run.train(training) { progress in
      var note = "loss \(fixed(progress.loss, 3))"
      if let right = progress.right { note += "  right \(percent(right))" }
      bar.update(progress.step, note: note)
    }
    bar.finish()
    let seconds = (clock.now - start) / .seconds(1)
    let losses = outcome.losses
    if losses.count < run.recipe.steps, let right = outcome.right {
      Terminal.say(
        "stopped early: \(percent(right)) of \(run.words.stopping.count) other words right")
    }
    Terminal.say("loss \(Sparkline.draw(losses, width: 60))")
    Terminal.say(
      "     \(fixed(losses.first ?? .nan, 3)) → \(fixed(losses.last ?? .nan, 3)) in "
        + "\(losses.count) steps, \(Int(seconds.rounded())) s")
  }

  /// A few answers beside what would be right.
  private func show(_ run: PigLatinRun, _ sampler: SamplingClient) async throws {
    let words = Array(run.words.heldOut.prefix(5))
    let answers = try await run.answers(sampler, words)
    let rows = zip(words, answers).map { word, answer in
      let isRight = PigLatin.translate(word) == answer
      let shown = answer.replacing("\n", with: " ")
      return ["  \(isRight ? "✓" : "✗")", word, "→", shown.isEmpty ? "(nothing)" : shown]
    }
    for line in Table.lines(rows) { Terminal.say(line) }
  }

  private func percent(_ share: Double) -> String { "\(Int((share * 100).rounded())) %" }

  private func fixed(_ number: Double, _ digits: Int) -> String {
    String(format: "%.\(digits)f", number)
  }
}

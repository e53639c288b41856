import Foundation
import Glibc
import Synchronization
import Tinsmith

/// What it costs that models outlive their workers, and how long it takes when one is gone: the whole
/// service on `tinsmith/mini`, one worker, LoRA of rank 32, 8 × 128 tokens a step, an optim_step each,
/// two steps in flight.
///
/// - `durability.mini.f32.8x128.cost`: how much longer a block of steps takes with journals and
///   snapshots than without (`--keep-models 0`), in percent: the median over pairs of blocks that
///   alternate. `.cost_low`, `.cost_high`: the 90 % bootstrap interval of that median; `.cost_total`:
///   over all blocks together, snapshots in full
/// - `durability.mini.f32.recovery.detection`: milliseconds from SIGKILL of the worker until its
///   supervisor has noticed; `.restart` from there until the new worker opens the model; `.replay`
///   from there to the first answer; `.replayed`: milliseconds that the replayed requests had taken
struct DurabilitySuite {
  let reporter: Reporter
  let threads: Int
  let runs: Int
  let folder: String

  private static let prefix = "durability.mini.f32"
  /// Steps of a block, which take some two seconds.
  private static let steps = 6
  private static let data = TenantsBench.batch(8)

  func run() async throws {
    if reporter.wants("\(Self.prefix).8x128.cost") { try await cost() }
    if reporter.wants("\(Self.prefix).recovery") { try await recovery() }
  }

  // MARK: Cost

  private func cost() async throws {
    let kept = try await ServedProcess(threads: threads, base: nil, data: "\(folder)/kept")
    defer { kept.stop() }
    let lost = try await ServedProcess(
      threads: threads, base: nil, data: "\(folder)/lost", options: ["--keep-models", "0"])
    defer { lost.stop() }
    let models = (try await Self.model(kept.endpoint), try await Self.model(lost.endpoint))
    for model in [models.0, models.1] { _ = try await Self.block(model) }
    var times: [(kept: Double, lost: Double)] = []
    for pair in 0..<max(40, runs) {
      if pair % 2 == 0 {
        let first = try await Self.block(models.0)
        times.append((kept: first, lost: try await Self.block(models.1)))
      } else {
        let first = try await Self.block(models.1)
        times.append((kept: try await Self.block(models.0), lost: first))
      }
    }
    let ratios = times.map { 100 * ($0.kept / $0.lost - 1) }
    let interval = Bootstrap.interval(of: ratios, confidence: 0.9)
    let keptSum = times.map(\.kept).reduce(0, +)
    let lostSum = times.map(\.lost).reduce(0, +)
    let total = 100 * (keptSum / lostSum - 1)
    let name = "\(Self.prefix).8x128.cost"
    reporter.report(name, samples: ratios, unit: "%")
    reporter.report("\(name)_low", samples: [interval.low], unit: "%")
    reporter.report("\(name)_high", samples: [interval.high], unit: "%")
    reporter.report("\(name)_total", samples: [total], unit: "%")
  }

  private static func model(_ endpoint: String) async throws -> TrainingClient {
    try await ServiceClient(endpoint: endpoint, timeout: nil).createLoRATrainingClient(
      baseModel: "tinsmith/mini", rank: 32, seed: 1, trainUnembed: false
    ).value()
  }

  /// Seconds of so many steps.
  private static func block(_ model: TrainingClient, steps: Int = steps) async throws -> Double {
    let clock = ContinuousClock()
    let start = clock.now
    var passes: [Pending<ForwardBackwardOutput>] = []
    var updates: [Pending<OptimStepOutput>] = []
    for step in 0..<steps {
      if step >= 2 { _ = try await passes[step - 2].value() }
      passes.append(model.forwardBackward(data, loss: .crossEntropy))
      updates.append(model.optimStep(AdamParams(learningRate: 1e-4)))
    }
    for update in updates { _ = try await update.value() }
    return milliseconds(clock.now - start) / 1000
  }

  private static func milliseconds(_ duration: Duration) -> Double {
    let (whole, part) = duration.components
    return Double(whole) * 1e3 + Double(part) * 1e-15
  }

  // MARK: Recovery

  /// When the service said what.
  private final class Words: Sendable {
    private let moments = Mutex<[(line: String, at: ContinuousClock.Instant)]>([])

    func add(_ line: String) { moments.withLock { $0.append((line, ContinuousClock().now)) } }

    /// The first moment after another one at which a line with this text came.
    func moment(of text: String, after start: ContinuousClock.Instant) -> ContinuousClock.Instant? {
      moments.withLock { $0.first { $0.at > start && $0.line.contains(text) }?.at }
    }
  }

  private func recovery() async throws {
    let words = Words()
    let served = try await ServedProcess(
      threads: threads, base: nil, data: "\(folder)/recovered", log: "info", onLine: words.add)
    defer { served.stop() }
    let model = try await Self.model(served.endpoint)
    var samples: [String: [Double]] = [:]
    for _ in 0..<runs {
      // Something to replay, less than what a snapshot follows.
      let worth = try await Self.block(model, steps: 20)
      let clock = ContinuousClock()
      let start = clock.now
      for worker in served.workers { kill(worker, SIGKILL) }
      _ = try await model.forwardBackward(Self.data, loss: .crossEntropy).value()
      _ = try await model.optimStep(AdamParams(learningRate: 1e-4)).value()
      let end = clock.now
      guard let detected = words.moment(of: "it is started again", after: start),
        let opened = words.moment(of: "taking over", after: start)
      else { continue }
      samples["detection", default: []].append(Self.milliseconds(detected - start))
      samples["restart", default: []].append(Self.milliseconds(opened - detected))
      samples["replay", default: []].append(Self.milliseconds(end - opened))
      samples["replayed", default: []].append(1000 * worth)
      // A process that ran for a while is restarted at once.
      try await Task.sleep(for: .seconds(11))
    }
    for name in ["detection", "restart", "replay", "replayed"] {
      reporter.report(
        "\(Self.prefix).recovery.\(name)", samples: samples[name] ?? [], unit: "ms")
    }
  }
}

/// Intervals by resampling (Efron 1979, percentile method).
enum Bootstrap {
  /// The interval of the median in which it lies with this confidence.
  static func interval(
    of samples: [Double], confidence: Double
  ) -> (low: Double, high: Double) {
    var random = SystemRandomNumberGenerator()
    let medians = (0..<4000).map { _ in
      let drawn = samples.map { _ in samples.randomElement(using: &random) ?? 0 }.sorted()
      return drawn[drawn.count / 2]
    }.sorted()
    let tail = (1 - confidence) / 2
    return (
      medians[Int(tail * Double(medians.count))],
      medians[Int((1 - tail) * Double(medians.count - 1))]
    )
  }
}

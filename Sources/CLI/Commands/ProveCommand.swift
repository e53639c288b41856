import ArgumentParser
import Foundation
import Glibc
import Logging
import Trainer

/// `tinsmith prove`: the promise on the front of the README, tried on this machine.
struct ProveCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prove",
    abstract: "Proves on this machine: the same bits alone, in a crowd, and after a crash.",
    discussion: """
      Trains a model alone (supervised, then by reinforcement with sampling), then with other \
      numbers of workers and threads, among other tenants, and while processes are killed and \
      paused and messages lost, late, repeated and out of order. Every result and the last bytes \
      of adapter and optimizer must be the same. Ends with PASS, or FAIL and the first difference.
      """)

  @Option(help: "Of kills, of the fate of messages, and of what others do.") var seed: UInt64 = 1

  @Flag(help: "A minute or two instead of a quarter of an hour.") var short = false

  @Option(help: "Only phases of one kind besides the first: alone, crowd or chaos.")
  var only: ProvePhase.Kind?

  @Option(help: "Other tenants in the crowd.") var tenants = 16

  @Option(help: "Workers in the crowd and in chaos.") var workers = 2

  @Option(
    help: ArgumentHelp("Train this model instead of the embedded one.", valueName: "name=dir"),
    transform: BaseOption.read)
  var base: BaseOption?

  @Option(
    help: ArgumentHelp("Keep what the services wrote in this folder.", valueName: "dir"),
    transform: PathText.check)
  var keep: String?

  @Option(
    help: ArgumentHelp(
      "Raises the learning rate of one supervised step in every phase but the first.",
      visibility: .hidden))
  var disturbStep: Int?

  func validate() throws {
    guard (0...64).contains(tenants) else { throw ValidationError("--tenants must be 0 to 64") }
    guard (1...16).contains(workers) else { throw ValidationError("--workers must be 1 to 16") }
  }

  func run() async throws {
    // What clients say of lost connections is no news here.
    Terminal.startLogging(.error)
    let work = try WorkFolders(keep: keep)
    let proof = Task { try await prove(work) }
    let interrupted = StopSignals { proof.cancel() }
    defer { withExtendedLifetime(interrupted) {} }
    let outcome = await proof.result
    work.remove()
    if proof.isCancelled { throw CommandError("interrupted: nothing is proved") }
    let difference: String?
    switch outcome {
    case .success(let found): difference = found
    case .failure(let error): difference = "\(error)"
    }
    guard let difference else { return Terminal.say("PASS") }
    Terminal.say("FAIL: \(difference)")
    throw ExitCode.failure
  }

  /// - Returns: the first difference; nil if there is none.
  private func prove(_ work: WorkFolders) async throws -> String? {
    Terminal.say("seed \(seed)\(keep.map { ", data in \($0)" } ?? "")")
    let phases = ProvePhase.all(isShort: short, only: only, tenants: tenants, workers: workers)
    var first: PhaseRun.Outcome?
    for (index, phase) in phases.enumerated() {
      Terminal.say("\(phase.title) …")
      var training = ReferenceTraining(
        base: base?.name ?? ServedModels.miniName, size: short ? .short : .long)
      if first != nil { training.disturbedStep = disturbStep }
      let run = PhaseRun(
        phase: phase, training: training, bases: [base].compactMap(\.self),
        data: work.data(index, phase.kind.rawValue), sockets: work.sockets,
        seed: seed &+ UInt64(index), expectedAnswers: first?.answers ?? 0)
      let outcome = try await run.run()
      for line in PhaseReport.lines(phase, outcome) { Terminal.say("  \(line)") }
      let expected = first?.records[0] ?? outcome.records[0]
      for record in outcome.records {
        if let difference = RunDifference(expected: expected, actual: record) {
          return "\(phase.title): \(difference)"
        }
      }
      if first == nil { first = outcome }
    }
    for file in [FinalFile.adapter, .optimizer] {
      Terminal.say("\(file.rawValue): SHA-256 \(first?.records[0].digest(of: file.rawValue) ?? "")")
    }
    return nil
  }
}

extension ProvePhase.Kind: ExpressibleByArgument {}

/// What was done and how long it took, in words.
enum PhaseReport {
  static func lines(_ phase: ProvePhase, _ outcome: PhaseRun.Outcome) -> [String] {
    let results = outcome.records.map(\.entries.count).max() ?? 0
    let seconds = String(format: "%.1f", outcome.duration / .seconds(1))
    var lines = ["\(results) results of \(outcome.answers) calls in \(seconds) s"]
    if let chaos = phase.chaos {
      let counts = Dictionary(grouping: outcome.acts, by: \.name)
      let acts = counts.map { "\($0.key) \($0.value.count) ×" }.sorted()
      lines.append(acts.isEmpty ? "nothing killed" : acts.joined(separator: ", "))
      let missed = chaos.acts - outcome.acts.count
      if missed > 0 { lines.append("the training was too short for \(missed) more of these") }
    }
    if let messages = outcome.messages {
      lines.append(
        "\(messages.messages) messages: \(messages.late) late, \(messages.twice) twice, "
          + "\(messages.behind) out of order, \(messages.lost) lost; connections broke "
          + "\(messages.breaks) ×")
    }
    return lines
  }
}

/// Where the services of a proof write.
struct WorkFolders: Sendable {
  /// A folder with a short path, for local sockets.
  let sockets: String
  private let root: String
  private let isKept: Bool

  /// - Throws: `CommandError` if a folder cannot be made, or the one to keep holds something.
  init(keep: String?) throws {
    sockets = try DataFolder.makeTemporary("/tmp/tinsmith-prove-")
    isKept = keep != nil
    root = keep.map { URL(fileURLWithPath: $0).path } ?? "\(sockets)/data"
    let contents = try? FileManager.default.contentsOfDirectory(atPath: root)
    guard contents?.isEmpty ?? true else {
      try? FileManager.default.removeItem(atPath: sockets)
      throw CommandError("\(root) is not empty")
    }
  }

  /// The data folder of a phase.
  func data(_ index: Int, _ name: String) -> String { "\(root)/\(index)-\(name)" }

  /// Removes what is not to be kept.
  func remove() { try? FileManager.default.removeItem(atPath: sockets) }
}

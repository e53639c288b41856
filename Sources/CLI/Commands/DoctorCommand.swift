import ArgumentParser
import Engine
import Foundation
import Operations
import Trainer
import Wire
import ZeroMQ

/// `tinsmith doctor`: what this machine has, and what is wrong with it.
struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Says what this machine has and what is wrong.",
    discussion: "Exit code 1 if something is wrong.")

  @Option(
    help: ArgumentHelp("Folder for checkpoints and caches.", valueName: "dir"),
    transform: PathText.check)
  var data: String = DataFolder.standardPath

  @Option(
    name: .long, parsing: .singleValue,
    help: ArgumentHelp(
      "Look also at the model in a Hugging Face folder, as `serve --base` would; may be repeated.",
      valueName: "name=dir"), transform: BaseOption.read)
  var base: [BaseOption] = []

  func run() throws {
    var report = DoctorReport()
    report.add("tinsmith", ProductVersion.text)
    report.add("numerics", "version \(Numerics.version), \(Numerics.precision)")
    report.add("system", Self.system)
    report.add("libzmq", zeroMQVersion)
    Self.checkCPU(&report)
    Self.checkBLAS(&report)
    Self.checkMemory(&report)
    Self.checkFiles(&report)
    checkDataFolder(&report)
    Self.checkModel(&report)
    checkBases(&report)
    for line in Table.lines(report.facts) { Terminal.say(line) }
    for problem in report.problems { Terminal.say("problem: \(problem)") }
    Terminal.say(report.problems.isEmpty ? "all is well" : "see the problems above")
    if !report.problems.isEmpty { throw ExitCode(1) }
  }

  private static var system: String {
    let release = try? String(contentsOfFile: "/etc/os-release", encoding: .utf8)
    let name = release?.split(separator: "\n").first { $0.hasPrefix("PRETTY_NAME=") }
    return name.map { String($0.dropFirst("PRETTY_NAME=".count)).replacing("\"", with: "") }
      ?? "Linux"
  }

  private static func checkCPU(_ report: inout DoctorReport) {
    let level = InstructionSet.available
    report.add("cores", String(ProcessInfo.processInfo.activeProcessorCount))
    report.add("CPU level", level == 0 ? "below x86-64-v3" : "x86-64-v\(level)")
    if level == 0 {
      report.problems.append("the kernels need AVX2 and FMA, which this CPU does not have")
    }
  }

  private static func checkBLAS(_ report: inout DoctorReport) {
    do {
      let library = try BLASLibrary()
      report.add("BLAS", "OpenBLAS, kernels for \(library.core)")
    } catch {
      report.add("BLAS", "none")
      report.problems.append(
        "\(error.message); Debian has it in the package libopenblas0-pthread")
    }
  }

  private static func checkMemory(_ report: inout DoctorReport) {
    let total = Double(ProcessInfo.processInfo.physicalMemory)
    let lines = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8)) ?? ""
    let available = lines.split(separator: "\n").first { $0.hasPrefix("MemAvailable:") }
      .flatMap { $0.split(separator: " ").dropFirst().first }.flatMap { Double($0) }
      .map { $0 * 1024 }
    report.add("memory", "\(gibibytes(total)), \(gibibytes(available ?? 0)) of it available")
    if let available, available < Double(1 << 30) {
      report.problems.append("less than 1 GiB of memory is available")
    }
  }

  private static func checkFiles(_ report: inout DoctorReport) {
    let (soft, hard) = OpenFileLimit.current
    let usable = max(soft, min(hard, OpenFileLimit.most))
    report.add("open files", "\(soft) at once, \(usable) in a service: one for each connection")
    if usable < OpenFileLimit.least {
      report.problems.append(
        "only \(usable) files may be open at once; a service needs \(OpenFileLimit.least) or more"
      )
    }
  }

  private static func gibibytes(_ bytes: Double) -> String {
    "\((bytes / Double(1 << 30) * 10).rounded() / 10) GiB"
  }

  private func checkDataFolder(_ report: inout DoctorReport) {
    let path = URL(fileURLWithPath: data).path
    report.add("data folder", path)
    do {
      try DataFolder.make(path)
      let probe = URL(fileURLWithPath: "\(path)/probe-\(UUID().uuidString)")
      try Data("tinsmith".utf8).write(to: probe)
      try FileManager.default.removeItem(at: probe)
    } catch let error as CommandError {
      report.problems.append(error.description)
    } catch {
      report.problems.append(
        "the data folder \(path) cannot be written: \(error.localizedDescription)")
    }
  }

  /// The given models load: config, weights, tokenizer.
  private func checkBases(_ report: inout DoctorReport) {
    guard !base.isEmpty else { return }
    let cache = URL(fileURLWithPath: data).path + "/cache"
    for base in base {
      do throws(EngineError) {
        _ = try BaseModel(
          name: base.name, folder: base.folder, cache: cache, storage: FileStorage(),
          kernels: try Kernels(threads: 1))
        report.add("base model \(base.name)", base.folder)
        for warning in ServedModels.warnings(of: base.folder) { report.add("", warning) }
      } catch {
        report.problems.append(
          "base model \(base.name) cannot be served: \(error.inFolder(base.folder))")
      }
    }
  }

  /// The embedded model loads: config, tokenizer, chat template.
  private static func checkModel(_ report: inout DoctorReport) {
    do {
      let models = try ServedModels().capabilities(version: ProductVersion.text).models
      report.add("embedded model", models.map { $0.name }.joined(separator: ", "))
      let text = try TextModel(folder: ServedModels.miniFolder)
      _ = try text.prompt([(role: "user", text: "hello")])
    } catch {
      report.problems.append("the embedded model cannot be used: \(error)")
    }
  }
}

/// What the doctor found.
struct DoctorReport {
  /// Name and value of each fact.
  var facts: [[String]] = []
  /// What is wrong, in words.
  var problems: [String] = []

  mutating func add(_ name: String, _ value: String) { facts.append([name, value]) }
}

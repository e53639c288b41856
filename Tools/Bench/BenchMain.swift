import ArgumentParser
import Foundation

/// `tinsmith-bench SUITE`: measures and prints one figure per line.
@main
struct BenchMain: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tinsmith-bench",
    abstract: "Measures the engine, the RPC layer, the router, or the whole service.",
    discussion: """
      Figures are medians; noise is the spread of the samples. On a shared machine compare only \
      figures of one run, or ratios against a peer that ran beside it.
      """)

  enum Suite: String, ExpressibleByArgument, CaseIterable {
    case engine, rpc, router, tenants, fairness, memory, durability, pressure
  }

  @Argument(help: "engine, rpc, router, tenants, fairness, memory, durability or pressure.")
  var suite: Suite
  @Flag(help: "One JSON object per figure and line.") var json = false
  @Option(help: "Only figures whose name starts so.") var only = ""
  @Option(help: "Compute threads.") var threads = 2
  @Option(help: "Samples per figure.") var runs = 5
  @Option(help: "Folder for the random models (1.2 GB for the 0.6B shape), kept between runs.")
  var models = NSTemporaryDirectory() + "/tinsmith-bench"

  @Option(help: "rpc: program of the raw ZeroMQ peer to compare with; it prints rates in req/s.")
  var zmqPeer: String?
  @Option(help: "rpc: program of the gRPC peer to compare with; it prints its rate in req/s.")
  var grpcPeer: String?
  @Option(help: "tenants: llama.cpp's llama-batched-bench, to compare the 0.6B shape with.")
  var llamaPeer: String?
  @Option(help: "tenants: the GGUF file of that shape for it.") var llamaModel: String?
  @Option(help: "pressure: seconds of each model.") var seconds = 600.0
  @Option(help: "rpc: requests of the soak, whose memory is compared; 0 for none.") var soak = 0

  private var llama: (program: String, model: String)? {
    guard let llamaPeer, let llamaModel else { return nil }
    return (llamaPeer, llamaModel)
  }

  func validate() throws {
    guard (llamaPeer == nil) == (llamaModel == nil) else {
      throw ValidationError("--llama-peer and --llama-model go together")
    }
  }

  func run() async throws {
    let reporter = Reporter(json: json, only: only)
    switch suite {
    case .engine:
      try EngineSuite(reporter: reporter, threads: threads, runs: runs, folder: models).run()
    case .tenants:
      try await TenantsSuite(
        reporter: reporter, threads: threads, runs: runs, folder: models, llama: llama
      ).run()
    case .fairness:
      try await FairnessSuite(reporter: reporter, threads: threads, folder: models).run()
    case .durability:
      try await DurabilitySuite(
        reporter: reporter, threads: threads, runs: runs, folder: models
      ).run()
    case .pressure:
      try await PressureSuite(
        reporter: reporter, threads: threads, folder: models, seconds: seconds
      ).run()
    case .memory: try await MemorySuite(reporter: reporter, folder: models).run()
    case .rpc:
      try await RPCSuite(
        reporter: reporter, runs: runs, zmqPeer: zmqPeer, grpcPeer: grpcPeer, soak: soak
      ).run()
    case .router: RouterSuite(reporter: reporter, runs: runs).run()
    }
    guard reporter.count > 0 else {
      throw ValidationError("no figure of \(suite.rawValue) has a name that begins with \(only)")
    }
  }
}

import ArgumentParser
import Operations
import Trainer

extension ByteCount: OptionValue {
  static let form = "a size is a number above 0 of bytes, or with K, M, G or T behind it, like 4G"
}

/// How much memory a worker may take.
struct MemoryOption: ParsableArguments, Sendable {
  @Option(
    help: ArgumentHelp(
      "Memory of each worker, like 4G (default: what the machine or its control group allows, "
        + "divided among the workers).",
      valueName: "size"), transform: ByteCount.read)
  var memory: ByteCount?

  @Option(
    help: ArgumentHelp("Of that, for cached keys and values of sampling.", valueName: "size"),
    transform: ByteCount.read)
  var kvCache: ByteCount?

  var options: MemoryOptions {
    MemoryOptions(memoryBytes: memory?.bytes, kvCacheBytes: kvCache?.bytes)
  }

  /// The same with what is not given filled in, for so many workers on this machine.
  func resolved(workers: Int) -> MemoryOption {
    var option = self
    option.memory = options.resolved(workers: workers).memoryBytes.flatMap { ByteCount("\($0)") }
    return option
  }

  /// The same options for a process that this one starts.
  var arguments: [String] {
    (memory.map { ["--memory", "\($0.bytes)"] } ?? [])
      + (kvCache.map { ["--kv-cache", "\($0.bytes)"] } ?? [])
  }
}

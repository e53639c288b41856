import BenchPeers
import Foundation
import RPC
import Wire

/// This program again as another process. It ends when its standard input does, and answers each
/// line there with its memory.
final class PeerProcess {
  private let process = Process()
  private let input = Pipe()
  private let output = Pipe()

  init(_ variables: [String: String]) throws {
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = ["rpc"]
    process.environment = ProcessInfo.processInfo.environment.merging(variables) { $1 }
    // The child leaves when this end closes, whatever becomes of the parent.
    process.standardInput = input
    process.standardOutput = output
    try process.run()
  }

  var identifier: Int32 { process.processIdentifier }

  func stop() {
    process.terminate()
    process.waitUntilExit()
  }

  func waitUntilExit() { process.waitUntilExit() }

  /// The process's memory, as it says itself.
  func memory() throws -> Memory {
    try input.fileHandleForWriting.write(contentsOf: Data([UInt8(ascii: "\n")]))
    let answer = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
    let words = answer.split(whereSeparator: \.isWhitespace).compactMap { Double($0) }
    guard words.count == 2 else { throw RPCError(.internal, "a peer said: \(answer)") }
    return Memory(heap: words[0], resident: words[1])
  }

  /// In the child: lives as long as standard input and answers its lines.
  static func answerParent() {
    Thread.detachNewThread {
      while readLine() != nil {
        let memory = Memory.own
        print(memory.heap, memory.resident)
        fflush(nil)
      }
      exit(0)
    }
  }
}

/// Memory of a process, in bytes.
struct Memory: Sendable {
  /// Allocated from the C heap and not freed.
  let heap: Double
  /// In physical memory.
  let resident: Double

  static var own: Memory {
    Memory(heap: Double(bench_heap_bytes()), resident: residentBytes())
  }

  private static func residentBytes() -> Double {
    let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?
      .split(separator: " ").dropFirst().first.flatMap { Double($0) }
    return (pages ?? 0) * Double(getpagesize())
  }
}

/// Seconds of processor time that a process has used, from the kernel's table (in steps of 10 ms).
func processorSeconds(_ process: Int32) -> Double {
  guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
    let end = text.lastIndex(of: ")")
  else { return 0 }
  // Behind the name: state is field 3, so user and system time, 14 and 15, are 11 and 12 here.
  let fields = text[text.index(after: end)...].split(separator: " ")
  guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else {
    return 0
  }
  return (user + system) / 100
}

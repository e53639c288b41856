import Foundation
import RPC
import Wire

/// A peer program from outside, which measures itself and prints its rate.
///
/// It is started in a folder and a process group of its own: such programs leave files and children
/// when they are ended before their last line.
struct ExternalPeer {
  let program: String
  let arguments: [String]
  /// Finds the wanted rate in a line; nil where it is not.
  let find: (Substring) -> Double?

  /// Runs the program until it has printed its line.
  func rate() throws -> Double {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("tinsmith-peer-\(UInt32.random(in: 0...UInt32.max))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let output = Pipe()
    let process = try start(in: folder, output: output.fileHandleForWriting.fileDescriptor)
    try output.fileHandleForWriting.close()
    defer {
      kill(-process, SIGKILL)
      waitpid(process, nil, 0)
    }
    var text = ""
    while true {
      let data = output.fileHandleForReading.availableData
      guard !data.isEmpty else {
        throw RPCError(.internal, "\(program) did not print the rate that was asked for")
      }
      text += String(decoding: data, as: UTF8.self)
      for complete in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
        if let rate = find(complete) { return rate }
      }
    }
  }

  private func start(in folder: URL, output: Int32) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
    let path = "/usr/bin/env"
    let words = ([path, "-C", folder.path, URL(fileURLWithPath: program).path] + arguments)
      .map { strdup($0) }
    let variables = ProcessInfo.processInfo.environment.merging(["RUNS": "1"]) { _, new in new }
      .map { strdup("\($0.key)=\($0.value)") }
    defer { for text in words + variables { free(text) } }
    var process = pid_t()
    let code = posix_spawn(
      &process, path, &actions, &attributes, words + [nil], variables + [nil])
    guard code == 0 else {
      throw RPCError(.notFound, "\(path): \(String(cString: strerror(code)))")
    }
    return process
  }
}

extension ExternalPeer {
  /// A C program that prints libzmq's rates by topology, one line each.
  static func zeroMQ(_ program: String) -> ExternalPeer {
    ExternalPeer(
      program: program, arguments: ["pipe"],
      find: { requestRate(in: $0, ["broker", "ROUTER|ROUTER", "tcp", "W=64"]) })
  }

  /// A C++ program that prints the rate of a gRPC echo with a completion-queue server.
  static func gRPC(_ program: String, window: Int, bodyBytes: Int) -> ExternalPeer {
    ExternalPeer(
      program: program, arguments: ["\(window)", "\(bodyBytes)", "50000", "1", "cq"],
      find: { requestRate(in: $0, ["gRPC", "W=\(window)"]) })
  }

  /// llama.cpp's `llama-batched-bench`, which prints a table: decoding 128 tokens after prompts of
  /// 16, as `TenantsBench` samples.
  /// - Parameter model: a GGUF file.
  static func llama(
    _ program: String, model: String, sequences: Int, threads: Int
  ) -> ExternalPeer {
    let limits = ["-t", "\(threads)", "-tb", "\(threads)", "-c", "4096"]
    let shape = ["-npp", "16", "-ntg", "128", "-npl", "\(sequences)"]
    return ExternalPeer(
      program: program,
      arguments: ["-m", URL(fileURLWithPath: model).path] + limits + shape,
      find: { line in
        // | PP | TG | B | N_KV | T_PP s | S_PP t/s | T_TG s | S_TG t/s | T s | S t/s |
        let cells = line.split(separator: "|").map { $0.filter { $0 != " " } }
        guard cells.count == 10, cells[2] == "\(sequences)" else { return nil }
        return Double(cells[7])
      })
  }

  /// The number before `req/s`, where the line holds all the words in their order.
  private static func requestRate(in line: Substring, _ words: [String]) -> Double? {
    var rest = line
    for word in words {
      guard let range = rest.range(of: word) else { return nil }
      rest = rest[range.upperBound...]
    }
    guard let unit = line.range(of: "req/s") else { return nil }
    return line[..<unit.lowerBound].split(separator: " ").last.flatMap { Double($0) }
  }
}

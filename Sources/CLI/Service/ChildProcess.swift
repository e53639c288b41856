import Foundation
import Glibc
import Operations

/// Another process of this same program, which ends when this one does.
///
/// The child's standard input is a pipe that only this process can write to: when this process
/// ends, however it ends, the child reads the end of its input and stops.
final class ChildProcess: Sendable {
  private let process: Process
  private let lifeline: Pipe
  private let output: Pipe?

  /// Starts `tinsmith ARGUMENTS --supervised`.
  ///
  /// - Parameters:
  ///   - environment: variables that it has besides ours.
  ///   - readsOutput: whether `firstLine` will be asked for; otherwise its stdout is its stderr,
  ///     since our stdout is for results.
  ///   - errors: its stderr; ours unless given.
  ///   - ended: called once when the child has ended, with how it did.
  init(
    _ arguments: [String], environment: [String: String] = [:], readsOutput: Bool = false,
    errors: FileHandle = .standardError,
    ended: @escaping @Sendable (ProcessEnding) -> Void = { _ in }
  ) throws {
    lifeline = Pipe()
    output = readsOutput ? Pipe() : nil
    process = Process()
    process.executableURL = try Self.program()
    process.arguments = arguments + ["--supervised"]
    if !environment.isEmpty {
      process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    }
    process.standardInput = lifeline
    process.standardOutput = output ?? errors
    process.standardError = errors
    process.terminationHandler = { ended(Self.ending(of: $0)) }
    do {
      try process.run()
    } catch {
      throw CommandError("cannot start \(arguments[0]): \(error.localizedDescription)")
    }
  }

  var identifier: Int32 { process.processIdentifier }

  /// How it ended; nil while it runs.
  var ending: ProcessEnding? { process.isRunning ? nil : Self.ending(of: process) }

  private static func ending(of process: Process) -> ProcessEnding {
    let number = process.terminationStatus
    return process.terminationReason == .exit ? .exited(number) : .signalled(number)
  }

  /// The file that this process runs.
  static func program() throws -> URL {
    guard let path = realpath("/proc/self/exe", nil) else {
      throw CommandError("cannot find this program's file: \(DataFolder.lastError)")
    }
    defer { free(path) }
    return URL(fileURLWithPath: String(cString: path))
  }

  /// Waits for the first line on the child's stdout; nil if it ends without one.
  func firstLine() async -> String? {
    guard let handle = output?.fileHandleForReading else { return nil }
    // Reading blocks, so it has a thread of its own.
    return await withCheckedContinuation { continuation in
      let reader = Thread { continuation.resume(returning: Self.firstLine(handle)) }
      reader.name = "child-output"
      reader.start()
    }
  }

  private static func firstLine(_ handle: FileHandle) -> String? {
    var bytes: [UInt8] = []
    while let byte = try? handle.read(upToCount: 1)?.first {
      if byte == UInt8(ascii: "\n") { return String(decoding: bytes, as: UTF8.self) }
      bytes.append(byte)
    }
    return nil
  }

  /// Waits until the child has ended.
  func ended() async {
    while process.isRunning { try? await Task.sleep(for: .milliseconds(5)) }
  }

  /// Asks the child to end, and ends it by force if it has not within `patience`.
  func stop(patience: Duration = .seconds(10)) async {
    try? lifeline.fileHandleForWriting.close()
    let clock = ContinuousClock()
    let deadline = clock.now + patience
    while process.isRunning, clock.now < deadline {
      try? await Task.sleep(for: .milliseconds(20))
    }
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    // A few milliseconds until its end is noticed, so that nothing of it is left when we go.
    while process.isRunning, clock.now < deadline + .seconds(2) {
      try? await Task.sleep(for: .milliseconds(5))
    }
  }
}

/// The other end of the lifeline.
enum Lifeline {
  /// Calls `ended` when whoever started this process is gone.
  static func watch(_ ended: @escaping @Sendable () -> Void) {
    let thread = Thread {
      var byte: UInt8 = 0
      while true {
        let count = read(STDIN_FILENO, &byte, 1)
        if count > 0 || (count < 0 && errno == EINTR) { continue }
        break
      }
      ended()
    }
    thread.name = "lifeline"
    thread.start()
  }
}

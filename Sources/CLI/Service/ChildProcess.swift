import Foundation
import Glibc
import Operations
import Synchronization

/// Another process of this same program, which ends when this one does.
///
/// The child's standard input is a stream that only this process can write to: when this process
/// ends, however it ends, the child reads the end of its input and stops. A child that was stopped
/// by a signal cannot read; but it is a process group of its own, and the kernel wakes and hangs up
/// such groups when their parent ends.
///
/// Foundation's `Process` traps when no descriptor is left, and so does swift-subprocess; here
/// everything that can fail throws.
final class ChildProcess: Sendable {
  let identifier: Int32
  /// What it writes to its stdout, where that is read; ends when the child has closed it.
  let lines: AsyncStream<String>
  private let input: Mutex<Descriptor?>
  private let state = Mutex<ProcessEnding?>(nil)

  /// Lines longer than this are cut.
  private static let longestLine = 65_536

  /// Starts `tinsmith ARGUMENTS --supervised`.
  ///
  /// - Parameters:
  ///   - environment: variables that it has besides ours.
  ///   - readsOutput: whether `lines` has its stdout; otherwise its stdout is its stderr, since our
  ///     stdout is for results.
  ///   - errors: its stderr; ours unless given.
  ///   - inherited: descriptors of ours that it has, too, by the same numbers.
  init(
    _ arguments: [String], environment: [String: String] = [:], readsOutput: Bool = false,
    errors: FileHandle = .standardError, inherited: [Int32] = []
  ) throws {
    do {
      let input = try Descriptor.pair()
      let output = readsOutput ? try Descriptor.pair() : nil
      identifier = try Spawn(
        program: Self.program(), arguments: arguments + ["--supervised"],
        environment: Self.crashReports.merging(environment) { $1 },
        input: input.childs.number, output: output?.childs.number ?? errors.fileDescriptor,
        errors: errors.fileDescriptor, inherited: inherited
      ).run()
      withExtendedLifetime((input.childs, output?.childs)) {}
      self.input = Mutex(input.ours)
      lines = output.map { Self.read($0.ours) } ?? AsyncStream { $0.finish() }
    } catch {
      throw CommandError("cannot start \(arguments.first ?? "a process"): \(error)")
    }
    let waiter = Thread { [self] in waitForEnd() }
    waiter.name = "child"
    waiter.start()
  }

  /// Swift's crash reporter takes a minute for this program, in which a child that trapped is
  /// neither alive nor dead. Whoever wants its report sets the variable.
  private static let crashReports: [String: String] = {
    let name = "SWIFT_BACKTRACE"
    return ProcessInfo.processInfo.environment[name] == nil ? [name: "enable=no"] : [:]
  }()

  /// The file that this process runs.
  private static func program() -> String {
    let link = "/proc/self/exe"
    guard let path = realpath(link, nil) else {
      // It was replaced since. Router and workers are of one version as long as the service runs.
      return link
    }
    defer { free(path) }
    return String(cString: path)
  }

  // MARK: Its end

  /// How it ended; nil while it runs.
  var ending: ProcessEnding? { state.withLock { $0 } }

  private func waitForEnd() {
    var facts = siginfo_t()
    while waitid(P_PID, id_t(identifier), &facts, WEXITED | WNOWAIT) < 0, errno == EINTR {}
    state.withLock { state in
      // Only now the number can become another process's, and nobody sends signals to it any more.
      var status: Int32 = 0
      while waitpid(identifier, &status, 0) < 0, errno == EINTR {}
      let signal = status & 0x7f
      state = signal == 0 ? .exited((status >> 8) & 0xff) : .signalled(signal)
    }
  }

  /// Waits until the child has ended.
  /// - Returns: how it did.
  @discardableResult
  func ended() async -> ProcessEnding {
    while true {
      if let ending { return ending }
      try? await Task.sleep(for: .milliseconds(5))
    }
  }

  /// Sends it a signal, unless it has ended.
  func signal(_ number: Int32) {
    state.withLock { if $0 == nil { _ = kill(identifier, number) } }
  }

  /// Asks the child to end, and ends it by force if it has not within `patience`.
  func stop(patience: Duration = .seconds(10)) async {
    input.withLock { $0 = nil }
    let clock = ContinuousClock()
    let deadline = clock.now + patience
    while ending == nil, clock.now < deadline {
      try? await Task.sleep(for: .milliseconds(5))
    }
    signal(SIGKILL)
    await ended()
  }

  // MARK: Words

  /// Writes a line to its stdin. It waits for nobody: a child that has not read for long, or has
  /// ended, misses it.
  func tell(_ line: String) {
    input.withLock { input in
      guard let input else { return }
      let bytes = Array("\(line)\n".utf8)
      _ = bytes.withUnsafeBytes {
        send(input.number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
      }
    }
  }

  /// The first line that it writes; nil if it ends without one.
  func firstLine() async -> String? {
    for await line in lines { return line }
    return nil
  }

  /// Reading blocks, so it has a thread of its own.
  private static func read(_ descriptor: Descriptor) -> AsyncStream<String> {
    let (stream, continuation) = AsyncStream.makeStream(of: String.self)
    let thread = Thread {
      LineReader.read(descriptor.number, longest: longestLine) { continuation.yield($0) }
      continuation.finish()
    }
    thread.name = "child-output"
    thread.start()
    return stream
  }
}

/// The other end of the lifeline.
enum Lifeline {
  /// Calls `ended` when whoever started this process is gone.
  ///
  /// - Parameter line: called with each line that it writes before.
  static func watch(
    line: @escaping @Sendable (String) -> Void = { _ in }, _ ended: @escaping @Sendable () -> Void
  ) {
    let thread = Thread {
      LineReader.read(STDIN_FILENO, longest: 4096, line)
      ended()
    }
    thread.name = "lifeline"
    thread.start()
  }
}

import Foundation
import Glibc

/// A descriptor that is closed with its last reference, and that no child inherits by chance.
final class Descriptor: Sendable {
  let number: Int32
  init(_ number: Int32) { self.number = number }
  deinit { close(number) }

  /// Two ends of a local stream; either reads what the other one writes.
  ///
  /// - Throws: `CommandError` if no more files may be open.
  static func pair() throws -> (ours: Descriptor, childs: Descriptor) {
    var ends: [Int32] = [-1, -1]
    let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
      throw CommandError("no pipe: \(DataFolder.lastError)")
    }
    return (Descriptor(ends[0]), Descriptor(ends[1]))
  }
}

/// Starting a program with `posix_spawn`.
struct Spawn {
  var program: String
  var arguments: [String]
  /// Variables that it has besides ours.
  var environment: [String: String]
  var input: Int32
  var output: Int32
  var errors: Int32
  /// Other descriptors that it has, by the same numbers.
  var inherited: [Int32]

  /// - Returns: its process number.
  /// - Throws: `CommandError` with the system's words.
  func run() throws -> Int32 {
    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    // The same number twice: it stays open.
    let places: [(Int32, Int32)] =
      [(input, STDIN_FILENO), (output, STDOUT_FILENO), (errors, STDERR_FILENO)]
      + inherited.map { ($0, $0) }
    for (number, place) in places { posix_spawn_file_actions_adddup2(&actions, number, place) }
    // A process group of its own, and no signals ignored or held back because we do that.
    var (defaults, none) = (sigset_t(), sigset_t())
    sigemptyset(&defaults)
    sigemptyset(&none)
    for signal in [SIGINT, SIGTERM, SIGPIPE] { sigaddset(&defaults, signal) }
    posix_spawnattr_setsigdefault(&attributes, &defaults)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes,
      Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
    let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    var process: pid_t = 0
    let problem = Self.withStrings([program] + arguments) { arguments in
      Self.withStrings(variables.map { "\($0)=\($1)" }) { variables in
        posix_spawn(&process, program, &actions, &attributes, arguments, variables)
      }
    }
    guard problem == 0 else { throw CommandError(String(cString: strerror(problem))) }
    // A thread of a pool may have another priority (`nice`) than this process, which is its first
    // thread's.
    let which = __priority_which_t(PRIO_PROCESS.rawValue)
    setpriority(which, id_t(process), getpriority(which, id_t(getpid())))
    return process
  }

  /// Lends an array of C strings with a null at its end.
  private static func withStrings<Result>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
  ) -> Result {
    let copies = strings.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    return body(copies + [nil])
  }
}

/// Lines from a descriptor.
enum LineReader {
  /// Reads until its end, and blocks meanwhile.
  ///
  /// - Parameter longest: bytes of a line; what is over them is left out.
  static func read(_ descriptor: Int32, longest: Int, _ line: (String) -> Void) {
    var buffer = [UInt8](repeating: 0, count: 4096)
    var bytes: [UInt8] = []
    while true {
      let count = Glibc.read(descriptor, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return }
      for byte in buffer[..<count] {
        if byte == UInt8(ascii: "\n") {
          line(String(decoding: bytes, as: UTF8.self))
          bytes.removeAll(keepingCapacity: true)
        } else if bytes.count < longest {
          bytes.append(byte)
        }
      }
    }
  }
}

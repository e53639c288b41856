internal import Dispatch
internal import Glibc
internal import Logging
internal import Synchronization
internal import Wire

/// The sessions that have ended, in a file, so that their tokens are refused by the next router,
/// too: 16 bytes each, appended and flushed before a client hears that its session is finished.
///
/// The newest `RouterLimits.endedSessions` are kept; the file is written anew when it has twice as
/// many. All of it happens on a queue of its own, several ends at once.
package final class EndedSessionsFile: Sendable {
  private struct Ending {
    var digest: SessionDigest
    var done: @Sendable (RPCError?) -> Void
  }

  private struct Waiting {
    var endings: [Ending] = []
    var isScheduled = false
  }

  private struct File {
    var descriptor: Int32
    var records: Int
    /// The last ones, so that one that is told twice is written once.
    var recent: [SessionDigest] = []
    /// The last ones could not be written.
    var isFailing = false
  }

  private let path: String
  private let limit: Int
  private let flush: @Sendable (Int32) -> Bool
  private let queue = DispatchQueue(label: "rpc.ended-sessions")
  private let waiting = Mutex(Waiting())
  private let file: Mutex<File>
  private let logger = Logger(label: "rpc.sessions")

  /// Opens the file, or makes it. What a crash left of a record at its end is cut off.
  /// - Throws: `RPCError` with the system's words if that is not possible.
  package convenience init(path: String) throws(RPCError) {
    try self.init(path: path, limit: RouterLimits.endedSessions)
  }

  /// - Parameter flush: puts on the disk what was appended; false if that fails.
  init(
    path: String, limit: Int, flush: @escaping @Sendable (Int32) -> Bool = { fdatasync($0) == 0 }
  ) throws(RPCError) {
    self.path = path
    self.limit = limit
    self.flush = flush
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0o600)
    guard descriptor >= 0 else { throw Self.problem(path) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw RPCError(.failedPrecondition, "\(path) is not a file")
    }
    let records = Int(status.st_size) / SessionDigest.size
    guard ftruncate(descriptor, off_t(records * SessionDigest.size)) == 0,
      lseek(descriptor, 0, SEEK_END) >= 0
    else {
      let error = Self.problem(path)
      close(descriptor)
      throw error
    }
    file = Mutex(File(descriptor: descriptor, records: records))
  }

  deinit { file.withLock { _ = close($0.descriptor) } }

  private static func problem(_ path: String) -> RPCError {
    RPCError(.internal, "\(path): \(String(cString: strerror(errno)))")
  }

  /// Those that are kept, oldest first.
  package func load() throws(RPCError) -> [SessionDigest] {
    let bytes = file.withLock { Self.tail(of: $0, limit) }
    guard let bytes else { throw Self.problem(path) }
    return stride(from: 0, to: bytes.count, by: SessionDigest.size).map {
      SessionDigest(bytes[$0..<($0 + SessionDigest.size)])
    }
  }

  /// Keeps the end of a session. What cannot be written is not kept in mind either: whoever ends it
  /// tries again.
  /// - Parameter done: called on the file's queue once it is on the disk, or cannot be.
  package func add(
    _ session: String, _ done: @escaping @Sendable (RPCError?) -> Void = { _ in }
  ) {
    let ending = Ending(digest: SessionDigest(session), done: done)
    let isFirst = waiting.withLock { waiting in
      waiting.endings.append(ending)
      defer { waiting.isScheduled = true }
      return !waiting.isScheduled
    }
    if isFirst { queue.async { self.write() } }
  }

  /// Writes all that wait, with one flush.
  private func write() {
    let endings = waiting.withLock { waiting in
      waiting.isScheduled = false
      defer { waiting.endings = [] }
      return waiting.endings
    }
    let error = file.withLock { file -> RPCError? in
      let fresh = endings.map(\.digest).filter { !file.recent.contains($0) }
      guard !fresh.isEmpty else { return nil }
      let start = off_t(file.records * SessionDigest.size)
      guard Self.append(fresh.flatMap(\.bytes), to: file.descriptor),
        flush(file.descriptor)
      else {
        let error = Self.problem(path)
        // What got there of it must not stand before the next one.
        _ = ftruncate(file.descriptor, start)
        _ = lseek(file.descriptor, start, SEEK_SET)
        if !file.isFailing {
          logger.error("sessions cannot end, as that cannot be recorded: \(error)")
        }
        file.isFailing = true
        return error
      }
      file.isFailing = false
      file.records += fresh.count
      file.recent = Array((file.recent + fresh).suffix(64))
      if file.records >= 2 * limit { shorten(&file) }
      return nil
    }
    for ending in endings { ending.done(error) }
  }

  /// Writes the newest ones into a new file in the place of this one. Where that fails the old one
  /// goes on growing; the next end tries again.
  private func shorten(_ file: inout File) {
    guard let bytes = Self.tail(of: file, limit) else { return }
    let scratch = path + ".new"
    let descriptor = open(scratch, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { return }
    guard Self.append(bytes, to: descriptor), fsync(descriptor) == 0, rename(scratch, path) == 0
    else {
      close(descriptor)
      unlink(scratch)
      return
    }
    close(file.descriptor)
    file.descriptor = descriptor
    file.records = bytes.count / SessionDigest.size
  }

  private static func append(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes {
        Glibc.write(descriptor, $0.baseAddress, $0.count)
      }
      guard count > 0 || (count < 0 && errno == EINTR) else { return false }
      written += max(0, count)
    }
    return true
  }

  /// The bytes of the last records.
  private static func tail(of file: File, _ limit: Int) -> [UInt8]? {
    let count = min(file.records, limit) * SessionDigest.size
    let start = file.records * SessionDigest.size - count
    var bytes = [UInt8](repeating: 0, count: count)
    var read = 0
    while read < count {
      let got = bytes[read...].withUnsafeMutableBytes {
        pread(file.descriptor, $0.baseAddress, $0.count, off_t(start + read))
      }
      guard got > 0 || (got < 0 && errno == EINTR) else { return nil }
      read += max(0, got)
    }
    return bytes
  }
}

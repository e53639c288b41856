import Checkpoints
import Dispatch
import Engine
import Foundation
import Logging
import RPC
import Synchronization

/// The sessions that are recorded, and whose they are. The records are on disk and outlive this
/// process; here is what finds them.
///
/// Whoever opens sessions pays for their records: these take a share of `limit`, and one that does not
/// fit, or cannot be written, is left out, with a warning to its client. The session serves as any other.
final class SessionRegister: Sendable {
  /// A session that has a record.
  struct Entry {
    let id: String
    var tenant: String
    var created: UInt64
    var bytes: Int
  }

  private struct State {
    var entries: [String: Entry] = [:]
    /// By tenant.
    var bytes: [String: Int] = [:]
    var allBytes = 0

    mutating func add(_ entry: Entry) {
      remove(entry.id)
      entries[entry.id] = entry
      bytes[entry.tenant, default: 0] += entry.bytes
      allBytes += entry.bytes
    }

    mutating func remove(_ id: String) {
      guard let entry = entries.removeValue(forKey: id) else { return }
      let rest = (bytes[entry.tenant] ?? 0) - entry.bytes
      bytes[entry.tenant] = rest > 0 ? rest : nil
      allBytes -= entry.bytes
    }
  }

  /// Bytes of all records together.
  private static let limit = 1 << 30
  /// What a record takes at least, with its folder.
  private static let leastBytes = 8 << 10

  let records: SessionRecords
  private let limit: Int
  private let folders: SessionFolders
  private let log = Logger(label: "tinsmith.sessions")
  /// Reads and writes files, so that neither the keeper's loop nor the catalog waits for it.
  private let queue = DispatchQueue(label: "tinsmith.sessions")
  private let state = Mutex(State())
  /// What an earlier process recorded is read.
  private let loading = DispatchGroup()

  /// Begins to read what there is.
  init(dataFolder: String, storage: any Storage, limit: Int = SessionRegister.limit) {
    records = SessionRecords(dataFolder: dataFolder, storage: storage)
    folders = SessionFolders(dataFolder: dataFolder, storage: storage)
    self.limit = limit
    queue.async(group: loading) { [self] in
      for id in folders.sessions() {
        guard let record = records.session(id), let data = try? SealedManifest(record).encoded()
        else { continue }
        state.withLock { $0.add(Self.entry(record, bytes: data.count)) }
      }
    }
  }

  private static func entry(_ record: SessionRecords.Session, bytes: Int) -> Entry {
    Entry(
      id: record.id, tenant: record.tenant, created: record.createdUnixMilliseconds,
      bytes: max(bytes, leastBytes))
  }

  /// Records a session.
  /// - Parameter done: called with why it is not, if so.
  func add(_ record: SessionRecords.Session, _ done: @escaping @Sendable (String?) -> Void) {
    queue.async { [self] in
      do {
        let entry = Self.entry(record, bytes: try SealedManifest(record).encoded().count)
        let fits = state.withLock { state in
          Share.allows(
            entry.bytes, holder: 0, tenant: state.bytes[entry.tenant] ?? 0, all: state.allBytes,
            of: limit)
        }
        guard fits else {
          return done("there are too many sessions to keep a record of this one")
        }
        try records.write(record)
        state.withLock { $0.add(entry) }
        done(nil)
      } catch {
        log.info("session \(record.id) is not recorded: \(error)")
        done("it cannot be recorded: \(RPCError.from(error).message)")
      }
    }
  }

  /// Forgets a session, at once, and removes its record.
  func ended(_ id: String) {
    state.withLock { $0.remove(id) }
    queue.async { [self] in
      // It may have been read meanwhile.
      state.withLock { $0.remove(id) }
      folders.removeRecords(of: id)
    }
  }

  /// A tenant's sessions, newest first.
  func sessions(of tenant: String) -> [Entry] {
    loaded().values.filter { $0.tenant == tenant }.sorted {
      ($0.created, $0.id) > ($1.created, $1.id)
    }
  }

  /// Whether a tenant has this session.
  func has(_ id: String, of tenant: String) -> Bool { loaded()[id]?.tenant == tenant }

  private func loaded() -> [String: Entry] {
    loading.wait()
    return state.withLock { $0.entries }
  }
}

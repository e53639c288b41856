internal import Foundation

/// Where a router listens. The one that is started after it listens there, too, so what was left to
/// chance the first time (port `*`) is not found anew.
package struct RouterAddresses: Codable, Sendable, Equatable {
  /// For clients.
  package var clients: String
  /// For workers of other hosts.
  package var remoteWorkers: String?
  /// For metrics, as `ADDRESS:PORT`.
  package var metrics: String?

  package init(clients: String, remoteWorkers: String? = nil, metrics: String? = nil) {
    self.clients = clients
    self.remoteWorkers = remoteWorkers
    self.metrics = metrics
  }
}

/// What a router tells its supervisor (and a worker, why it ends): a line of JSON on its stdout.
///
/// Both are the same program, so there are no versions.
package enum RouterLine: Codable, Sendable, Equatable {
  /// It ends because of this; nothing else will say so.
  case failed(String)
  /// It listens.
  case listens(RouterAddresses)
  /// Its loop turns, and these of the supervisor's workers are registered. At least every second or
  /// so.
  case alive(workers: [String])
  /// A worker is connected and gets nothing done.
  case stalled(worker: String, reason: String)
  /// The end of a worker is known from now on, so that another process may take its name.
  case noted(worker: String)
}

/// What a supervisor tells its router: a line of JSON on the router's stdin.
package enum SupervisorLine: Codable, Sendable, Equatable {
  /// A worker process has ended; if it crashed, what it worked on is suspected of it.
  case ended(worker: String, crashed: Bool)
}

/// Both sides' lines as text.
package enum SupervisionText {
  /// One line, without its end.
  package static func encode(_ line: some Encodable) -> String {
    // These types have nothing that JSON cannot hold.
    guard let data = try? JSONEncoder().encode(line) else { return "" }
    return String(decoding: data, as: UTF8.self)
  }

  /// Nil for what is no such line.
  package static func decode<Line: Decodable>(_ text: String, as: Line.Type) -> Line? {
    try? JSONDecoder().decode(Line.self, from: Data(text.utf8))
  }
}

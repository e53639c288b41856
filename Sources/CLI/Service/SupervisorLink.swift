import ArgumentParser
import Foundation
import Operations
import RPC

/// What a router that `tinsmith serve` has started and its supervisor say to each other, in lines
/// over the router's stdin and stdout.
final class SupervisorLink: Sendable {
  private let router: RouterServer
  /// The supervisor's workers.
  private let workers: [String]

  /// - Parameter workers: how many the supervisor starts.
  init(_ router: RouterServer, workers: Int) {
    self.router = router
    self.workers = (0..<workers).map(Supervision.name)
  }

  /// Says where the router listens, and from then on that it lives.
  func start(_ addresses: RouterAddresses) {
    Self.say(.listens(addresses))
    let thread = Thread { [self] in
      var last: UInt64 = 0
      while true {
        // Each report is a sign of life of the router's loop, not only of this thread.
        let count = router.publications
        if count != last {
          last = count
          let report = router.report
          Self.say(.alive(workers: workers.filter { report["worker.\($0).streams"] != nil }))
        }
        for (worker, reason) in router.takeStalledWorkers() {
          Self.say(.stalled(worker: worker, reason: reason))
        }
        Thread.sleep(forTimeInterval: 0.02)
      }
    }
    thread.name = "supervisor-link"
    thread.start()
  }

  /// Does what a line of the supervisor says.
  func obey(_ text: String) {
    guard let line = SupervisionText.decode(text, as: SupervisorLine.self) else { return }
    switch line {
    case .ended(let worker, let crashed):
      router.workerEnded(name: worker, crashed: crashed)
      Self.say(.noted(worker: worker))
    }
  }

  /// Runs a process of a supervisor, which tells its user why it failed if it does: in one place, and
  /// not once for each of them.
  static func sayingWhy(_ isSupervised: Bool, _ body: () async throws -> Void) async throws {
    do {
      try await body()
    } catch {
      guard isSupervised else { throw error }
      say(.failed("\(error)"))
      throw ExitCode.failure
    }
  }

  /// One call per line, which the system keeps in one piece.
  private static func say(_ line: RouterLine) { Terminal.say(SupervisionText.encode(line)) }
}

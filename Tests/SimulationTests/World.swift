import DequeModule
import HeapModule
import Logging
import TestSupport
import Wire
import ZeroMQ

@testable import RPC

extension Payload {
  init(text: String) { self.init(body: Bytes(Array(text.utf8))) }

  var text: String { String(decoding: body.array, as: UTF8.self) }
}

/// One schedule: clients, a router with its keeper, and workers, as their real state machines, over
/// simulated connections, disks, computing and time. Everything that happens follows from the seed.
///
/// `@unchecked Sendable`: one thread runs it; only the closures that the code under test takes ask
/// for it.
final class World: @unchecked Sendable {
  /// When the last fault is over, in milliseconds, and how long everything may take after that.
  static let faultsEnd: UInt64 = 5000
  static let patience: UInt64 = 120_000
  static let silent = Logger(label: "simulation") { _ in SwiftLogNoOpLogHandler() }

  private struct Event: Comparable {
    let time: UInt64
    let number: UInt64
    let body: (World) -> Void

    static func == (left: Self, right: Self) -> Bool { left.number == right.number }
    static func < (left: Self, right: Self) -> Bool {
      (left.time, left.number) < (right.time, right.number)
    }
  }

  let seed: UInt64
  let isTraced: Bool
  private(set) var random: SplitMix
  private(set) var now: UInt64 = 1000
  private var events = Heap<Event>()
  private var eventCount: UInt64 = 0

  var weather = Weather()
  /// Workers that are killed soon after they were given a model, so many of the next ones.
  var killsAtOpen = 0
  let router: SimulatedRouter
  var clients: [SimulatedClient] = []
  /// The worker processes of now, by number.
  var processes: [SimulatedProcess] = []
  private var connections: [ConnectionID: Connection] = [:]
  private var madeConnections: [Connection] = []
  private var lastConnection: UInt64 = 0
  private var disks: [String: Disk] = [:]
  private var incarnations: UInt64 = 0

  /// What went wrong, in words.
  private(set) var problems: [String] = []
  /// FNV-1a over everything that was delivered: the same for the same seed.
  private(set) var fingerprint: UInt64 = 0xcbf2_9ce4_8422_2325

  init(seed: UInt64, isTraced: Bool = false) {
    self.seed = seed
    self.isTraced = isTraced
    random = SplitMix(seed: seed)
    router = SimulatedRouter(isSupervised: seed % 2 == 0, window: seed % 3 == 0 ? 5 : 256)
    router.start(in: self)
    for number in 0..<(2 + Int(seed / 3 % 2)) {
      processes.append(SimulatedProcess(number, incarnation: nextIncarnation(), in: self))
    }
    for number in 0..<(1 + Int(seed / 5 % 2)) {
      clients.append(SimulatedClient(number, in: self))
    }
    Faults.plan(in: self)
  }

  // MARK: Running

  /// Runs until everything is answered and has come to rest, or for too long.
  func run() {
    // Connections and their ends hold each other.
    defer { for connection in madeConnections { connection.end.disconnect() } }
    var restsAt: UInt64?
    while problems.isEmpty, let event = events.popMin() {
      now = max(now, event.time)
      event.body(self)
      if restsAt == nil, now > Self.faultsEnd, clients.allSatisfy(\.isDone) {
        restsAt = now + 3000
      }
      if let restsAt, now >= restsAt { break }
      if now > Self.faultsEnd + Self.patience { break }
    }
    guard problems.isEmpty else { return }
    for client in clients { client.check(in: self) }
    if problems.isEmpty { router.check(in: self) }
    for process in processes where problems.isEmpty { process.check(in: self) }
    for (stream, disk) in disks.sorted(by: { $0.key < $1.key }) where problems.isEmpty {
      disk.check(stream, in: self)
    }
  }

  func after(_ delay: UInt64, _ body: @escaping (World) -> Void) {
    eventCount += 1
    events.insert(Event(time: now + delay, number: eventCount, body: body))
  }

  func problem(_ text: String) {
    problems.append("at \(now) ms: \(text)")
    trace("PROBLEM \(text)")
  }

  func trace(_ text: @autoclosure () -> String) {
    if isTraced { print("\(now) \(text())") }
  }

  // MARK: Chance

  func chance(_ percent: Int) -> Bool {
    percent > 0 && Int.random(in: 0..<100, using: &random) < percent
  }

  func draw(_ range: ClosedRange<UInt64>) -> UInt64 { UInt64.random(in: range, using: &random) }
  func draw(below limit: Int) -> Int { Int.random(in: 0..<limit, using: &random) }

  func nextIncarnation() -> UInt64 {
    incarnations += 1
    return incarnations
  }

  // MARK: Connections

  func connect(_ end: any Connected) -> Connection {
    lastConnection += 1
    let connection = Connection(ConnectionID(lastConnection), end)
    connections[connection.id] = connection
    madeConnections.append(connection)
    return connection
  }

  func connection(_ id: ConnectionID) -> Connection? {
    guard let connection = connections[id], connection.isUp else { return nil }
    return connection
  }

  var upConnections: [Connection] {
    connections.values.filter(\.isUp).sorted { $0.id.number < $1.id.number }
  }

  /// The connection is gone, with what is under way on it.
  /// - Parameter isLate: what was said to the router before still arrives.
  func cut(_ connection: Connection, isLate: Bool = false) {
    guard connection.isUp else { return }
    trace("cut \(connection.id.number) of \(connection.end.name)\(isLate ? ", late words" : "")")
    connection.isUp = false
    connection.toEnd.removeAll()
    if !isLate { connection.toRouter.removeAll() }
    connections[connection.id] = isLate ? connection : nil
  }

  /// - Returns: false when the connection takes no more now.
  func send(_ message: Message, on connection: Connection, toRouter: Bool) -> Bool {
    // What is sent before the break is noticed is lost.
    guard connection.isUp else { return true }
    let waiting = toRouter ? connection.toRouter.count : connection.toEnd.count
    // The keeper is in the router's process.
    let isInProcess = connection.end.isInRouter
    guard waiting < weather.capacity || isInProcess else { return false }
    if !isInProcess, chance(weather.lossPercent) {
      trace("lost \(message.summary) \(toRouter ? "from" : "to") \(connection.end.name)")
      return true
    }
    let delay = draw(0...weather.latency)
    let time: UInt64
    if toRouter {
      time = max(connection.routerTime, now + delay)
      connection.routerTime = time
      connection.toRouter.append(message)
    } else {
      time = max(connection.endTime, now + delay)
      connection.endTime = time
      connection.toEnd.append(message)
    }
    after(time - now) { world in
      if toRouter { world.deliverToRouter(connection) } else { world.deliver(connection) }
    }
    return true
  }

  private func deliverToRouter(_ connection: Connection) {
    guard let message = connection.toRouter.popFirst() else { return }
    note(message, from: connection, "→ router")
    router.receive(message, from: connection, in: self)
  }

  private func deliver(_ connection: Connection) {
    guard connection.isUp, !connection.toEnd.isEmpty else { return }
    if let wakes = connection.end.stoppedUntil, wakes > now {
      return after(wakes - now) { $0.deliver(connection) }
    }
    guard let message = connection.toEnd.popFirst() else { return }
    note(message, from: connection, "← router")
    connection.end.receive(message, in: self)
  }

  private func note(_ message: Message, from connection: Connection, _ direction: String) {
    for byte in message.first {
      fingerprint = (fingerprint ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
    }
    fingerprint = (fingerprint ^ now) &* 0x0000_0100_0000_01b3
    trace("\(connection.end.name) #\(connection.id.number) \(direction): \(message.summary)")
  }

  /// A worker is asked to open a stream.
  func isOpening(at target: ConnectionID) {
    guard killsAtOpen > 0, let process = connection(target)?.end as? SimulatedProcess,
      let number = process.number
    else { return }
    killsAtOpen -= 1
    after(draw(0...150)) { world in
      guard world.processes[number] === process else { return }
      Faults.kill(number, in: world)
    }
  }

  // MARK: Disks

  func disk(_ stream: String) -> Disk {
    if let disk = disks[stream] { return disk }
    let disk = Disk()
    disks[stream] = disk
    return disk
  }
}

/// What of the network and the disks differs from one moment to the next.
struct Weather {
  /// Messages that a connection takes before it is full.
  var capacity = Int.max
  /// Milliseconds of a message's way at most.
  var latency: UInt64 = 3
  /// Messages that are lost although their connection stays: no network does that to TCP, but every
  /// message may be one that a bug forgets.
  var lossPercent = 0
  /// Milliseconds of a commit at most.
  var disk: UInt64 = 5
  /// Commits that fail.
  var diskFailures = 0
}

/// A message on its way: its first two frames' meaning.
struct Message {
  /// A header, or empty for a control message.
  var header: [UInt8]
  var control: [UInt8] = []
  var payload = Payload.empty

  var first: [UInt8] { header.isEmpty ? control : header }

  var summary: String {
    if header.isEmpty {
      if let worker = control.withUnsafeBytes({ try? WorkerMessage(decoding: $0) }),
        let router = control.withUnsafeBytes({ try? RouterMessage(decoding: $0) })
      {
        return "control \(worker) | \(router)"
      }
      return "control \(control.count) bytes"
    }
    if let request = header.withUnsafeBytes({ try? RequestPeek($0) }), request.version > 0,
      let method = request.method
    {
      let stream = String(decoding: request.stream, as: UTF8.self)
      return "\(method) \(stream) \(request.seq) acked \(request.acked)"
    }
    if let answer = header.withUnsafeBytes({ try? ResponseHeader(decoding: $0) }) {
      return "\(answer.event) \(answer.stream) \(answer.seq) \(answer.code) epoch \(answer.epoch) "
        + "\(answer.message) \(payload.text)"
    }
    return "?"
  }
}

/// Whoever is connected to the router.
protocol Connected: AnyObject {
  var name: String { get }
  /// It runs in the router's process, where nothing is lost.
  var isInRouter: Bool { get }
  /// Its process does not run before this time.
  var stoppedUntil: UInt64? { get }
  func receive(_ message: Message, in world: World)
  /// Forgets its connection.
  func disconnect()
}

/// A connection: messages arrive in order, or not at all.
final class Connection {
  let id: ConnectionID
  let end: any Connected
  var isUp = true
  var toRouter = Deque<Message>()
  var toEnd = Deque<Message>()
  var routerTime: UInt64 = 0
  var endTime: UInt64 = 0

  init(_ id: ConnectionID, _ end: any Connected) {
    self.id = id
    self.end = end
  }
}

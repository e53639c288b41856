import Wire

@testable import RPC

/// What is durable of one model. Modelled after `Journal`: a new owner seals what is there and begins
/// a segment of its epoch; what an owner before it writes later is durable and does not count.
final class Disk {
  struct Record {
    let seq: UInt64
    let payload: Payload
    let digest: PayloadDigest?
    let outcome: Outcome
    let ran: Bool
  }

  /// The last owner's.
  var epoch: UInt64 = 0
  /// Requests with outcomes, of all owners in turn.
  private(set) var records: [Record] = []

  func append(_ record: Record, _ stream: String, in world: World) {
    guard record.seq == UInt64(records.count) else {
      return world.problem("seq \(record.seq) of \(stream) is recorded behind \(records.count)")
    }
    records.append(record)
  }

  /// Every request ran once.
  func check(_ stream: String, in world: World) {
    for record in records where !record.ran || record.outcome.error != nil {
      world.problem("seq \(record.seq) of \(stream) ended with \(record.outcome)")
    }
  }
}

/// The journal of a worker process over the disks of all.
final class SimulatedJournal: StreamJournal, @unchecked Sendable {
  /// A segment that this process writes.
  private final class Segment {
    let epoch: UInt64
    /// Requests that were admitted and are written with the next outcome.
    var admitted: [UInt64: AdmittedRequest] = [:]
    var hasFailed = false

    init(epoch: UInt64) { self.epoch = epoch }
  }

  private let compute: Compute
  private let control: ServiceControl
  private unowned let world: World
  private var owned: [String: Segment] = [:]
  /// When the writer's thread is done with what it has.
  private var writtenAt: UInt64 = 0
  private var openedAt: UInt64 = 0

  init(_ compute: Compute, _ control: ServiceControl, _ world: World) {
    self.compute = compute
    self.control = control
    self.world = world
  }

  func open(_ stream: String, epoch: UInt64, done: @escaping @Sendable (OpenedLog) -> Void) {
    // One after another.
    openedAt = max(openedAt, world.now + world.draw(0...4 * world.weather.disk))
    later(openedAt) { [self] world in take(stream, epoch, done, in: world) }
  }

  private func take(
    _ stream: String, _ epoch: UInt64, _ done: @escaping @Sendable (OpenedLog) -> Void,
    in world: World
  ) {
    let disk = world.disk(stream)
    guard epoch > disk.epoch else {
      done(.unavailable(RPCError(.aborted, "epoch \(epoch) is not above \(disk.epoch)")))
      compute.process?.turn(in: world)
      return
    }
    disk.epoch = epoch
    owned[stream] = Segment(epoch: epoch)
    let records = disk.records
    guard !records.isEmpty else {
      done(.log(StreamLog()))
      compute.process?.turn(in: world)
      return
    }
    world.trace("\(compute.process?.name ?? "?") takes over \(stream) before \(records.count)")
    var log = StreamLog(nextSeq: UInt64(records.count))
    for record in records {
      log.restore(seq: record.seq, digest: record.digest, outcome: record.outcome)
    }
    let opened = OpenedLog.log(log)
    compute.add(.recover(stream, records, done: { done(opened) }))
  }

  func admitted(_ request: AdmittedRequest) {
    guard let segment = owned[request.stream], segment.epoch == request.epoch else { return }
    segment.admitted[request.seq] = request
  }

  func finished(
    _ stream: String, epoch: UInt64, seq: UInt64, _ outcome: Outcome, ran: Bool,
    durable: @escaping @Sendable () -> Void
  ) {
    guard let segment = owned[stream], segment.epoch == epoch else { return }
    guard let request = segment.admitted.removeValue(forKey: seq) else {
      return world.problem("seq \(seq) of \(stream) ends and was not admitted")
    }
    let record = Disk.Record(
      seq: seq, payload: request.payload, digest: request.digest, outcome: outcome, ran: ran)
    writtenAt = max(writtenAt, world.now + world.draw(0...world.weather.disk))
    let fails = world.chance(world.weather.diskFailures)
    world.after(writtenAt - world.now) { [weak self] world in
      self?.write(record, stream, segment, fails: fails, durable, in: world)
    }
  }

  private func write(
    _ record: Disk.Record, _ stream: String, _ segment: Segment, fails: Bool,
    _ durable: @escaping @Sendable () -> Void, in world: World
  ) {
    let disk = world.disk(stream)
    guard let process = compute.process, process.isAlive else {
      // The process ended while this was being written. It may have come to the disk all the same.
      if !segment.hasFailed, segment.epoch == disk.epoch, world.chance(40) {
        disk.append(record, stream, in: world)
      } else {
        segment.hasFailed = true
      }
      return
    }
    if let wakes = process.stoppedUntil, wakes > world.now {
      return world.after(wakes - world.now) { [weak self] world in
        self?.write(record, stream, segment, fails: fails, durable, in: world)
      }
    }
    if fails || segment.hasFailed {
      segment.hasFailed = true
      guard owned[stream] === segment else { return }
      owned[stream] = nil
      world.trace("\(process.name) cannot write \(stream)")
      control.outbox.push(
        .closed(stream, epoch: segment.epoch, RPCError(.resourceExhausted, "the disk is full")))
    } else {
      if segment.epoch == disk.epoch { disk.append(record, stream, in: world) }
      durable()
    }
    process.turn(in: world)
  }

  func closed(_ stream: String) { owned[stream] = nil }

  func isCurrent(_ stream: String, epoch: UInt64) -> Bool { world.disk(stream).epoch <= epoch }

  /// Something that this process does at a time, if it is there then.
  private func later(_ time: UInt64, _ body: @escaping (World) -> Void) {
    world.after(max(time, world.now) - world.now) { [weak self] world in
      guard let self, let process = compute.process, process.isAlive else { return }
      if let wakes = process.stoppedUntil, wakes > world.now { return later(wakes, body) }
      body(world)
    }
  }
}

import Engine
import Journal
import Wire

@testable import RPC
@testable import Trainer

/// What is durable of one model: the records of all its owners in turn. A new owner seals what is
/// there; what an owner before it writes later is durable and does not count.
final class Disk {
  /// The last owner's.
  var epoch: UInt64 = 0
  private(set) var records: [JournalRecord] = []

  func append(_ block: [JournalRecord]) { records += block }

  /// Who takes over goes by this.
  func plan() throws(EngineError) -> ReplayPlan {
    try ReplayPlan(records, from: 0, keeping: StreamLog.maximumAnswers)
  }

  /// Whether each request ran, by its seq.
  var ran: [UInt64: Bool] {
    let steps = (try? plan().steps) ?? []
    return Dictionary(uniqueKeysWithValues: steps.map { ($0.request.seq, $0.outcome?.ran == true) })
  }

  /// Every request ran once, or did not because its client no longer wanted it.
  func check(_ stream: String, in world: World) {
    let steps: [ReplayPlan.Step]
    do { steps = try plan().steps } catch { return world.problem("\(stream): \(error)") }
    for step in steps {
      let code = step.outcome.map { Outcome($0).code }
      let isRight =
        step.outcome?.ran == true ? code == .ok : code == .cancelled || code == .deadlineExceeded
      guard !isRight else { continue }
      world.problem("seq \(step.request.seq) of \(stream) ended with \(String(describing: code))")
    }
  }
}

/// The journal of a worker process over the disks of all: what is written, in which order, and what
/// it means to who reads it are the service's own (`StreamRecords`, `ReplayPlan`); files, the
/// writer's thread and the chain of segments are modelled.
final class SimulatedJournal: StreamJournal, @unchecked Sendable {
  /// What this process writes of a stream.
  private final class Segment {
    let epoch: UInt64
    var records: StreamRecords
    var durable: [UInt64: @Sendable () -> Void] = [:]
    var hasFailed = false

    init(epoch: UInt64, _ records: StreamRecords) {
      self.epoch = epoch
      self.records = records
    }
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
    let plan: ReplayPlan
    do { plan = try disk.plan() } catch { return world.problem("\(stream): \(error)") }
    disk.epoch = epoch
    let records = StreamRecords(nextSeq: plan.nextSeq, answers: plan.answers)
    owned[stream] = Segment(epoch: epoch, records)
    guard plan.nextSeq > 0 else {
      done(.log(StreamLog()))
      compute.process?.turn(in: world)
      return
    }
    // A new segment begins with what clients may ask for.
    disk.append(records.carried)
    world.trace("\(compute.process?.name ?? "?") takes over \(stream) before \(plan.nextSeq)")
    let opened = OpenedLog.log(StreamLog(plan))
    compute.add(.recover(stream, plan, done: { done(opened) }))
  }

  func admitted(_ request: AdmittedRequest) {
    guard let segment = owned[request.stream], segment.epoch == request.epoch else { return }
    segment.records.admitted(JournalRecord.Request(request), acked: request.acked)
  }

  func finished(
    _ stream: String, epoch: UInt64, seq: UInt64, _ outcome: Outcome, ran: Bool,
    durable: @escaping @Sendable () -> Void
  ) {
    guard let segment = owned[stream], segment.epoch == epoch else { return }
    segment.durable[seq] = durable
    var block: [JournalRecord] = []
    for record in segment.records.finished(JournalRecord.Outcome(seq: seq, outcome, ran: ran)) {
      block.append(record)
      guard case .outcome(let outcome) = record else { continue }
      commit(block, segment.durable.removeValue(forKey: outcome.seq), stream, segment)
      block = []
    }
  }

  private func commit(
    _ block: [JournalRecord], _ durable: (@Sendable () -> Void)?, _ stream: String,
    _ segment: Segment
  ) {
    writtenAt = max(writtenAt, world.now + world.draw(0...world.weather.disk))
    let fails = world.chance(world.weather.diskFailures)
    world.after(writtenAt - world.now) { [weak self] world in
      self?.write(block, stream, segment, fails: fails, durable, in: world)
    }
  }

  private func write(
    _ block: [JournalRecord], _ stream: String, _ segment: Segment, fails: Bool,
    _ durable: (@Sendable () -> Void)?, in world: World
  ) {
    let disk = world.disk(stream)
    guard let process = compute.process, process.isAlive else {
      // The process ended while this was being written. It may have come to the disk all the same.
      if !segment.hasFailed, segment.epoch == disk.epoch, world.chance(40) {
        disk.append(block)
      } else {
        segment.hasFailed = true
      }
      return
    }
    if let wakes = process.stoppedUntil, wakes > world.now {
      return world.after(wakes - world.now) { [weak self] world in
        self?.write(block, stream, segment, fails: fails, durable, in: world)
      }
    }
    // Whoever has taken over did not read this: nobody may be told of it.
    let isReplaced = segment.epoch != disk.epoch
    if fails || segment.hasFailed || isReplaced {
      segment.hasFailed = true
      guard owned[stream] === segment else { return }
      owned[stream] = nil
      world.trace("\(process.name) cannot write \(stream)")
      let error =
        isReplaced
        ? RPCError(.unavailable, "another owner has taken over")
        : RPCError(.resourceExhausted, "the disk is full")
      control.outbox.push(.closed(stream, epoch: segment.epoch, error))
    } else {
      disk.append(block)
      durable?()
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

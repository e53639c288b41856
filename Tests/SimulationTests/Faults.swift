import Wire

@testable import RPC

/// What goes wrong in a schedule, and when.
enum Faults {
  static func plan(in world: World) {
    for _ in 0..<(1 + world.draw(below: 6)) {
      let time = world.draw(0...World.faultsEnd - 2500)
      world.after(time) { cause(in: $0) }
    }
    world.after(World.faultsEnd - world.now) { world in
      world.trace("the faults are over")
      world.weather = Weather()
    }
  }

  private static func cause(in world: World) {
    switch world.draw(below: 14) {
    case 0, 1: kill(world.draw(below: world.processes.count), in: world)
    case 2:
      // One that was just given a model, and the next one, too: takeovers in a row.
      world.killsAtOpen += 1 + world.draw(below: 2)
    case 3: world.processes.randomAlive(in: world)?.stop(for: world.draw(200...6000), in: world)
    case 4: breakClient(in: world)
    case 5, 6: breakWorker(in: world)
    case 7: world.router.start(in: world)
    case 8:
      during(world.draw(100...1500), in: world) {
        $0.lossPercent = 8
      } end: {
        $0.lossPercent = 0
      }
    case 9:
      during(world.draw(100...1500), in: world) {
        $0.disk = 400
      } end: {
        $0.disk = 5
      }
    case 10:
      during(world.draw(50...800), in: world) {
        $0.capacity = 2
      } end: {
        $0.capacity = .max
      }
    case 11:
      during(world.draw(50...500), in: world) {
        $0.latency = 200
      } end: {
        $0.latency = 3
      }
    case 12:
      during(world.draw(50...500), in: world) {
        $0.diskFailures = 20
      } end: {
        $0.diskFailures = 0
      }
    default: replaceStopped(in: world)
    }
  }

  private static func during(
    _ milliseconds: UInt64, in world: World, _ begin: (inout Weather) -> Void,
    end: @escaping (inout Weather) -> Void
  ) {
    begin(&world.weather)
    world.after(milliseconds) { end(&$0.weather) }
  }

  /// The process ends; whoever watches it sees that, and starts another one.
  static func kill(_ number: Int, in world: World, isCrash: Bool? = nil) {
    let process = world.processes[number]
    guard process.isAlive else { return }
    process.kill(in: world)
    let crashed = isCrash ?? world.chance(30)
    if world.chance(50), let connection = process.connection {
      world.router.lost(connection, in: world)
    }
    world.after(world.draw(0...100)) { world in
      if world.router.isSupervised {
        world.router.workerEnded(process.name, crashed: crashed, in: world)
      }
      world.after(world.draw(20...1000)) { world in
        world.processes[number] = SimulatedProcess(
          number, incarnation: world.nextIncarnation(), in: world)
      }
    }
  }

  private static func breakClient(in world: World) {
    let client = world.clients[world.draw(below: world.clients.count)]
    guard let connection = client.connection else { return }
    if world.chance(40) { return client.reconnectSilently(in: world) }
    world.cut(connection, isLate: world.chance(30))
    if world.chance(50) { world.router.lost(connection, in: world) }
    client.connectionBroke(connection, in: world)
  }

  private static func breakWorker(in world: World) {
    guard let process = world.processes.randomAlive(in: world),
      let connection = process.connection
    else { return }
    if world.chance(40) { return process.reconnectSilently(in: world) }
    world.cut(connection, isLate: world.chance(30))
    process.connectionBroke(connection, in: world)
  }

  /// A worker is taken for dead while it is only stopped: others get its models, and it comes back.
  private static func replaceStopped(in world: World) {
    guard let process = world.processes.randomAlive(in: world) else { return }
    process.stop(for: world.draw(300...4000), in: world)
    world.after(world.draw(10...200)) { world in
      if world.chance(50) {
        world.router.workerEnded(process.name, crashed: false, in: world)
      } else if let connection = process.connection {
        world.router.lost(connection, in: world)
      }
    }
  }
}

extension [SimulatedProcess] {
  func randomAlive(in world: World) -> SimulatedProcess? {
    let alive = filter(\.isAlive)
    return alive.isEmpty ? nil : alive[world.draw(below: alive.count)]
  }
}

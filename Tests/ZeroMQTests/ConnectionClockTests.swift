import Testing

@testable import ZeroMQ

/// What time means for a connection, as tables of what happens when.
struct ConnectionClockTests {
  private static let limits: ListenerLimits = {
    var limits = ListenerLimits()
    limits.handshake = 100
    limits.untrustedIdle = 1000
    limits.idle = 10_000
    limits.wholeMessage = 5000
    limits.progressWindow = 200
    limits.minimumRate = 1000
    limits.pressedWindow = 20
    limits.pressedRate = 10_000
    return limits
  }()

  private func judge(
    _ clock: inout ConnectionClock, _ now: UInt64, trusted: Bool = false, pressed: Bool = false,
    delivered: Int = 0
  ) -> CloseReason? {
    clock.judge(
      now, Self.limits, isTrusted: trusted, isPressed: pressed, delivered: delivered)
  }

  private func open() -> ConnectionClock {
    var clock = ConnectionClock(now: 0)
    clock.handshakeEnded()
    return clock
  }

  @Test func aHandshakeEndsInTime() {
    var clock = ConnectionClock(now: 0)
    // Bytes do not help: a greeting may come one by one.
    clock.heard(1, isMidMessage: true, finished: false, 90)
    #expect(judge(&clock, 99) == nil)
    #expect(judge(&clock, 100) == .handshake)
  }

  @Test func silenceEndsAConnection() {
    var clock = open()
    clock.heard(10, isMidMessage: false, finished: true, 500)
    #expect(judge(&clock, 1499) == nil)
    #expect(judge(&clock, 1500) == .idle)
    #expect(judge(&clock, 1500, trusted: true) == nil)
    #expect(judge(&clock, 10_500, trusted: true) == .idle)
  }

  @Test func anUnfinishedMessageMustGetOn() {
    var clock = open()
    clock.heard(1, isMidMessage: true, finished: false, 0)
    #expect(judge(&clock, 199) == nil)
    #expect(judge(&clock, 200) == .unfinished)
    // 200 bytes in 200 ms are enough, each time.
    clock = open()
    for time in stride(from: UInt64(0), to: 4900, by: 100) {
      clock.heard(100, isMidMessage: true, finished: false, time)
      #expect(judge(&clock, time + 99) == nil)
    }
    // But not for ever.
    clock.heard(1_000_000, isMidMessage: true, finished: false, 4990)
    #expect(judge(&clock, 5000) == .unfinished)
  }

  @Test func oneMessageAfterAnotherIsNoLongMessage() {
    var clock = open()
    for time in stride(from: UInt64(0), to: 20_000, by: 100) {
      clock.heard(500, isMidMessage: true, finished: true, time)
      #expect(judge(&clock, time + 99) == nil)
    }
  }

  @Test func underPressureItMustGetOnFaster() {
    var clock = open()
    clock.heard(150, isMidMessage: true, finished: false, 0)
    #expect(judge(&clock, 19, pressed: true) == nil)
    #expect(judge(&clock, 20, pressed: true) == .unfinished)
    clock = open()
    clock.heard(250, isMidMessage: true, finished: false, 0)
    #expect(judge(&clock, 20, pressed: true) == nil)
  }

  @Test func whenWeDoNotReadThePeerIsNotToBlame() {
    var clock = open()
    clock.heard(1, isMidMessage: true, finished: false, 0)
    clock.pause(100)
    #expect(judge(&clock, 100_000) == nil)
    clock.resume(100_000)
    #expect(judge(&clock, 100_199) == nil)
    #expect(judge(&clock, 100_200) == .unfinished)
  }

  @Test func whoDoesNotReadIsClosed() {
    var clock = open()
    clock.waits(true, delivered: 5000, 0)
    #expect(judge(&clock, 199, delivered: 5000) == nil)
    #expect(judge(&clock, 200, delivered: 5199) == .unread)
    clock = open()
    clock.waits(true, delivered: 5000, 0)
    // Slow, but it reads.
    for step in 1...20 {
      let time = UInt64(step) * 200
      #expect(judge(&clock, time, delivered: 5000 + step * 200) == nil)
    }
    #expect(judge(&clock, 4200, delivered: 9000) == .unread)
    // Nothing waits any more.
    clock.waits(false, delivered: 0, 4200)
    #expect(judge(&clock, 4300, trusted: true) == nil)
  }

  @Test func aStandstillOfOursCountsForNobody() {
    var clock = open()
    clock.heard(1, isMidMessage: true, finished: false, 0)
    clock.waits(true, delivered: 0, 0)
    clock.skip(50_000)
    #expect(judge(&clock, 50_199) == nil)
    #expect(judge(&clock, 50_200) == .unread)
  }

  @Test func descriptorsAreLeftForOthers() {
    #expect(ListenerLimits.connections(descriptors: 1024) == 768)
    #expect(ListenerLimits.connections(descriptors: 128) == 64)
    #expect(ListenerLimits.connections(descriptors: 32) == 1)
    #expect(ListenerLimits.connections(descriptors: 1 << 20) == 16_384)
  }
}

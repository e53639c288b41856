import Glibc
import Testing

@testable import Operations

@Suite struct RestartPolicyTests {
  /// Seconds that a process ran each time, and the milliseconds until each restart.
  @Test(arguments: [
    ([3600.0], [0]),
    // Also one that never served well is tried again at once, the first time.
    ([0.1], [0]),
    ([0.1, 0.1, 0.1, 0.1, 0.1], [0, 500, 1000, 2000, 4000]),
    ([0, 0, 0, 0, 0, 0, 0, 0, 0], [0, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]),
    // The second crash within 10 s is the first that waits.
    ([60, 9.9, 9.9], [0, 500, 1000]),
    ([60, 10, 10], [0, 0, 0]),
    ([0.1, 0.1, 0.1, 11, 0.1], [0, 500, 1000, 0, 500]),
  ])
  func pausesGrowWhileItKeepsEnding(ran: [Double], pauses: [Int]) {
    var policy = RestartPolicy()
    #expect(
      ran.map { policy.pause(afterRunning: .seconds($0), byItself: true) }
        == pauses.map { .milliseconds($0) })
  }

  @Test func pausesStayBoundedForEver() {
    for longest in [Duration.milliseconds(100), .seconds(1), .seconds(30)] {
      var policy = RestartPolicy(longestPause: longest)
      for _ in 0..<10_000 {
        #expect(policy.pause(afterRunning: .zero, byItself: true) <= longest)
        #expect(policy.pause(afterRunning: .zero, byItself: false) <= longest)
      }
    }
  }

  /// A kill from outside is no fault of the process, but a machine that kills all at once must not
  /// keep it starting without a pause.
  @Test func killsFromOutsideDoNotCount() {
    var policy = RestartPolicy()
    for _ in 0..<50 {
      #expect(policy.pause(afterRunning: .seconds(1), byItself: false) == .zero)
      #expect(policy.pause(afterRunning: .milliseconds(999), byItself: false) == .milliseconds(500))
    }
    #expect(policy.streak == 0)
    #expect(policy.pause(afterRunning: .zero, byItself: true) == .zero)
    #expect(policy.pause(afterRunning: .seconds(5), byItself: false) == .zero)
    #expect(policy.pause(afterRunning: .zero, byItself: true) == .milliseconds(500))
    #expect(policy.pause(afterRunning: .seconds(10), byItself: false) == .zero)
    #expect(policy.pause(afterRunning: .zero, byItself: true) == .zero)
  }

  @Test(arguments: [
    (ProcessEnding.exited(0), false, "ended with status 0"),
    (.exited(1), true, "ended with status 1"),
    (.signalled(SIGSEGV), true, "was ended by SIGSEGV"),
    (.signalled(SIGILL), true, "was ended by SIGILL"),
    (.signalled(SIGABRT), true, "was ended by SIGABRT"),
    (.signalled(SIGKILL), false, "was ended by SIGKILL"),
    (.signalled(SIGTERM), false, "was ended by SIGTERM"),
    (.signalled(61), true, "was ended by signal 61"),
  ])
  func endingsSayWhatHappened(ending: ProcessEnding, isCrash: Bool, text: String) {
    #expect(ending.isCrash == isCrash)
    #expect(ending.description == text)
  }
}

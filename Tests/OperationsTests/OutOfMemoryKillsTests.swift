import Testing

@testable import Operations

/// Whether a SIGKILL came from the kernel, for want of memory.
@Suite struct OutOfMemoryKillsTests {
  @Test(
    arguments: [
      // memory.events of version 2
      ("low 0\nhigh 0\nmax 3121\noom 2\noom_kill 2\noom_group_kill 0\n", 2),
      // memory.oom_control of version 1
      ("oom_kill_disable 0\nunder_oom 0\noom_kill 5\n", 5),
      ("nr_free_pages 1\npgmajfault 9\noom_kill 18446744073709551615\nnuma_hit 3\n", UInt64.max),
      ("oom_kill_disable 0\nunder_oom 0\n", nil), ("", nil), ("oom_kill\n", nil),
      ("oom_kill -1\n", nil), ("oom_kill 1 2\n", nil),
    ] as [(String, UInt64?)])
  func theCountIsFound(text: String, count: UInt64?) {
    #expect(OutOfMemoryKills.count(in: text) == count)
  }

  @Test(arguments: [
    (
      "0::/system.slice/tinsmith.service\n",
      ["/sys/fs/cgroup/system.slice/tinsmith.service/memory.events"]
    ),
    ("0::/\n", ["/sys/fs/cgroup/memory.events"]),
    (
      "12:cpu,cpuacct:/a\n4:hugetlb,memory:/docker/x:y\n0::/\n",
      ["/sys/fs/cgroup/memory/docker/x:y/memory.oom_control", "/sys/fs/cgroup/memory.events"]
    ),
    ("nonsense\n", []), ("", []),
  ])
  func theOwnGroupComesFirst(text: String, first: [String]) {
    let paths = OutOfMemoryKills.paths(ofGroups: text)
    #expect(Array(paths.prefix(first.count)) == first)
    #expect(paths.dropFirst(first.count).last == "/proc/vmstat")
    #expect(paths.count == first.count + 3)
  }

  private enum Step {
    case look(UInt64?)
    /// A process was killed: the count then, and whether the kernel did it.
    case killed(UInt64?, Bool)
  }

  @Test func eachKillExplainsOneEnd() {
    let lives: [[Step]] = [
      [.look(3), .killed(3, false), .killed(4, true), .killed(4, false)],
      // A look between the kill and the news of it.
      [
        .look(3), .look(3), .look(4), .killed(4, true), .killed(4, false), .look(4),
        .killed(4, false),
      ],
      // One of long ago was somebody else.
      [.look(3), .look(4), .look(4), .killed(4, false)],
      [.look(0), .killed(2, true), .killed(2, true), .killed(2, false)],
      // Nothing can be read, or only sometimes.
      [.look(nil), .killed(nil, false), .look(1), .killed(1, false), .killed(2, true)],
      [.killed(7, false), .killed(8, true)],
      [.look(UInt64.max - 1), .killed(UInt64.max, true), .killed(UInt64.max, false)],
    ]
    for (number, life) in lives.enumerated() {
      var kills = OutOfMemoryKills()
      for (index, step) in life.enumerated() {
        switch step {
        case .look(let count): kills.look(count)
        case .killed(let count, let isExplained):
          #expect(kills.explain(count) == isExplained, "life \(number), step \(index)")
        }
      }
    }
  }

  /// Whatever this system tells, it can be read twice and does not fall.
  @Test func thisSystemCounts() {
    guard let first = OutOfMemoryKills.count() else { return }
    #expect(OutOfMemoryKills.count().map { $0 >= first } == true)
  }
}

import Foundation
import Testing

@testable import CLI

/// The epochs that routers begin with.
struct EpochFileTests {
  private static func with(_ body: (EpochFile) throws -> Void) async throws {
    try await TestFolder.with { try body(EpochFile(path: "\($0)/epoch")) }
  }

  @Test func growsWhateverTheClockSays() async throws {
    try await Self.with { file in
      var last: UInt64 = 0
      for now: UInt64 in [1_700_000_000_000, 0, 1_700_000_000_000, 5, 1_800_000_000_000, 1] {
        let first = try file.beginRun(now: now)
        #expect(first >= last && first >= now)
        last = first + 1 << 24
      }
    }
  }

  /// A full disk has room for what is there already.
  @Test func isWrittenInItsOwnBytes() async throws {
    try await Self.with { file in
      _ = try file.beginRun(now: 1)
      var before = stat()
      var after = stat()
      #expect(stat(file.path, &before) == 0)
      _ = try file.beginRun(now: 1)
      #expect(stat(file.path, &after) == 0)
      #expect(before.st_ino == after.st_ino && before.st_size == after.st_size)
    }
  }

  @Test(arguments: [
    ("1700000000123", 1_700_000_000_123), ("", 7), ("nonsense", 7), ("18446744073709551615", 7),
    ("-0000000000000000001", 7),
  ])
  func readsOlderOnesAndNotDamagedOnes(content: String, first: UInt64) async throws {
    try await Self.with { file in
      try Data(content.utf8).write(to: URL(fileURLWithPath: file.path))
      #expect(try file.beginRun(now: 7) == first)
      #expect(try file.beginRun(now: 7) == first + 1 << 24)
    }
  }
}

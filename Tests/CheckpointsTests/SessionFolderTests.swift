import Checkpoints
import Engine
import Foundation
import TestSupport
import Testing

/// What goes with a session, and when a session is over.
@Suite struct SessionFolderTests {
  @Test func aSessionsFoldersGoAndNoOthers() throws {
    let data = try TemporaryFolder()
    let folders = SessionFolders(dataFolder: data.path, storage: FileStorage())
    #expect(folders.sessions().isEmpty)
    for model in ["s1:train:0", "s1:train:1", "s10:train:0", "s2:a.1.gone"] {
      let folder = "\(data.path)/models/\(model)/sampler_weights/@1"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try Data("x".utf8).write(to: URL(fileURLWithPath: "\(folder)/file"))
    }
    #expect(folders.sessions() == ["s1", "s10", "s2"])
    folders.remove(session: "s1")
    folders.remove(session: "s3")
    try folders.removeLeftovers()
    #expect(folders.sessions() == ["s10", "s2"])
    let names = try FileManager.default.contentsOfDirectory(atPath: "\(data.path)/models")
    #expect(Set(names) == ["s10:train:0", "s2:a.1.gone"])
  }

  @Test func aSessionIsOverWhenNobodyHasKnownItForALease() {
    var sweep = SessionSweep(leaseMilliseconds: 100)
    // Just started: nobody has had the time to come back.
    #expect(sweep.next(here: ["a", "b"], alive: [], now: 1000) == [])
    // `c` was made after the list of those alive.
    #expect(sweep.next(here: ["a", "b", "c"], alive: ["a"], now: 1050) == [])
    #expect(sweep.next(here: ["a", "b", "c"], alive: ["a", "c"], now: 1099) == [])
    // `b` did not come back within a lease.
    #expect(sweep.next(here: ["a", "b", "c"], alive: ["a", "c"], now: 1100) == ["b"])
    // It could not be removed, so it is tried again; the router forgot `c` for a while.
    #expect(sweep.next(here: ["a", "b", "c"], alive: ["a"], now: 1150) == ["b"])
    #expect(sweep.next(here: ["a", "c"], alive: ["a", "c"], now: 1180) == [])
    #expect(sweep.next(here: ["a", "c"], alive: ["a"], now: 1279) == [])
    #expect(sweep.next(here: ["a", "c"], alive: ["a"], now: 1280) == ["c"])
  }
}

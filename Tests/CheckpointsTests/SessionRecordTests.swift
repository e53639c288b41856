import Checkpoints
import Engine
import Foundation
import TestSupport
import Testing
import Wire

/// What is on disk of a session while it lives.
@Suite struct SessionRecordTests {
  let folder: TemporaryFolder
  let records: SessionRecords

  init() throws {
    folder = try TemporaryFolder()
    records = SessionRecords(dataFolder: folder.path, storage: FileStorage())
  }

  private func sampler(_ id: String) -> SessionRecords.Sampler {
    SessionRecords.Sampler(id, baseModel: "b", modelPath: "p")
  }

  private func begin(_ id: String) throws {
    try records.write(SessionRecords.Session(id, tenant: "ann", CreateSessionRequest()))
  }

  @Test func theLastSamplingSessionsAreKept() throws {
    try begin("s")
    let samplers = "\(folder.path)/models/s/samplers"
    for number in 0..<SessionRecords.samplers {
      try records.write(sampler("s:sample:\(number)"))
      // The order of their times, however coarse the clock of the disk is.
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSince1970: Double(number))],
        ofItemAtPath: "\(samplers)/sample:\(number).json")
    }
    #expect(records.samplers(of: "s").count == SessionRecords.samplers)
    try records.write(sampler("s:sample:\(SessionRecords.samplers)"))
    let kept = (1...SessionRecords.samplers).map { "s:sample:\($0)" }
    #expect(records.samplers(of: "s") == kept)
    #expect(records.sampler("s:sample:0") == nil)
    #expect(records.sampler("s:sample:1")?.modelPath == "p")
  }

  /// The names come from clients.
  @Test func namesThatNoFileCanHaveAreNotKept() throws {
    try begin("s")
    for id in ["s:../../x", "s:a/b", "s:" + String(repeating: "x", count: 300), "t:sample:0"] {
      try records.write(sampler(id))
      #expect(records.sampler(id) == nil)
    }
    #expect(records.samplers(of: "s").isEmpty)
    #expect(records.session("../models/s") == nil && records.run("../models/s") == nil)
    #expect(Set(try FileManager.default.contentsOfDirectory(atPath: folder.path)) == ["models"])
  }

  @Test func modelsAreThoseWithARecord() throws {
    try begin("s")
    let run = SessionRecords.Run(
      "s:train:0", baseModel: "b", rank: 4, alpha: 32, trainAttention: true, trainMLP: false,
      trainUnembed: true, userMetadata: ["k": "v"])
    try records.write(run)
    try FileManager.default.createDirectory(
      atPath: "\(folder.path)/models/s:train:1", withIntermediateDirectories: true)
    #expect(records.models(of: ["s"]) == ["s:train:0"] && records.models(of: ["t"]).isEmpty)
    #expect(records.run("s:train:0") == run && records.run("s:train:1") == nil)
    // A creation that is replayed changes nothing.
    var again = run
    again.createdUnixMilliseconds += 1
    try records.write(again)
    #expect(records.run("s:train:0") == run)
    #expect(records.lastChange(of: "s:train:0") >= run.createdUnixMilliseconds - 10)
  }
}

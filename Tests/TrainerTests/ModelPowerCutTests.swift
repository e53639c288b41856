import Engine
import Foundation
import TestSupport
import Testing

@testable import Trainer

/// A whole model after a power loss, or after a bit of what is stored has flipped: a state that
/// contains every answered request, or the name of what is damaged.
@Suite(.serialized, .timeLimit(.minutes(20))) struct ModelPowerCutTests {
  @Test("Every operation, every loss, every tear: a valid state with all that was answered")
  func everyCut() async throws {
    let recorded = try await RecordedModel.shared.value
    let worker = try RecordedModel.worker()
    let after = try TemporaryFolder()
    // What the model is before each seq: the same however one comes there.
    var states: [UInt64: [String: [UInt8]]] = [:]
    var cases = 0
    // Many cuts leave the same.
    var known: [PowerCut.Tree: RecordedModel.Recovered] = [:]
    func check(_ count: Int, _ tree: PowerCut.Tree, _ what: String) {
      cases += 1
      do {
        var model = tree
        model.files = tree.files.filter { $0.key.hasPrefix("models/") }
        model.folders = tree.folders.filter { $0.hasPrefix("models/") }
        let result: RecordedModel.Recovered
        if let before = known[model] {
          result = before
        } else {
          try model.write(to: after.path)
          result = try recorded.recovered(from: after.path, worker)
          known[model] = result
        }
        let told = recorded.answered.count { $0 <= count }
        #expect(result.nextSeq >= UInt64(told), "\(what): an answered request is lost")
        #expect(
          states[result.nextSeq, default: result.state] == result.state,
          "\(what): another state before seq \(result.nextSeq)")
        states[result.nextSeq] = result.state
      } catch {
        Issue.record("\(what): \(error)")
      }
    }
    for count in 0...recorded.operations.count {
      let cut = PowerCut(recorded.operations, after: count)
      for loss in cut.losses {
        check(count, cut.tree(losing: loss), "\(count) operations, without \(loss.sorted())")
      }
      for tear in cut.tears {
        check(count, cut.tree(losing: [], tear: tear), "\(count) operations, torn at \(tear)")
      }
    }
    // Every seq was seen, and the last one is behind the last answer.
    #expect(states.keys.sorted() == (0...UInt64(recorded.answered.count)).map(\.self))
    print(
      "power cuts of a model: \(recorded.operations.count) operations, \(cases) cases, "
        + "\(known.count) different folders")
    #expect(cases > 500)
  }

  @Test("A flipped bit anywhere in a model's files is noticed, or in bytes that nothing reads")
  func flippedBits() async throws {
    let recorded = try await RecordedModel.shared.value
    let worker = try RecordedModel.worker()
    let data = try TemporaryFolder()
    var kinds: [String: Int] = [:]
    var random = SplitMix(seed: 12)
    // Behind every answer: with journals alone, with snapshots, with both owners.
    for count in recorded.answered + [recorded.operations.count] {
      try PowerCut(recorded.operations, after: count).leave(at: data.path, losing: [])
      let whole = try recorded.recovered(from: data.path, worker)
      let folder = "\(data.path)/models/\(recorded.model)"
      for name in try FileManager.default.subpathsOfDirectory(atPath: folder).sorted() {
        let url = URL(fileURLWithPath: "\(folder)/\(name)")
        guard let bytes = try? Data(contentsOf: url), !bytes.isEmpty else { continue }
        let kind = url.pathExtension == "log" ? "segment" : url.lastPathComponent
        let places =
          Array(0..<min(32, bytes.count)) + Array(max(0, bytes.count - 16)..<bytes.count)
          + (0..<32).map { _ in Int.random(in: 0..<bytes.count, using: &random) }
        for place in places {
          var damaged = bytes
          damaged[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
          try damaged.write(to: url)
          kinds[kind, default: 0] += 1
          do {
            var result = try recorded.recovered(from: data.path, worker)
            // The last commit looks like one that a crash cut; its client knows better, and the
            // owner of a log that ends before what its client acknowledged answers DATA_LOSS.
            if kind == "segment", result.isTorn { continue }
            result.isTorn = whole.isTorn
            #expect(result == whole, "\(name), byte \(place): not noticed, and another state")
          } catch let error as EngineError {
            #expect(error.code == .dataLoss, "\(name), byte \(place): \(error)")
          }
        }
        try bytes.write(to: url)
      }
    }
    print("flipped bits: \(kinds.sorted { $0.key < $1.key })")
    #expect(kinds.count >= 6)
  }
}

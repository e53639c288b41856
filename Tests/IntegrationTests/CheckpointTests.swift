import Foundation
import Testing
import Tinsmith
import Wire

/// Whose checkpoints are whose, and how long they stay.
@Suite(.timeLimit(.minutes(30))) struct CheckpointTests {
  /// A user of the service under test, which has no list of tenants: each key is one.
  private static func user(_ key: String) async throws -> ServiceClient {
    ServiceClient(
      endpoint: try await TestService.running().endpoint, apiKey: key, timeout: .seconds(60))
  }

  private static func code<Value>(_ call: Pending<Value>) async -> TinsmithError.Code? {
    do throws(TinsmithError) {
      _ = try await call.value()
      return nil
    } catch {
      return error.code
    }
  }

  @Test func whatIsPublishedStaysSoWhenItIsWrittenAnew() async throws {
    let (ann, bob) = (try await Self.user("ann"), try await Self.user("bob"))
    let training = try await TestService.model(ann)
    let path = try await training.saveWeightsForSampler(name: "weights").value()
    _ = try await ann.publishCheckpoint(path: path).value()
    _ = try await Batches.trainOneByOne(training, 0..<1)
    _ = try await training.saveWeightsForSampler(name: "weights", overwrite: true).value()
    #expect(try await bob.checkpointInfo(path: path).value().isPublished)
    await ann.close()
    await bob.close()
  }

  @Test func othersSeeWhatIsPublishedAndNothingElse() async throws {
    let (ann, bob) = (try await Self.user("ann"), try await Self.user("bob"))
    let training = try await TestService.model(ann)
    _ = try await Batches.trainOneByOne(training, 0..<2)
    let state = try await training.saveState(name: "state").value()
    let weights = try await training.saveWeightsForSampler(name: "weights").value()
    let other = try await TestService.model(bob)
    let prompt = Batches.tokens(8, seed: 1)

    func bobsView() async throws -> [TinsmithError.Code?] {
      let sampler = bob.createSamplingClient(modelPath: weights)
      return [
        await Self.code(bob.checkpointInfo(path: state)),
        await Self.code(bob.exportCheckpoint(path: weights)),
        await Self.code(other.loadState(path: state)),
        await Self.code(bob.createTrainingClientFromStateWithOptimizer(path: state)),
        await Self.code(sampler), await Self.code(bob.copyCheckpoint(path: state)),
      ]
    }
    let nothing = [TinsmithError.Code?](repeating: .notFound, count: 6)
    #expect(try await bobsView() == nothing)
    #expect(await Self.code(bob.deleteCheckpoint(path: state)) == .notFound)
    #expect(await Self.code(bob.publishCheckpoint(path: state)) == .notFound)
    #expect(try await bob.listCheckpoints(modelID: training.modelID).value().isEmpty)
    #expect(
      try await ann.listCheckpoints(modelID: training.modelID).value().map(\.path)
        == [weights, state])
    // A loaded snapshot is nobody else's, either.
    let annsSampler = try await ann.createSamplingClient(modelPath: weights).value()
    let expected = try await annsSampler.computeLogprobs(ModelInput(tokens: prompt)).value()
    #expect(try await bobsView() == nothing)

    for path in [state, weights] {
      #expect(try await ann.publishCheckpoint(path: path).value().isPublished)
    }
    #expect(try await bobsView() == [TinsmithError.Code?](repeating: nil, count: 6))
    let sampler = try await bob.createSamplingClient(modelPath: weights).value()
    #expect(try await sampler.computeLogprobs(ModelInput(tokens: prompt)).value() == expected)
    #expect(
      try await bob.listCheckpoints(modelID: training.modelID).value().map(\.path)
        == [weights, state])
    #expect(await Self.code(bob.deleteCheckpoint(path: state)) == .permissionDenied)
    #expect(await Self.code(bob.publishCheckpoint(path: state)) == .permissionDenied)
    #expect(
      await Self.code(bob.setCheckpointTTL(path: state, ttlSeconds: 9)) == .permissionDenied)

    for path in [state, weights] {
      #expect(
        try await !ann.publishCheckpoint(path: path, isPublished: false).value().isPublished)
    }
    #expect(try await bobsView() == nothing)
    #expect(await Self.code(sampler.computeLogprobs(ModelInput(tokens: prompt))) == .notFound)
    await ann.close()
    await bob.close()
  }

  @Test func aCopyIsItsOwnersAndTrainsOnTheSame() async throws {
    let (ann, cem) = (try await Self.user("ann"), try await Self.user("cem"))
    let training = try await TestService.model(ann)
    _ = try await Batches.trainOneByOne(training, 0..<3)
    let state = try await training.saveState(name: "state", userMetadata: ["note": "n"]).value()
    _ = try await ann.publishCheckpoint(path: state).value()
    let copy = try await cem.copyCheckpoint(path: state, name: "mine").value()
    #expect(copy.name == "mine" && copy.modelID.contains(":copy:") && !copy.isPublished)
    #expect(copy.userMetadata == ["note": "n"] && copy.step == 3)
    #expect(try await cem.listCheckpoints().value().map(\.path).contains(copy.path))
    #expect(await Self.code(ann.checkpointInfo(path: copy.path)) == .notFound)
    try await ann.deleteCheckpoint(path: state).value()
    let expected = try await Batches.trainOneByOne(training, 3..<5)
    let resumed = try await cem.createTrainingClientFromStateWithOptimizer(path: copy.path).value()
    #expect(try await Batches.trainOneByOne(resumed, 3..<5) == expected)
    try await cem.deleteCheckpoint(path: copy.path).value()
    await ann.close()
    await cem.close()
  }

  /// Resent, it is the copy that was made.
  @Test func aRequestForACopyMakesOne() async throws {
    let client = try await RawClient()
    let service = try await TestService.client()
    let path = try await TestService.model(service).saveState(name: "original").value()
    let header = client.header(.checkpointsCopy, "checkpoints", 7)
    let request = CopyCheckpointRequest(path: path, name: "again").encode()
    var answers: [Payload] = []
    for _ in 0..<2 {
      try client.send(header, request)
      let reply = try await client.final(seq: 7)
      #expect(reply.header.code == .ok)
      answers.append(reply.payload)
    }
    #expect(answers[0] == answers[1])
    #expect(
      try Wire.Checkpoint.decode(answers[0]).path
        == "tinsmith://\(client.session):copy:7/weights/again")
    // Its seq would not tell it from others there.
    try client.send(client.header(.checkpointsCopy, "elsewhere", 7), request)
    let refused = try await client.final(seq: 7)
    #expect(refused.header.code == .invalidArgument && refused.header.field == "stream")
    await service.close()
  }

  @Test func theOldestMakeRoom() async throws {
    let service = try await TestService.client()
    let training = try await TestService.model(service)
    let first = try await training.saveState(name: "0").value()
    _ = try await service.publishCheckpoint(path: first).value()
    for number in 1...4 {
      _ = try await training.saveState(name: "\(number)", keepLast: 2).value()
      _ = try await training.saveWeightsForSampler(name: "\(number)", keepLast: 1).value()
    }
    let left = try await service.listCheckpoints(modelID: training.modelID).value()
    #expect(left.filter { $0.kind == .training }.map(\.name) == ["4", "3", "0"])
    #expect(left.filter { $0.kind == .sampler }.map(\.name) == ["4"])
    await service.close()
  }

  @Test func timeIsUpWhenItIsUp() async throws {
    let service = try await TestService.client()
    let training = try await TestService.model(service)
    let path = try await training.saveState(name: "short", ttlSeconds: 3600).value()
    let info = try await service.checkpointInfo(path: path).value()
    #expect(info.expiresUnixMilliseconds == info.createdUnixMilliseconds + 3_600_000)
    let kept = try await service.setCheckpointTTL(path: path, ttlSeconds: nil).value()
    #expect(kept.expiresUnixMilliseconds == nil)
    _ = try await service.setCheckpointTTL(path: path, ttlSeconds: 1).value()
    try await Task.sleep(for: .milliseconds(1100))
    #expect(await Self.code(service.checkpointInfo(path: path)) == .notFound)
    #expect(await Self.code(training.loadState(path: path)) == .notFound)
    #expect(try await service.listCheckpoints(modelID: training.modelID).value().isEmpty)
    await service.close()
  }
}

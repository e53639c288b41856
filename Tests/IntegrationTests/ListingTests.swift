import Foundation
import Glibc
import Testing
import Tinsmith
import Wire

/// Sessions, sampling sessions and models are told of while they are there, to those whose they are.
@Suite(.timeLimit(.minutes(30))) struct ListingTests {
  private static func code<Value>(_ call: Pending<Value>) async -> TinsmithError.Code? {
    do throws(TinsmithError) {
      _ = try await call.value()
      return nil
    } catch {
      return error.code
    }
  }

  private static func user(_ key: String, _ endpoint: String) -> ServiceClient {
    ServiceClient(
      endpoint: endpoint, apiKey: key, displayName: "\(key)'s", projectID: "p", tags: ["a", "b"],
      userMetadata: ["who": key], timeout: .seconds(60))
  }

  /// What a client is told of all it has; without the times of models, which a takeover changes.
  private static func view(
    of service: ServiceClient, _ samplers: [String]
  ) async throws -> [String] {
    var view: [String] = []
    for session in try await service.listSessions().value() {
      view.append("\(session)")
      #expect(try await service.sessionInfo(id: session.sessionID).value() == session)
    }
    for id in samplers { view.append("\(try await service.samplerInfo(id: id).value())") }
    for var run in try await service.listTrainingRuns().value().sorted(by: {
      $0.modelID < $1.modelID
    }) {
      var same = try await service.trainingRun(modelID: run.modelID).value()
      #expect(run.changedUnixMilliseconds >= run.createdUnixMilliseconds ?? .max)
      (run.changedUnixMilliseconds, same.changedUnixMilliseconds) = (0, 0)
      #expect(run == same)
      view.append("\(run)")
    }
    return view
  }

  @Test func whatLivesIsListedAlsoAfterARestart() async throws {
    try await TestFolder.with { folder in
      let process = try await ServeProcess(
        data: "\(folder)/data",
        [
          "--workers", "2", "--threads", "1", "--base",
          "\(TestService.tiny)=\(Program.fixture("qwen3"))", "--log", "error",
        ])
      let (ann, bob) = (Self.user("ann", process.endpoint), Self.user("bob", process.endpoint))
      let start = UInt64(Date().timeIntervalSince1970 * 1000)
      let session = try await ann.sessionID().value()
      let kept = try await ann.createLoRATrainingClient(
        baseModel: TestService.tiny, rank: 4, trainMLP: false, userMetadata: ["run": "kept"]
      ).value()
      let bare = try await TestService.model(ann, rank: 2)
      let ofBase = try await ann.createSamplingClient(baseModel: TestService.tiny).value()
      let ofModel = try await kept.saveWeightsAndGetSamplingClient().value()
      let samplers = [ofBase.samplingSessionID, ofModel.samplingSessionID]
      _ = try await TestService.model(bob)

      let info = try await ann.sessionInfo(id: session).value()
      #expect(info.sessionID == session && info.displayName == "ann's" && info.projectID == "p")
      #expect(info.tags == ["a", "b"] && info.userMetadata == ["who": "ann"])
      #expect(info.modelIDs == [kept.modelID, bare.modelID])
      #expect(info.samplingSessionIDs == samplers)
      #expect(info.createdUnixMilliseconds >= start)
      let sampler = try await ann.samplerInfo(id: samplers[1]).value()
      #expect(sampler.baseModel == TestService.tiny && sampler.modelPath == ofModel.modelPath)
      #expect(try await ann.samplerInfo(id: samplers[0]).value().modelPath == nil)
      let run = try await ann.trainingRun(modelID: kept.modelID).value()
      #expect(run.baseModel == TestService.tiny && run.userMetadata == ["run": "kept"])
      #expect(run.lora.rank == 4 && !run.lora.trainMLP && run.lora.trainAttention)
      #expect(run.lastCheckpoint == nil && run.lastSamplerCheckpoint == nil)
      let state = try await kept.saveState(name: "state").value()
      let weights = try await kept.saveWeightsForSampler(name: "weights").value()
      let saved = try await ann.trainingRun(modelID: kept.modelID).value()
      #expect(saved.lastCheckpoint?.path == state)
      #expect(saved.lastSamplerCheckpoint?.path == weights)
      #expect(saved.createdUnixMilliseconds == run.createdUnixMilliseconds)

      let before = try await Self.view(of: ann, samplers)
      #expect(before.count == 5)
      let router = try #require(process.router)
      kill(router, SIGKILL)
      for (_, pid) in process.workers { kill(pid, SIGKILL) }
      #expect(try await Self.view(of: ann, samplers) == before)

      // Others see nothing of it.
      #expect(try await bob.listSessions().value().map(\.displayName) == ["bob's"])
      #expect(try await bob.listTrainingRuns().value().count == 1)
      #expect(await Self.code(bob.sessionInfo(id: session)) == .notFound)
      #expect(await Self.code(bob.samplerInfo(id: samplers[0])) == .notFound)
      for model in [kept, bare] {
        #expect(await Self.code(bob.trainingRun(modelID: model.modelID)) == .notFound)
      }
      _ = try await ann.publishCheckpoint(path: weights).value()
      let seen = try await bob.trainingRun(modelID: kept.modelID).value()
      #expect(seen.lastSamplerCheckpoint?.path == weights && seen.lastCheckpoint == nil)
      #expect(seen.createdUnixMilliseconds == nil)

      // With the session goes all but what has a checkpoint.
      await ann.close()
      let later = Self.user("ann", process.endpoint)
      let own = try await later.sessionID().value()
      #expect(try await later.listSessions().value().map(\.sessionID) == [own])
      #expect(await Self.code(later.sessionInfo(id: session)) == .notFound)
      #expect(await Self.code(later.samplerInfo(id: samplers[1])) == .notFound)
      #expect(await Self.code(later.trainingRun(modelID: bare.modelID)) == .notFound)
      let left = try await later.listTrainingRuns().value()
      #expect(left.map(\.modelID) == [kept.modelID])
      #expect(left[0].lastCheckpoint?.path == state && left[0].userMetadata == ["run": "kept"])
      #expect(left[0].createdUnixMilliseconds == nil)
      for path in [state, weights] { try await later.deleteCheckpoint(path: path).value() }
      #expect(try await later.listTrainingRuns().value().isEmpty)
      #expect(await Self.code(later.trainingRun(modelID: kept.modelID)) == .notFound)
      await later.close()
      await bob.close()
      await process.stop()
    }
  }

  /// Pages of one and of all, with a model that only has a checkpoint among those that live.
  @Test func pagesHoldEachItemOnce() async throws {
    let key = "pages"
    let endpoint = try await TestService.running().endpoint
    let over = Self.user(key, endpoint)
    let gone = try await TestService.model(over, rank: 1)
    _ = try await gone.saveState(name: "state").value()
    await over.close()
    let clients = (0..<3).map { _ in Self.user(key, endpoint) }
    var models = [gone.modelID]
    for client in clients {
      models.append(try await TestService.model(client, rank: 1).modelID)
    }
    #expect(
      Set(try await clients[0].listTrainingRuns().value().map(\.modelID)) == Set(models))

    let raw = try await RawClient(apiKey: key)
    var sessions = [raw.session]
    for client in clients.reversed() { sessions.append(try await client.sessionID().value()) }
    var (seq, token, found): (UInt64, String, [String]) = (0, "", [])
    repeat {
      let request = ListSessionsRequest(limit: 1, pageToken: token)
      try raw.send(raw.header(.sessionsList, "checkpoints", seq), request.encode())
      let page = try ListSessionsResponse.decode(try await raw.final(seq: seq).payload)
      #expect(page.sessions.count == 1)
      found += page.sessions.map(\.sessionID)
      (token, seq) = (page.nextPageToken, seq + 1)
    } while !token.isEmpty
    #expect(found == sessions)
    found = []
    repeat {
      let request = ListRunsRequest(limit: 1, pageToken: token)
      try raw.send(raw.header(.sessionsListRuns, "checkpoints", seq), request.encode())
      let page = try ListRunsResponse.decode(try await raw.final(seq: seq).payload)
      #expect(page.runs.count == 1)
      found += page.runs.map(\.modelID)
      (token, seq) = (page.nextPageToken, seq + 1)
    } while !token.isEmpty
    #expect(found == models.sorted())
    for (method, payload, field) in [
      (.sessionsList, ListSessionsRequest(pageToken: "x").encode(), "page_token"),
      (.sessionsListRuns, ListRunsRequest(pageToken: "r:../x").encode(), "page_token"),
      (.sessionsListRuns, ListRunsRequest(pageToken: "x").encode(), "page_token"),
      (.sessionsListRuns, ListRunsRequest(pageToken: "s:1:\(raw.session)").encode(), "page_token"),
      (.sessionsList, ListSessionsRequest(pageToken: "r:x:train:0").encode(), "page_token"),
      (.sessionsRun, RunRequest(modelID: "../x").encode(), "model_id"),
    ] as [(Wire.Method, Payload, String)] {
      try raw.send(raw.header(method, "checkpoints", seq), payload)
      let header = try await raw.final(seq: seq).header
      #expect(header.code == .invalidArgument && header.field == field)
      seq += 1
    }
    for client in clients { await client.close() }
  }

  /// A model that was not made is none, and one that was unloaded has been one.
  @Test func modelsAreThoseThatWereMade() async throws {
    let service = Self.user("made", try await TestService.running().endpoint)
    #expect(await Self.code(service.createLoRATrainingClient(baseModel: "no/such")) == .notFound)
    let model = try await TestService.model(service, rank: 1)
    let state = try await model.saveState(name: "state").value()
    let next = try await service.createTrainingClientFromState(
      path: state, userMetadata: ["from": "state"]
    ).value()
    try await next.unload().value()
    let runs = try await service.listTrainingRuns().value()
    #expect(Set(runs.map(\.modelID)) == [model.modelID, next.modelID])
    #expect(
      try await service.trainingRun(modelID: next.modelID).value().userMetadata
        == ["from": "state"])
    await service.close()
  }
}

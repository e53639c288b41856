internal import Wire

extension ServiceClient {
  /// The id of this client's session, which is created now if there is none.
  public func sessionID() -> Pending<String> {
    Pending(from: session.established()) { $0.id }
  }

  /// The user's sessions that live, newest first.
  public func listSessions() -> Pending<[SessionInfo]> {
    Pending { [session] in
      let sender = try await session.control()
      return try await Self.pages { page in
        let response = try await sender.send(
          .sessionsList, ListSessionsRequest(pageToken: page), as: ListSessionsResponse.self
        ).value()
        return (response.sessions.map { SessionInfo($0) }, response.nextPageToken)
      }
    }
  }

  /// What a session is, and what was made in it: while it lives.
  public func sessionInfo(id: String) -> Pending<SessionInfo> {
    ask(.sessionsInfo, SessionInfoRequest(sessionID: id), Wire.SessionInfo.self) {
      SessionInfo($0)
    }
  }

  /// What a sampling session samples from: while its session lives, of which the last 1,024 are known.
  public func samplerInfo(id: String) -> Pending<SamplerInfo> {
    ask(.sessionsSampler, SamplerRequest(samplingSessionID: id), Wire.SamplerInfo.self) {
      SamplerInfo($0)
    }
  }

  /// The user's models, those that changed last first: while their session lives, or a checkpoint of
  /// theirs is there.
  public func listTrainingRuns() -> Pending<[TrainingRun]> {
    Pending { [session] in
      let sender = try await session.control()
      let runs = try await Self.pages { page in
        let request = ListRunsRequest(limit: 1024, pageToken: page)
        let response = try await sender.send(
          .sessionsListRuns, request, as: ListRunsResponse.self
        ).value()
        return (response.runs.map { TrainingRun($0) }, response.nextPageToken)
      }
      return runs.sorted { $0.changedUnixMilliseconds > $1.changedUnixMilliseconds }
    }
  }

  /// What a model is; also another user's, as far as its checkpoints are published.
  public func trainingRun(modelID: String) -> Pending<TrainingRun> {
    ask(.sessionsRun, RunRequest(modelID: modelID), Wire.RunInfo.self) { TrainingRun($0) }
  }

  /// All pages of a list.
  static func pages<Item>(
    _ next: (_ token: String) async throws -> (items: [Item], token: String)
  ) async throws -> [Item] {
    var (items, token): ([Item], String) = ([], "")
    repeat {
      let page = try await next(token)
      items += page.items
      token = page.token
    } while !token.isEmpty
    return items
  }
}

internal import CProto

/// `Sessions.List`.
package struct ListSessionsRequest: Sendable, Equatable {
  /// At most so many; 0 for 100.
  package var limit: Int
  /// From the answer before; empty to start.
  package var pageToken: String

  /// A request.
  package init(limit: Int = 0, pageToken: String = "") {
    self.limit = limit
    self.pageToken = pageToken
  }
}

extension ListSessionsRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__ListSessionsRequest>?) {
    tinsmith__v1__list_sessions_request__init(c)
  }

  init(_ c: Tinsmith__V1__ListSessionsRequest, _ reader: Reader) throws(WireError) {
    limit = try Check.range(c.limit, 0...Limits.maxListItems, "limit")
    pageToken = reader.text(c.page_token)
  }

  func fill(_ c: inout Tinsmith__V1__ListSessionsRequest, _ writer: Writer) {
    c.limit = UInt32(clamping: limit)
    c.page_token = writer.text(pageToken)
  }
}

/// Answer of `Sessions.List`.
package struct ListSessionsResponse: Sendable, Equatable {
  /// Newest first.
  package var sessions: [SessionInfo]
  /// Empty after the last page.
  package var nextPageToken: String

  /// An answer.
  package init(sessions: [SessionInfo], nextPageToken: String = "") {
    self.sessions = sessions
    self.nextPageToken = nextPageToken
  }
}

extension ListSessionsResponse: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__ListSessionsResponse>?) {
    tinsmith__v1__list_sessions_response__init(c)
  }

  init(_ c: Tinsmith__V1__ListSessionsResponse, _ reader: Reader) throws(WireError) {
    sessions = try reader.list(c.sessions, c.n_sessions, "sessions")
    nextPageToken = reader.text(c.next_page_token)
  }

  func fill(_ c: inout Tinsmith__V1__ListSessionsResponse, _ writer: Writer) {
    writer.list(sessions, &c.n_sessions, &c.sessions)
    c.next_page_token = writer.text(nextPageToken)
  }
}

/// `Sessions.Info`.
package struct SessionInfoRequest: Sendable, Equatable {
  /// Id of the session.
  package var sessionID: String

  /// A request.
  package init(sessionID: String) { self.sessionID = sessionID }
}

extension SessionInfoRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__SessionInfoRequest>?) {
    tinsmith__v1__session_info_request__init(c)
  }

  init(_ c: Tinsmith__V1__SessionInfoRequest, _ reader: Reader) throws(WireError) {
    sessionID = try Check.present(reader.text(c.session_id), "session_id")
  }

  func fill(_ c: inout Tinsmith__V1__SessionInfoRequest, _ writer: Writer) {
    c.session_id = writer.text(sessionID)
  }
}

/// Description of a session; answer of `Sessions.Info`.
package struct SessionInfo: Sendable, Equatable {
  /// Its id.
  package var sessionID: String
  /// Milliseconds since 1970 in UTC.
  package var createdUnixMilliseconds: UInt64
  /// For people.
  package var displayName: String
  /// Free labels.
  package var tags: [String]
  /// Free text of the user.
  package var userMetadata: [String: String]
  /// Group of sessions that are accounted together.
  package var projectID: String
  /// The models that were created in it.
  package var modelIDs: [String]
  /// Its last sampling sessions.
  package var samplingSessionIDs: [String]

  /// A description.
  package init(
    sessionID: String, createdUnixMilliseconds: UInt64 = 0, displayName: String = "",
    tags: [String] = [], userMetadata: [String: String] = [:], projectID: String = "",
    modelIDs: [String] = [], samplingSessionIDs: [String] = []
  ) {
    self.sessionID = sessionID
    self.createdUnixMilliseconds = createdUnixMilliseconds
    self.displayName = displayName
    self.tags = tags
    self.userMetadata = userMetadata
    self.projectID = projectID
    self.modelIDs = modelIDs
    self.samplingSessionIDs = samplingSessionIDs
  }
}

extension SessionInfo: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__SessionInfo>?) {
    tinsmith__v1__session_info__init(c)
  }

  init(_ c: Tinsmith__V1__SessionInfo, _ reader: Reader) throws(WireError) {
    sessionID = reader.text(c.session_id)
    createdUnixMilliseconds = c.created_unix_ms
    displayName = reader.text(c.display_name)
    tags = try reader.texts(c.tags, c.n_tags, "tags", limit: Limits.maxPairs)
    userMetadata = try reader.metadata(c.user_metadata, c.n_user_metadata)
    projectID = reader.text(c.project_id)
    modelIDs = try reader.texts(c.model_ids, c.n_model_ids, "model_ids")
    samplingSessionIDs = try reader.texts(
      c.sampling_session_ids, c.n_sampling_session_ids, "sampling_session_ids")
  }

  func fill(_ c: inout Tinsmith__V1__SessionInfo, _ writer: Writer) {
    c.session_id = writer.text(sessionID)
    c.created_unix_ms = createdUnixMilliseconds
    c.display_name = writer.text(displayName)
    writer.texts(tags, &c.n_tags, &c.tags)
    writer.pairs(userMetadata, &c.n_user_metadata, &c.user_metadata, TextPair.init)
    c.project_id = writer.text(projectID)
    writer.texts(modelIDs, &c.n_model_ids, &c.model_ids)
    writer.texts(samplingSessionIDs, &c.n_sampling_session_ids, &c.sampling_session_ids)
  }
}

/// `Sessions.Sampler`.
package struct SamplerRequest: Sendable, Equatable {
  /// The sampling session's stream.
  package var samplingSessionID: String

  /// A request.
  package init(samplingSessionID: String) { self.samplingSessionID = samplingSessionID }
}

extension SamplerRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__SamplerRequest>?) {
    tinsmith__v1__sampler_request__init(c)
  }

  init(_ c: Tinsmith__V1__SamplerRequest, _ reader: Reader) throws(WireError) {
    samplingSessionID = try Check.present(
      reader.text(c.sampling_session_id), "sampling_session_id")
  }

  func fill(_ c: inout Tinsmith__V1__SamplerRequest, _ writer: Writer) {
    c.sampling_session_id = writer.text(samplingSessionID)
  }
}

/// Description of a sampling session; answer of `Sessions.Sampler`.
package struct SamplerInfo: Sendable, Equatable {
  /// Its stream.
  package var samplingSessionID: String
  /// Name of the base model.
  package var baseModel: String
  /// The checkpoint that it samples from; empty for the base model itself.
  package var modelPath: String
  /// Milliseconds since 1970 in UTC.
  package var createdUnixMilliseconds: UInt64

  /// A description.
  package init(
    samplingSessionID: String, baseModel: String, modelPath: String = "",
    createdUnixMilliseconds: UInt64 = 0
  ) {
    self.samplingSessionID = samplingSessionID
    self.baseModel = baseModel
    self.modelPath = modelPath
    self.createdUnixMilliseconds = createdUnixMilliseconds
  }
}

extension SamplerInfo: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__SamplerInfo>?) {
    tinsmith__v1__sampler_info__init(c)
  }

  init(_ c: Tinsmith__V1__SamplerInfo, _ reader: Reader) throws(WireError) {
    samplingSessionID = reader.text(c.sampling_session_id)
    baseModel = reader.text(c.base_model)
    modelPath = reader.text(c.model_path)
    createdUnixMilliseconds = c.created_unix_ms
  }

  func fill(_ c: inout Tinsmith__V1__SamplerInfo, _ writer: Writer) {
    c.sampling_session_id = writer.text(samplingSessionID)
    c.base_model = writer.text(baseModel)
    c.model_path = writer.text(modelPath)
    c.created_unix_ms = createdUnixMilliseconds
  }
}

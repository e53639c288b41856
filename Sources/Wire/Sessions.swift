internal import CProto

/// `Sessions.Create`.
package struct CreateSessionRequest: Sendable, Equatable {
  /// Key of the user; empty where the service asks for none.
  package var apiKey: String
  /// For people.
  package var displayName: String
  /// Free labels.
  package var tags: [String]
  /// Free text of the user.
  package var userMetadata: [String: String]
  /// Version of the client library.
  package var sdkVersion: String
  /// Group of sessions that are accounted together.
  package var projectID: String

  /// A request.
  package init(
    apiKey: String = "", displayName: String = "", tags: [String] = [],
    userMetadata: [String: String] = [:], sdkVersion: String = "", projectID: String = ""
  ) {
    self.apiKey = apiKey
    self.displayName = displayName
    self.tags = tags
    self.userMetadata = userMetadata
    self.sdkVersion = sdkVersion
    self.projectID = projectID
  }
}

extension CreateSessionRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__CreateSessionRequest>?) {
    tinsmith__v1__create_session_request__init(c)
  }

  init(_ c: Tinsmith__V1__CreateSessionRequest, _ reader: Reader) throws(WireError) {
    apiKey = reader.text(c.api_key)
    displayName = reader.text(c.display_name)
    tags = try reader.texts(c.tags, c.n_tags, "tags", limit: Limits.maxPairs)
    userMetadata = try reader.givenMetadata(c.user_metadata, c.n_user_metadata)
    sdkVersion = reader.text(c.sdk_version)
    projectID = reader.text(c.project_id)
  }

  func fill(_ c: inout Tinsmith__V1__CreateSessionRequest, _ writer: Writer) {
    c.api_key = writer.text(apiKey)
    c.display_name = writer.text(displayName)
    writer.texts(tags, &c.n_tags, &c.tags)
    writer.pairs(userMetadata, &c.n_user_metadata, &c.user_metadata, TextPair.init)
    c.sdk_version = writer.text(sdkVersion)
    c.project_id = writer.text(projectID)
  }
}

/// Answer of `Sessions.Create`.
package struct CreateSessionResponse: Sendable, Equatable {
  /// Id of the session, the first part of its streams' names.
  package var sessionID: String
  /// To be sent in every header.
  package var token: String
  /// The session ends when nothing was heard for so long and no work is queued.
  package var leaseSeconds: Int
  /// How often to send a heartbeat when nothing else is sent.
  package var heartbeatSeconds: Int
  /// A note for the user.
  package var infoMessage: String
  /// A warning for the user.
  package var warningMessage: String

  /// An answer.
  package init(
    sessionID: String, token: String, leaseSeconds: Int, heartbeatSeconds: Int,
    infoMessage: String = "", warningMessage: String = ""
  ) {
    self.sessionID = sessionID
    self.token = token
    self.leaseSeconds = leaseSeconds
    self.heartbeatSeconds = heartbeatSeconds
    self.infoMessage = infoMessage
    self.warningMessage = warningMessage
  }
}

extension CreateSessionResponse: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__CreateSessionResponse>?) {
    tinsmith__v1__create_session_response__init(c)
  }

  init(_ c: Tinsmith__V1__CreateSessionResponse, _ reader: Reader) throws(WireError) {
    sessionID = reader.text(c.session_id)
    token = reader.text(c.token)
    leaseSeconds = Int(c.lease_seconds)
    heartbeatSeconds = Int(c.heartbeat_seconds)
    infoMessage = reader.text(c.info_message)
    warningMessage = reader.text(c.warning_message)
  }

  func fill(_ c: inout Tinsmith__V1__CreateSessionResponse, _ writer: Writer) {
    c.session_id = writer.text(sessionID)
    c.token = writer.text(token)
    c.lease_seconds = UInt32(clamping: leaseSeconds)
    c.heartbeat_seconds = UInt32(clamping: heartbeatSeconds)
    c.info_message = writer.text(infoMessage)
    c.warning_message = writer.text(warningMessage)
  }
}

/// `Sessions.Heartbeat`.
package struct HeartbeatRequest: Sendable, Equatable {
  /// The request; the header's token names the session.
  package init() {}
}

extension HeartbeatRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__HeartbeatRequest>?) {
    tinsmith__v1__heartbeat_request__init(c)
  }

  init(_ c: Tinsmith__V1__HeartbeatRequest, _ reader: Reader) throws(WireError) {}

  func fill(_ c: inout Tinsmith__V1__HeartbeatRequest, _ writer: Writer) {}
}

/// Answer of `Sessions.Heartbeat`.
package struct HeartbeatResponse: Sendable, Equatable {
  /// How long the session now lasts without a word.
  package var leaseSeconds: Int

  /// An answer.
  package init(leaseSeconds: Int) { self.leaseSeconds = leaseSeconds }
}

extension HeartbeatResponse: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__HeartbeatResponse>?) {
    tinsmith__v1__heartbeat_response__init(c)
  }

  init(_ c: Tinsmith__V1__HeartbeatResponse, _ reader: Reader) throws(WireError) {
    leaseSeconds = Int(c.lease_seconds)
  }

  func fill(_ c: inout Tinsmith__V1__HeartbeatResponse, _ writer: Writer) {
    c.lease_seconds = UInt32(clamping: leaseSeconds)
  }
}

/// How a session ended.
package enum FinishReason: UInt32, Sendable {
  case unspecified = 0
  case success = 1
  case errored = 2
  case interrupted = 3
}

/// `Sessions.Finish`.
package struct FinishSessionRequest: Sendable, Equatable {
  /// How the session ended.
  package var reason: FinishReason
  /// For people.
  package var detail: String

  /// A request.
  package init(reason: FinishReason, detail: String = "") {
    self.reason = reason
    self.detail = detail
  }
}

extension FinishSessionRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__FinishSessionRequest>?) {
    tinsmith__v1__finish_session_request__init(c)
  }

  init(_ c: Tinsmith__V1__FinishSessionRequest, _ reader: Reader) throws(WireError) {
    reason = FinishReason(rawValue: UInt32(c.reason.rawValue)) ?? .unspecified
    detail = reader.text(c.detail)
  }

  func fill(_ c: inout Tinsmith__V1__FinishSessionRequest, _ writer: Writer) {
    c.reason = Tinsmith__V1__FinishReason(rawValue: .init(reason.rawValue))
    c.detail = writer.text(detail)
  }
}

/// Answer of `Sessions.Finish`.
package struct FinishSessionResponse: Sendable, Equatable {
  /// The answer.
  package init() {}
}

extension FinishSessionResponse: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__FinishSessionResponse>?) {
    tinsmith__v1__finish_session_response__init(c)
  }

  init(_ c: Tinsmith__V1__FinishSessionResponse, _ reader: Reader) throws(WireError) {}

  func fill(_ c: inout Tinsmith__V1__FinishSessionResponse, _ writer: Writer) {}
}

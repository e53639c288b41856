import Foundation
import Testing

@testable import Wire

/// The golden frames that every client reads and writes, made by protobuf's own implementation
/// (`Tests/Conformance/README.md`).
@Suite struct GoldenFrameTests {
  struct Valid: Decodable, Sendable, CustomTestStringConvertible {
    var name: String
    var message: String
    var frames: [String]
    /// What Swift writes for this value is exactly these frames.
    var full: Bool
    var testDescription: String { name }
  }

  struct Invalid: Decodable, Sendable, CustomTestStringConvertible {
    var name: String
    var message: String
    var frames: [String]
    var code: String
    var field: String
    var testDescription: String { name }
  }

  struct Frames: Decodable, Sendable {
    var valid: [Valid]
    var invalid: [Invalid]
  }

  static let frames: Frames = {
    let file = URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
      .appending(path: "../Conformance/frames.json")
    do {
      return try JSONDecoder().decode(Frames.self, from: Data(contentsOf: file))
    } catch {
      Issue.record(error)
      return Frames(valid: [], invalid: [])
    }
  }()

  @Test func thereAreFrames() {
    #expect(Self.frames.valid.count > 80 && Self.frames.invalid.count > 100)
  }

  @Test(arguments: frames.valid) func isRead(_ valid: Valid) throws {
    let kind = try #require(Kind.all[valid.message], "no kind of message \(valid.message)")
    try kind.checkRoundTrip(try Self.payload(valid.frames), isExact: valid.full)
  }

  @Test(arguments: frames.invalid) func isRefused(_ invalid: Invalid) throws {
    let kind = try #require(Kind.all[invalid.message], "no kind of message \(invalid.message)")
    let payload = try Self.payload(invalid.frames)
    let error = #expect(throws: WireError.self) { try kind.decode(payload) }
    #expect(error?.status.description == invalid.code)
    #expect(error?.field == invalid.field)
  }

  private static func payload(_ frames: [String]) throws -> Payload {
    let parts = try frames.map { text in
      let digits = Array(text)
      return Bytes(
        try stride(from: 0, to: digits.count, by: 2).map {
          try #require(UInt8(String(digits[$0...$0 + 1]), radix: 16))
        })
    }
    return Payload(body: try #require(parts.first), attachments: Array(parts.dropFirst()))
  }
}

/// How one kind of message is read and written.
private struct Kind: Sendable {
  let decode: @Sendable (Payload) throws -> Void
  let checkRoundTrip: @Sendable (Payload, _ isExact: Bool) throws -> Void

  func checkRoundTrip(_ payload: Payload, isExact: Bool) throws {
    try checkRoundTrip(payload, isExact)
  }

  /// A message behind a header.
  static func body<Message: WireMessage & Equatable>(_ type: Message.Type) -> Kind {
    Kind(
      decode: { _ = try Message.decode($0) },
      checkRoundTrip: { payload, isExact in
        let value = try Message.decode(payload)
        for limit in [0, Limits.defaultInlineBytes, .max] {
          #expect(try Message.decode(value.encode(inlineLimit: limit)) == value)
        }
        guard isExact else { return }
        #expect(value.encode(inlineLimit: payload.attachments.isEmpty ? .max : 0) == payload)
      })
  }

  static let request = Kind(
    decode: { _ = try $0.body.withUnsafeBytes { try RequestHeader(decoding: $0) } },
    checkRoundTrip: { payload, isExact in
      let header = try payload.body.withUnsafeBytes { try RequestHeader(decoding: $0) }
      #expect(try header.encoded().withUnsafeBytes { try RequestHeader(decoding: $0) } == header)
      #expect(!isExact || header.encoded() == payload.body.array)
    })

  static let response = Kind(
    decode: { _ = try $0.body.withUnsafeBytes { try ResponseHeader(decoding: $0) } },
    checkRoundTrip: { payload, isExact in
      let header = try payload.body.withUnsafeBytes { try ResponseHeader(decoding: $0) }
      #expect(try header.encoded().withUnsafeBytes { try ResponseHeader(decoding: $0) } == header)
      #expect(!isExact || header.encoded() == payload.body.array)
    })

  /// By the message's name in the schema.
  static let all: [String: Kind] = [
    "RequestHeader": request, "ResponseHeader": response,
    "CreateSessionRequest": body(CreateSessionRequest.self),
    "CreateSessionResponse": body(CreateSessionResponse.self),
    "HeartbeatRequest": body(HeartbeatRequest.self),
    "HeartbeatResponse": body(HeartbeatResponse.self),
    "FinishSessionRequest": body(FinishSessionRequest.self),
    "FinishSessionResponse": body(FinishSessionResponse.self),
    "ListSessionsRequest": body(ListSessionsRequest.self),
    "ListSessionsResponse": body(ListSessionsResponse.self),
    "SessionInfoRequest": body(SessionInfoRequest.self), "SessionInfo": body(SessionInfo.self),
    "SamplerRequest": body(SamplerRequest.self), "SamplerInfo": body(SamplerInfo.self),
    "ListRunsRequest": body(ListRunsRequest.self), "ListRunsResponse": body(ListRunsResponse.self),
    "RunRequest": body(RunRequest.self), "RunInfo": body(RunInfo.self),
    "AwaitFutureRequest": body(AwaitFutureRequest.self),
    "CancelFutureRequest": body(CancelFutureRequest.self),
    "CapabilitiesRequest": body(CapabilitiesRequest.self),
    "CapabilitiesResponse": body(CapabilitiesResponse.self),
    "HealthRequest": body(HealthRequest.self), "HealthResponse": body(HealthResponse.self),
    "StatsRequest": body(StatsRequest.self), "StatsResponse": body(StatsResponse.self),
    "PingRequest": body(PingRequest.self), "PingResponse": body(PingResponse.self),
    "CreateModelRequest": body(CreateModelRequest.self),
    "CreateModelResponse": body(CreateModelResponse.self),
    "GetInfoRequest": body(GetInfoRequest.self), "ModelInfo": body(ModelInfo.self),
    "ForwardBackwardRequest": body(ForwardBackwardRequest.self),
    "ForwardBackwardResponse": body(ForwardBackwardResponse.self),
    "OptimStepRequest": body(OptimStepRequest.self),
    "OptimStepResponse": body(OptimStepResponse.self),
    "SaveStateRequest": body(SaveStateRequest.self),
    "SaveStateResponse": body(SaveStateResponse.self),
    "LoadStateRequest": body(LoadStateRequest.self),
    "LoadStateResponse": body(LoadStateResponse.self),
    "UnloadRequest": body(UnloadRequest.self), "UnloadResponse": body(UnloadResponse.self),
    "SaveWeightsForSamplerRequest": body(SaveWeightsForSamplerRequest.self),
    "SaveWeightsForSamplerResponse": body(SaveWeightsForSamplerResponse.self),
    "CreateSamplingSessionRequest": body(CreateSamplingSessionRequest.self),
    "CreateSamplingSessionResponse": body(CreateSamplingSessionResponse.self),
    "SampleRequest": body(SampleRequest.self), "SampleResponse": body(SampleResponse.self),
    "ComputeLogprobsRequest": body(ComputeLogprobsRequest.self),
    "ComputeLogprobsResponse": body(ComputeLogprobsResponse.self),
    "ListCheckpointsRequest": body(ListCheckpointsRequest.self),
    "ListCheckpointsResponse": body(ListCheckpointsResponse.self),
    "CheckpointRequest": body(CheckpointRequest.self), "Checkpoint": body(Checkpoint.self),
    "DeleteCheckpointResponse": body(DeleteCheckpointResponse.self),
    "SetCheckpointTtlRequest": body(SetCheckpointTTLRequest.self),
    "ExportCheckpointResponse": body(ExportCheckpointResponse.self),
    "ImportCheckpointRequest": body(ImportCheckpointRequest.self),
    "CopyCheckpointRequest": body(CopyCheckpointRequest.self),
    "ExportMergedResponse": body(ExportMergedResponse.self),
    "ReadExportRequest": body(ReadExportRequest.self),
    "ReadExportResponse": body(ReadExportResponse.self),
  ]
}

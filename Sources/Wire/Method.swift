/// A method of the service, by its number on the wire. The properties below are the only place
/// that knows how a method is routed, ordered and counted.
package enum Method: UInt32, Sendable, CaseIterable, Hashable {
  case sessionsCreate = 101
  case sessionsHeartbeat = 102
  case sessionsFinish = 103
  case sessionsList = 104
  case sessionsInfo = 105
  case sessionsSampler = 106
  case sessionsListRuns = 107
  case sessionsRun = 108

  case trainingCreateModel = 201
  case trainingForward = 202
  case trainingForwardBackward = 203
  case trainingOptimStep = 204
  case trainingSaveState = 205
  case trainingLoadState = 206
  case trainingUnload = 207
  case trainingGetInfo = 208

  case samplingSaveWeightsForSampler = 301
  case samplingCreateSamplingSession = 302
  case samplingSample = 303
  case samplingComputeLogprobs = 304

  case checkpointsList = 401
  case checkpointsInfo = 402
  case checkpointsDelete = 403
  case checkpointsSetTTL = 404
  case checkpointsPublish = 405
  case checkpointsUnpublish = 406
  case checkpointsExport = 407
  case checkpointsImport = 408
  case checkpointsCopy = 409
  case checkpointsExportMerged = 410
  case checkpointsReadExport = 411

  case futuresAwait = 501
  case futuresCancel = 502

  case adminCapabilities = 601
  case adminHealth = 602
  case adminStats = 603
  case adminPing = 604
  case adminWorkerPing = 605

  /// Who answers a method.
  package enum Route: Sendable {
    /// The keeper beside the router.
    case keeper
    /// The worker that owns the request's stream.
    case model
    /// Any worker; preferably one that has the weights loaded.
    case sampling
    /// Whoever has the request that the header's key names.
    case future
  }

  /// How requests of one stream relate.
  package enum Ordering: Sendable {
    /// They run in the order of their seqs, each once, and their outcomes are recorded.
    case ordered
    /// They run as they come; the key only names them.
    case independent
  }

  /// Which of a worker's budgets a request uses.
  package enum Room: Sendable {
    /// Tokens of training work.
    case training
    /// Tokens of sampling work.
    case decode
    /// Counted, not measured in tokens.
    case control
  }

  /// Who answers this method.
  package var route: Route {
    switch self {
    case .sessionsCreate, .sessionsHeartbeat, .sessionsFinish, .sessionsList, .sessionsInfo,
      .sessionsSampler, .sessionsListRuns, .sessionsRun,
      .checkpointsList, .checkpointsInfo, .checkpointsDelete, .checkpointsSetTTL,
      .checkpointsPublish, .checkpointsUnpublish, .checkpointsExport, .checkpointsCopy,
      .checkpointsReadExport, .adminCapabilities, .adminHealth, .adminStats, .adminPing:
      .keeper
    case .trainingCreateModel, .trainingForward, .trainingForwardBackward, .trainingOptimStep,
      .trainingSaveState, .trainingLoadState, .trainingUnload, .trainingGetInfo,
      .samplingSaveWeightsForSampler:
      .model
    case .samplingCreateSamplingSession, .samplingSample, .samplingComputeLogprobs,
      .checkpointsImport, .checkpointsExportMerged, .adminWorkerPing:
      .sampling
    case .futuresAwait, .futuresCancel:
      .future
    }
  }

  /// Whether this method's requests run in the order of their seqs.
  package var ordering: Ordering { route == .model ? .ordered : .independent }

  /// Whether the keeper answers it from the catalog and the records on disk, which may take long.
  package var isOfCatalog: Bool {
    switch self {
    case .sessionsCreate, .sessionsHeartbeat, .sessionsFinish: false
    default: route == .keeper && service != "Admin"
    }
  }

  /// Which of a worker's budgets this method uses.
  package var room: Room {
    switch self {
    case .trainingForward, .trainingForwardBackward: .training
    case .samplingSample, .samplingComputeLogprobs: .decode
    default: .control
    }
  }

  /// Whether a request needs the token of a session.
  package var needsSession: Bool {
    switch self {
    case .sessionsCreate, .adminCapabilities, .adminHealth, .adminStats, .adminPing,
      .adminWorkerPing:
      false
    default: true
    }
  }

  /// Whether this request creates its stream, and hence must have seq 0.
  package var createsStream: Bool {
    self == .trainingCreateModel || self == .samplingCreateSamplingSession
  }

  /// Name of the service in the schema, e.g. `Training`.
  package var service: String {
    switch rawValue / 100 {
    case 1: "Sessions"
    case 2: "Training"
    case 3: "Sampling"
    case 4: "Checkpoints"
    case 5: "Futures"
    default: "Admin"
    }
  }

  /// Name of the method in its service, e.g. `ForwardBackward`.
  package var name: String {
    switch self {
    case .sessionsCreate: "Create"
    case .sessionsHeartbeat: "Heartbeat"
    case .sessionsFinish: "Finish"
    case .sessionsList: "List"
    case .sessionsInfo: "Info"
    case .sessionsSampler: "Sampler"
    case .sessionsListRuns: "ListRuns"
    case .sessionsRun: "Run"
    case .trainingCreateModel: "CreateModel"
    case .trainingForward: "Forward"
    case .trainingForwardBackward: "ForwardBackward"
    case .trainingOptimStep: "OptimStep"
    case .trainingSaveState: "SaveState"
    case .trainingLoadState: "LoadState"
    case .trainingUnload: "Unload"
    case .trainingGetInfo: "GetInfo"
    case .samplingSaveWeightsForSampler: "SaveWeightsForSampler"
    case .samplingCreateSamplingSession: "CreateSamplingSession"
    case .samplingSample: "Sample"
    case .samplingComputeLogprobs: "ComputeLogprobs"
    case .checkpointsList: "List"
    case .checkpointsInfo: "Info"
    case .checkpointsDelete: "Delete"
    case .checkpointsSetTTL: "SetTtl"
    case .checkpointsPublish: "Publish"
    case .checkpointsUnpublish: "Unpublish"
    case .checkpointsExport: "Export"
    case .checkpointsImport: "Import"
    case .checkpointsCopy: "Copy"
    case .checkpointsExportMerged: "ExportMerged"
    case .checkpointsReadExport: "ReadExport"
    case .futuresAwait: "Await"
    case .futuresCancel: "Cancel"
    case .adminCapabilities: "Capabilities"
    case .adminHealth: "Health"
    case .adminStats: "Stats"
    case .adminPing: "Ping"
    case .adminWorkerPing: "WorkerPing"
    }
  }

  /// Service and name as gRPC writes them, e.g. `tinsmith.v1.Training/ForwardBackward`.
  package var fullName: String { "tinsmith.v1.\(service)/\(name)" }
}

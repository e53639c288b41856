package import Wire
package import ZeroMQ

/// A message held by the router's `MessageStore`. The state machine never looks inside.
package typealias Parcel = MessageStore.ID

/// One connection of a client or of a worker: its routing id as a number. Without meaning beyond
/// that connection.
package struct ConnectionID: Hashable, Sendable {
  package let number: UInt64
  package init(_ number: UInt64) { self.number = number }
}

/// What the router's loop has to do; performed in order.
package enum RouterAction: Sendable {
  /// Send a request to a worker as it came.
  case forward(Parcel, to: ConnectionID)
  /// Send a request to a worker with another stream name in its header.
  indirect case forwardRenamed(Parcel, stream: String, to: ConnectionID)
  /// Send a header without a body to a worker: a refusal that its owner must record.
  indirect case tombstone(RequestHeader, to: ConnectionID)
  /// Send a response to a client as it came.
  case deliver(Parcel, to: ConnectionID)
  /// Send a response to a client with an empty stream name in its header.
  case deliverUnnamed(Parcel, to: ConnectionID)
  /// Send the router's own words to a client.
  indirect case answer(ResponseHeader, to: ConnectionID)
  /// Send a control message to a worker.
  indirect case command(RouterMessage, to: ConnectionID)
  /// Forget a message.
  case drop(Parcel)
  /// A session's lease has run out: its end is to be recorded, and then told by `end(session:)`.
  /// Until then it goes on.
  case sessionExpired(String)
  /// A line for the log.
  indirect case note(String)
  /// A line for the log that whoever runs the service should see.
  indirect case warning(String)
  /// A supervised worker does nothing any more: whoever started it should end it.
  indirect case stalled(worker: String, reason: String)
}

/// Workers of one class give the same bits; a service has workers of one class.
package struct NumericsClass: Sendable, Equatable {
  package var version: String
  package var precision: String

  package init(version: String, precision: String) {
    self.version = version
    self.precision = precision
  }
}

/// How a router is set up.
package struct RouterRules: Sendable {
  /// Workers (not counting the keeper) that belong to this installation. Until they have
  /// registered, or `recoveryMilliseconds` have passed, streams without an owner are UNAVAILABLE.
  package var expectedWorkers = 1
  /// How long an owner may be away before its models are lost.
  package var recoveryMilliseconds: UInt64 = 5000
  /// A worker that said nothing for so long is gone.
  package var workerTimeoutMilliseconds: UInt64 = 10_000
  /// Workers whose end is only known from `RouterServer.workerEnded`: on a busy host silence says
  /// nothing, and whoever started them sees them end.
  package var supervisedWorkers: Set<String> = []
  /// A supervised worker that said nothing for so long, while the router ran on time, is stopped.
  package var stallMilliseconds = RouterLimits.stallMilliseconds
  /// A worker that has work and finished none of it for so long hangs.
  package var hangMilliseconds = RouterLimits.hangMilliseconds
  /// What workers must be; nil: as the first one is.
  package var numerics: NumericsClass?
  /// Requests that one session may have outstanding.
  package var windowRequests = RouterLimits.windowRequests
  /// Bytes that one session may have outstanding.
  package var windowBytes = RouterLimits.windowBytes
  /// How long a request may wait for an earlier seq.
  package var gapMilliseconds = RouterLimits.gapMilliseconds

  /// How long a session lives without a word; never ended with work queued.
  package var leaseMilliseconds = RouterLimits.leaseMilliseconds
  /// After so long without a word from a connection nobody waits for its sampling any more.
  package var silenceMilliseconds = RouterLimits.silenceMilliseconds
  /// Workers can recover the models of a worker that has ended: another one is asked to open them.
  /// Otherwise they are lost, and their requests are answered DATA_LOSS.
  package var recoversModels = false
  /// Epochs that this router gives to owners are above it: those of a router before it were not.
  package var firstEpoch: UInt64 = 0

  package init() {}
}

/// Numbers about a router, for `Admin.Stats`.
package struct RouterCounters: Sendable, Equatable {
  package var requests: UInt64 = 0
  package var answers: UInt64 = 0
  package var refusals: UInt64 = 0
  package var unreadable: UInt64 = 0
  package var staleAnswers: UInt64 = 0
  package var held = 0
  package var inFlight = 0
  package var streams = 0
  package var sessions = 0
  package var tenants = 0
  package var connections = 0
  package var workers = 0

  package init() {}
}

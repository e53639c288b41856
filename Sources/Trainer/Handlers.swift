import Checkpoints
import Dispatch
import Engine
import RPC
import Wire

/// Registers the service's methods: each is decoded by the table and runs on the compute thread.
struct Handlers {
  let compute: ComputeThread
  let preparation: Preparation
  /// For what is made of stop strings.
  let stopQueue = DispatchQueue(label: "tinsmith.stops", qos: .userInitiated)
  /// For records of sampling sessions, so that computing does not wait for the disk.
  let recordQueue = DispatchQueue(label: "tinsmith.records", qos: .userInitiated)
  /// For long work beside the compute thread.
  let asideQueue = FairQueueOfWork(label: "tinsmith.aside")

  /// A method of a model: it runs by itself, behind the requests of its stream before it.
  func handleInOrder<Request: WireMessage & Sendable, Response: WireMessage>(
    _ table: inout MethodTable, _ method: Method, _ request: Request.Type,
    _ body: @escaping @Sendable (Worker, Request, CallContext) throws -> Response
  ) {
    table.handle(method, Request.self, Response.self) { request, context, reply in
      // Behind the data that is being prepared for the same stream.
      preparation.enqueue {
        compute.submit { worker in
          worker.queue.append(context.stream, tenant: String(context.tenant)) { worker in
            Self.run(worker, context, reply, inOrder: true) { try body(worker, request, context) }
          }
        }
      }
    }
  }

  /// Runs a handler's body and answers: refusals by the clock, timings, errors.
  /// - Parameter answer: what is done with the response instead of answering with it at once.
  static func run<Response: WireMessage>(
    _ worker: Worker, _ context: CallContext, _ reply: Reply<Response>, inOrder: Bool = false,
    _ body: () throws -> Response, answer: ((Response, ReplyInfo) -> Void)? = nil
  ) {
    var info = ReplyInfo()
    let start = Monotonic.microseconds()
    info.queueMicroseconds = start - context.received
    defer { worker.progress() }
    do {
      try refuseIfUnwanted(context)
      let response = try body()
      info.computeMicroseconds = Monotonic.microseconds() - start
      if inOrder { worker.passed(context, info.computeMicroseconds) }
      if let answer { answer(response, info) } else { reply.finish(response, info: info) }
    } catch {
      let error = RPCError.from(error)
      info.computeMicroseconds = Monotonic.microseconds() - start
      // What does not take its seq has not happened: it comes again.
      if inOrder, error.code.consumesSeq { worker.passed(context, info.computeMicroseconds) }
      reply.fail(error, info: info)
    }
  }

  /// - Throws: CANCELLED or DEADLINE_EXCEEDED.
  static func refuseIfUnwanted(_ context: CallContext) throws(RPCError) {
    if context.isCancelled { throw RPCError(.cancelled, "cancelled by the client") }
    if context.isExpired {
      throw RPCError(.deadlineExceeded, "the deadline passed before the request could run")
    }
  }
}

/// 64-bit FNV-1a: seeds that follow from a key alone.
func keyHash(_ stream: String, _ seq: UInt64) -> UInt64 {
  var hash: UInt64 = 0xcbf2_9ce4_8422_2325
  func mix(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
  for byte in stream.utf8 { mix(byte) }
  for shift in stride(from: 0, to: 64, by: 8) { mix(UInt8(truncatingIfNeeded: seq >> shift)) }
  return hash
}

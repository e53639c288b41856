package import Wire

/// Method -> handler. The closures hold the message types, so the loop never knows them.
package struct MethodTable: Sendable {
  typealias Handler = @Sendable (Payload, CallContext, Reply<Payload>) -> Void

  private var handlers: [Method: Handler] = [:]

  package init() {}

  /// Registers the handler of a method; the last registration counts.
  ///
  /// It is called on the service's loop thread and must not block: work goes to other threads,
  /// which complete the reply. Requests of an ordered stream are handed over in the order of their
  /// seqs, the next one possibly before the answer of the last: whoever computes keeps the order.
  /// A request that cannot be decoded is answered INVALID_ARGUMENT with the field's path.
  package mutating func handle<Request: WireMessage, Response: WireMessage>(
    _ method: Method, _ request: Request.Type = Request.self,
    _ response: Response.Type = Response.self,
    _ body: @escaping @Sendable (Request, CallContext, Reply<Response>) -> Void
  ) {
    handlers[method] = { payload, context, reply in
      do throws(WireError) {
        body(try Request.decode(payload), context, reply.typed(Response.self))
      } catch {
        reply.fail(RPCError(error))
      }
    }
  }

  /// Registers a handler that answers at once.
  package mutating func answer<Request: WireMessage, Response: WireMessage>(
    _ method: Method, _ request: Request.Type = Request.self,
    _ body: @escaping @Sendable (Request, CallContext) throws -> Response
  ) {
    handle(method, Request.self, Response.self) { request, context, reply in
      do {
        reply.finish(try body(request, context))
      } catch {
        reply.fail(RPCError(wrapping: error))
      }
    }
  }

  /// Takes over the handlers of another table.
  package mutating func merge(_ other: MethodTable) {
    handlers.merge(other.handlers) { _, new in new }
  }

  /// The methods that have a handler.
  package var methods: Set<Method> { Set(handlers.keys) }

  func handler(of method: Method) -> Handler? { handlers[method] }
}

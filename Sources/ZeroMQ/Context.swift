internal import CZMQ

/// One libzmq context: its I/O threads and the name space of `inproc://` endpoints.
///
/// Sockets keep their context alive, so the last release ends it; nothing blocks, because every
/// socket has linger 0 and is closed before.
///
/// `@unchecked Sendable`: a `zmq_ctx_t` is documented to be thread safe.
package final class Context: @unchecked Sendable {
  let handle: UnsafeMutableRawPointer

  /// - Parameter ioThreads: libzmq's network threads; one moves about a gigabyte a second.
  package init(ioThreads: Int = 1) throws(ZMQError) {
    guard let handle = zmq_ctx_new() else { throw .last("zmq_ctx_new") }
    self.handle = handle
    try check("zmq_ctx_set") { zmq_ctx_set(handle, ZMQ_IO_THREADS, Int32(ioThreads)) }
    try check("zmq_ctx_set") { zmq_ctx_set(handle, ZMQ_MAX_SOCKETS, 16_384) }
  }

  deinit { zmq_ctx_term(handle) }
}

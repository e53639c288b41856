internal import CZMQ

/// One received message part. It owns a `zmq_msg_t` at an address that never moves, so that a
/// value elsewhere can view its bytes with no copy for as long as it keeps the frame alive.
///
/// `@unchecked Sendable`: after `Socket.receive` filled it nothing changes it.
package final class Frame: @unchecked Sendable {
  let message: UnsafeMutablePointer<zmq_msg_t>

  init() {
    message = .allocate(capacity: 1)
    zmq_msg_init(message)
  }

  deinit {
    zmq_msg_close(message)
    message.deallocate()
  }

  /// The bytes of the frame; valid while the frame lives.
  package var bytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: zmq_msg_data(message), count: zmq_msg_size(message))
  }
}

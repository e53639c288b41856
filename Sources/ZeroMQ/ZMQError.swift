internal import CZMQ
internal import Glibc

/// A failed libzmq call: the `errno` it left, the call, and libzmq's own text for it.
package struct ZMQError: Error, Equatable, CustomStringConvertible {
  /// The value of `zmq_errno()`.
  package let code: Int32
  /// The C function that failed.
  package let call: String

  package init(code: Int32, call: String) {
    self.code = code
    self.call = call
  }

  /// libzmq's text for the code.
  package var message: String { String(cString: zmq_strerror(code)) }
  package var description: String { "\(call): \(message) (\(code))" }

  /// The context was terminated: the owner of the socket should leave its loop.
  package var isTerminated: Bool { code == Int32(bitPattern: UInt32(ETERM)) }
  /// A ROUTER knows no peer of that identity (any more).
  package var isUnreachable: Bool { code == EHOSTUNREACH }

  static func last(_ call: String) -> ZMQError { ZMQError(code: zmq_errno(), call: call) }
}

/// Runs a C call that returns -1 for failure; repeats it when a signal interrupted it.
@discardableResult
@inline(__always)
func check(_ call: String, _ body: () -> Int32) throws(ZMQError) -> Int32 {
  while true {
    let result = body()
    if result >= 0 { return result }
    if zmq_errno() != EINTR { throw .last(call) }
  }
}

/// Like `check`, but gives nil where the call would have had to wait (EAGAIN).
@inline(__always)
func checkAgain(_ call: String, _ body: () -> Int32) throws(ZMQError) -> Int32? {
  while true {
    let result = body()
    if result >= 0 { return result }
    let code = zmq_errno()
    if code == EAGAIN { return nil }
    if code != EINTR { throw ZMQError(code: code, call: call) }
  }
}

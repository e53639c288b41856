internal import CZMQ

/// The version of libzmq that this process has loaded, e.g. `4.3.4`.
package var zeroMQVersion: String {
  var (major, minor, patch): (Int32, Int32, Int32) = (0, 0, 0)
  zmq_version(&major, &minor, &patch)
  return "\(major).\(minor).\(patch)"
}

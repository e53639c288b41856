// One connection to a service: a DEALER socket and what watches it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <zmq.hpp>

#include "tinsmith/codec.hpp"
#include "tinsmith/v1/envelope.pb.h"

namespace tinsmith {

/// One message of the service.
struct Response {
  v1::ResponseHeader header;
  Frames frames;
};

/// A DEALER socket, connected as the wire specification asks for. To be used by one thread at a
/// time. ZeroMQ reconnects by itself but may lose messages, so a connection that `lost()` something
/// is to be replaced by a new one.
class Connection {
 public:
  /// Starts to connect to `endpoint`, e.g. "tcp://127.0.0.1:7410", and returns at once. Throws
  /// zmq::error_t if it is no endpoint.
  Connection(zmq::context_t& context, const std::string& endpoint);

  /// Sends these frames as one message. False if the socket cannot take them, in which case nothing
  /// was sent.
  bool send(const Frames& frames);
  /// Sends a request.
  bool send(const v1::RequestHeader& header, const Frames& body);
  /// The next response if one comes within `timeout`. Messages without a readable header are
  /// dropped.
  std::optional<Response> receive(std::chrono::milliseconds timeout);

  /// Whether the transport reported a disconnection since the connection was opened.
  bool lost();

  /// For polling: readable when there is a response.
  zmq::socket_ref socket() { return socket_; }
  /// For polling: readable when the connection was lost.
  zmq::socket_ref monitor() { return monitor_; }

 private:
  bool put(const std::string& frame, bool more);

  zmq::socket_t socket_;
  zmq::socket_t monitor_;
  bool lost_ = false;
};

}  // namespace tinsmith

#include "tinsmith/connection.hpp"

#include <atomic>

namespace tinsmith {
namespace {

// Messages; the window of the service bounds what is under way far below.
constexpr int kHighWaterMark = 16384;

std::string unique_monitor_address() {
  static std::atomic<unsigned> count{0};
  return "inproc://tinsmith-monitor-" + std::to_string(count++);
}

}  // namespace

Connection::Connection(zmq::context_t& context, const std::string& endpoint)
    : socket_(context, zmq::socket_type::dealer), monitor_(context, zmq::socket_type::pair) {
  socket_.set(zmq::sockopt::linger, 0);
  socket_.set(zmq::sockopt::sndhwm, kHighWaterMark);
  socket_.set(zmq::sockopt::rcvhwm, kHighWaterMark);
  monitor_.set(zmq::sockopt::linger, 0);

  const std::string address = unique_monitor_address();
  if (zmq_socket_monitor(socket_.handle(), address.c_str(), ZMQ_EVENT_DISCONNECTED) != 0) {
    throw zmq::error_t();
  }
  monitor_.connect(address);
  socket_.connect(endpoint);
}

bool Connection::put(const std::string& frame, bool more) {
  auto flags = zmq::send_flags::dontwait;
  if (more) flags = flags | zmq::send_flags::sndmore;
  return socket_.send(zmq::buffer(frame), flags).has_value();
}

// ZeroMQ takes a message whole or not at all, so only its first frame can be refused.
bool Connection::send(const Frames& frames) {
  for (std::size_t i = 0; i < frames.size(); i++) {
    if (!put(frames[i], i + 1 < frames.size())) return false;
  }
  return true;
}

bool Connection::send(const v1::RequestHeader& header, const Frames& body) {
  return put(header.SerializeAsString(), !body.empty()) && send(body);
}

std::optional<Response> Connection::receive(std::chrono::milliseconds timeout) {
  zmq::pollitem_t items[] = {{socket_.handle(), 0, ZMQ_POLLIN, 0}};
  zmq::message_t frame;
  for (;;) {
    if (!socket_.recv(frame, zmq::recv_flags::dontwait)) {
      if (timeout.count() == 0 || zmq::poll(items, 1, timeout) == 0) return std::nullopt;
      continue;
    }
    Response response;
    const bool readable =
        response.header.ParseFromArray(frame.data(), static_cast<int>(frame.size()));
    while (frame.more()) {
      if (!socket_.recv(frame)) break;
      response.frames.push_back(frame.to_string());
    }
    if (readable) return response;
  }
}

bool Connection::lost() {
  zmq::message_t event;
  // The monitor reports nothing but disconnections.
  while (monitor_.recv(event, zmq::recv_flags::dontwait)) lost_ = true;
  return lost_;
}

}  // namespace tinsmith

// A service in this process that does what a test says.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>
#include <zmq.hpp>

#include "tinsmith/connection.hpp"

/// A ROUTER socket on a port of its own, and a thread that answers with `handler`.
class FakeService {
 public:
  struct Request {
    tinsmith::v1::RequestHeader header;
    tinsmith::Frames frames;
    /// Routing id: which of the client's connections it came on.
    std::string connection;
  };
  /// Gives the answers of a request. Their stream and seq are filled in.
  using Handler = std::function<std::vector<tinsmith::Response>(const Request&)>;

  explicit FakeService(Handler handler, const std::string& endpoint = "tcp://127.0.0.1:*")
      : socket_(context_, zmq::socket_type::router), handler_(std::move(handler)) {
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::rcvtimeo, 10);
    socket_.bind(endpoint);
    endpoint_ = socket_.get(zmq::sockopt::last_endpoint);
    thread_ = std::thread([this] { run(); });
  }
  ~FakeService() {
    stopping_ = true;
    thread_.join();
  }
  const std::string& endpoint() const { return endpoint_; }

 private:
  void run() {
    while (!stopping_) {
      zmq::message_t frame;
      if (!socket_.recv(frame)) continue;
      Request request;
      request.connection = frame.to_string();
      for (bool first = true; frame.more(); first = false) {
        if (!socket_.recv(frame)) return;
        if (first) {
          request.header.ParseFromArray(frame.data(), static_cast<int>(frame.size()));
        } else {
          request.frames.push_back(frame.to_string());
        }
      }
      for (auto& response : handler_(request)) {
        response.header.set_stream(request.header.stream());
        response.header.set_seq(request.header.seq());
        send(request.connection, 1);
        send(response.header.SerializeAsString(), response.frames.size());
        for (std::size_t i = 0; i < response.frames.size(); i++) {
          send(response.frames[i], response.frames.size() - i - 1);
        }
      }
    }
  }
  void send(const std::string& frame, std::size_t frames_left) {
    socket_.send(zmq::buffer(frame),
                 frames_left > 0 ? zmq::send_flags::sndmore : zmq::send_flags::none);
  }

  zmq::context_t context_;
  zmq::socket_t socket_;
  std::string endpoint_;
  Handler handler_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

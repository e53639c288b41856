// Requests and their answers over connections that come and go.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "tinsmith/connection.hpp"
#include "tinsmith/future.hpp"

namespace tinsmith {

/// How a channel behaves; the defaults suit most.
struct ChannelOptions {
  /// Something is sent at least so often.
  std::chrono::milliseconds heartbeat{10'000};
  /// While answers are awaited and nothing is heard for so long, the service is asked for a sign.
  std::chrono::milliseconds probe{2'000};
  /// After so much silence although something was asked, a new connection is opened.
  std::chrono::milliseconds silence{6'000};
  /// After so long of silence, or of refusals that invite to try again, a request fails: counted
  /// from the first of these refusals, or from the last word of an address that says nothing.
  std::chrono::milliseconds give_up{300'000};
  /// A request without a word for so long is asked for, again after twice as long, and so on.
  std::chrono::milliseconds ask{30'000};
  /// Gets a line for people when one request has been waited for that long. Called on the channel's
  /// thread, so it must not wait or throw; empty: to standard error.
  std::function<void(const std::string&)> log = {};
};

/// A request, encoded.
struct Request {
  v1::Method method = v1::METHOD_UNSPECIFIED;
  /// Its seq is the next one of the stream.
  std::string stream;
  Frames frames;
  /// Sum of RequestFlag bits.
  std::uint32_t flags = 0;
  /// Milliseconds until it is no longer wanted; 0: no limit.
  std::uint32_t timeout_ms = 0;
  /// Size of the work in tokens, for fairness between tenants.
  std::uint64_t cost_prompt_tokens = 0;
  std::uint64_t cost_new_tokens = 0;
  /// Gets the FINAL, whatever its code, exactly once.
  std::function<void(Response)> on_final;
  /// Gets each PARTIAL; may be empty.
  std::function<void(Response)> on_partial;
};

/// Sends requests and brings their answers. Submitting never waits. One thread owns the socket,
/// sends what the service's window lets in, sends again what was refused for now or lost with a
/// connection, and calls the requests' functions, which must neither wait nor throw. All methods
/// may be called from any thread.
class Channel {
 public:
  /// Starts to connect and returns at once. Throws zmq::error_t if `endpoint` is none.
  explicit Channel(const std::string& endpoint, ChannelOptions options = {});
  /// Ends what has no answer with CANCELLED.
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  /// Queues a request; returns its key.
  Key submit(Request request);
  /// Gives a request up: its FINAL says CANCELLED, or what it had become before.
  void cancel(const Key& key);
  /// From now on requests carry this token, and the session is kept alive.
  void set_session(const std::string& token, std::chrono::milliseconds heartbeat);
  /// Waits until the window has let in everything that was submitted: how to bound memory in a loop
  /// that submits far ahead.
  void wait_until_ready();

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace tinsmith

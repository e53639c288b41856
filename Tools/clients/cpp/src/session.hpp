// A session, shared by the clients that belong to it.
#pragma once

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "tinsmith/channel.hpp"
#include "tinsmith/status.hpp"

namespace tinsmith {

/// How a request is to be sent, besides what it says.
struct CallOptions {
  std::uint32_t flags = 0;
  std::uint64_t cost_prompt_tokens = 0;
  std::uint64_t cost_new_tokens = 0;
  std::function<void(Response)> on_partial;
};

/// The channel, the session's id, and the counters that streams are named by.
class Session : public std::enable_shared_from_this<Session> {
 public:
  /// Opens a session; throws a StatusError if the service refuses. `timeout_ms` goes into every
  /// request of it.
  static std::shared_ptr<Session> open(const std::string& endpoint, const std::string& api_key,
                                       std::uint32_t timeout_ms, ChannelOptions options);
  /// Ends the session, waiting a second at most.
  ~Session();

  const std::string& id() const { return id_; }
  std::string next_model() { return id_ + ":train:" + std::to_string(models_++); }
  std::string next_sampler() { return id_ + ":sample:" + std::to_string(samplers_++); }
  Channel& channel() { return channel_; }

  /// Sends a request and decodes its answer.
  template <class Answer>
  Future<Answer> call(v1::Method method, const std::string& stream,
                      google::protobuf::Message&& message, CallOptions options = {}) {
    auto promise = std::make_shared<std::promise<Answer>>();
    Request request;
    request.method = method;
    request.stream = stream;
    request.frames = encode(std::move(message));
    request.flags = options.flags;
    request.timeout_ms = timeout_ms_;
    request.cost_prompt_tokens = options.cost_prompt_tokens;
    request.cost_new_tokens = options.cost_new_tokens;
    request.on_partial = std::move(options.on_partial);
    request.on_final = [promise](Response response) { settle(*promise, std::move(response)); };
    Key key = channel_.submit(std::move(request));
    auto cancel = [session = weak_from_this(), key] {
      if (const auto alive = session.lock()) alive->channel_.cancel(key);
    };
    return Future<Answer>(promise->get_future(), std::move(key), std::move(cancel));
  }

 private:
  Session(const std::string& endpoint, std::uint32_t timeout_ms, ChannelOptions options)
      : channel_(endpoint, options), timeout_ms_(timeout_ms) {}

  template <class Answer>
  static void settle(std::promise<Answer>& promise, Response response) {
    if (response.header.code() != v1::STATUS_CODE_OK) {
      return promise.set_exception(error_of(response.header));
    }
    try {
      Answer answer;
      decode(std::move(response.frames), answer);
      promise.set_value(std::move(answer));
    } catch (const std::invalid_argument& error) {
      promise.set_exception(std::make_exception_ptr(Internal(error.what(), "")));
    }
  }

  Channel channel_;
  const std::uint32_t timeout_ms_;
  std::string id_;
  std::atomic<unsigned> models_{0}, samplers_{0};
};

}  // namespace tinsmith

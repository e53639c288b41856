// The answer of a request, to come.
#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <string>
#include <utility>

namespace tinsmith {

/// What a request is called on the wire. The client chooses it; sending it again is always safe.
struct Key {
  std::string stream;
  std::uint64_t seq = 0;

  friend bool operator<(const Key& a, const Key& b) {
    return a.stream != b.stream ? a.stream < b.stream : a.seq < b.seq;
  }
};

/// A std::future that knows its request. get() gives the answer or throws a StatusError; a future
/// that is dropped does not wait and does not cancel.
template <class Response>
class Future : public std::future<Response> {
 public:
  Future() = default;
  Future(std::future<Response> future, Key key, std::function<void()> cancel)
      : std::future<Response>(std::move(future)),
        key_(std::move(key)),
        cancel_(std::move(cancel)) {}

  /// The key of the request.
  const Key& key() const { return key_; }
  /// Gives the request up. The future then throws Cancelled, or has what was done before.
  void cancel() const { cancel_(); }

 private:
  Key key_;
  std::function<void()> cancel_;
};

}  // namespace tinsmith

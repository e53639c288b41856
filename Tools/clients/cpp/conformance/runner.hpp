// Executes the steps of a scenario against a live service.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lines.hpp"

namespace conformance {

/// Interprets Tests/Conformance/scenario.json as its README says.
class Runner {
 public:
  /// `print` gets each line, without a newline.
  Runner(std::string endpoint, json data, std::function<void(const std::string&)> print);

  /// Does one step. Throws what tells why it cannot be done, or std::runtime_error when an answer
  /// does not come within 120 s.
  void run(const json& step);

 private:
  using Key = std::pair<std::string, std::uint64_t>;
  struct Session {
    std::string id, token;
  };
  // What was sent under one name: one request, or several that differ in their seqs.
  struct Sent {
    std::vector<Key> keys;
    std::vector<tinsmith::Frames> messages;
    std::string connection, session;
    const google::protobuf::Descriptor* response = nullptr;
  };
  struct Received {
    std::deque<tinsmith::Response> finals;
    std::vector<tinsmith::Response> partials;
  };

  void send(const json& step);
  void resend(Sent& sent, const std::string& connection);
  // Sends Futures.Await or Futures.Cancel with the key of a request.
  void send_about(const json& step, tinsmith::v1::Method method);
  void show_final(const json& step);
  void show_count(const std::string& name);
  tinsmith::Response take_final(Sent& sent, const Key& key, bool once);
  // Receives until `done`, with heartbeats meanwhile.
  void receive(const Sent& sent, const std::function<bool()>& done);
  void deliver(const std::string& name, const tinsmith::Frames& message);
  tinsmith::v1::RequestHeader header_of(const json& step) const;
  std::string token_of(const std::string& session) const;
  json with_ids(const json& value) const;
  std::string with_names(std::string text) const;

  std::string endpoint_;
  json data_;
  std::function<void(const std::string&)> print_;
  zmq::context_t context_;
  std::map<std::string, std::unique_ptr<tinsmith::Connection>> connections_;
  std::map<std::string, Session> sessions_;
  std::map<std::string, Sent> sent_;
  std::map<Key, Received> received_;
  std::map<std::string, tinsmith::Frames> remembered_;
  std::uint64_t heartbeats_ = 0;
};

}  // namespace conformance

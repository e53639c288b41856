#include "runner.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "tinsmith/v1/sessions.pb.h"

namespace conformance {
namespace {

namespace v1 = tinsmith::v1;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr auto kAnswerWithin = 120s;
constexpr auto kHeartbeatAfter = 10s;

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

bool is_retryable(v1::StatusCode code) {
  return code == v1::STATUS_CODE_RESOURCE_EXHAUSTED || code == v1::STATUS_CODE_UNAVAILABLE ||
         code == v1::STATUS_CODE_ABORTED;
}

}  // namespace

Runner::Runner(std::string endpoint, json data, std::function<void(const std::string&)> print)
    : endpoint_(std::move(endpoint)), data_(std::move(data)), print_(std::move(print)) {}

void Runner::run(const json& form) {
  if (!form.contains("do")) return;
  const json step = with_ids(form);
  const std::string verb = step.at("do");
  if (verb == "connect") {
    connections_[step.at("connection")] =
        std::make_unique<tinsmith::Connection>(context_, endpoint_);
  } else if (verb == "close") {
    connections_.erase(step.at("connection"));
  } else if (verb == "send") {
    send(step);
  } else if (verb == "resend") {
    resend(sent_.at(step.at("name")), step.at("on"));
  } else if (verb == "await") {
    send_about(step, v1::METHOD_FUTURES_AWAIT);
  } else if (verb == "cancel") {
    send_about(step, v1::METHOD_FUTURES_CANCEL);
  } else if (verb == "frames") {
    tinsmith::Frames frames;
    for (const json& frame : step.at("frames")) frames.push_back(unhex(frame));
    Sent& sent = sent_[step.at("name")] = {};
    sent.keys = {{"", 0}};
    sent.messages = {frames};
    resend(sent, step.at("on"));
  } else if (verb == "partial") {
    const Sent& sent = sent_.at(step.at("name"));
    receive(sent, [&] { return !received_[sent.keys.at(0)].partials.empty(); });
  } else if (verb == "final") {
    show_final(step);
  } else if (verb == "pause") {
    std::this_thread::sleep_for(std::chrono::milliseconds(step.at("ms").get<int>()));
  } else {
    throw std::runtime_error("cannot do " + verb);
  }
}

v1::RequestHeader Runner::header_of(const json& step) const {
  v1::RequestHeader header;
  header.set_protocol_version(step.value("version", 1));
  header.set_client_name("tinsmith-cpp-conformance");
  header.set_stream(step.at("stream"));
  header.set_seq(step.at("seq"));
  header.set_acked(step.value("acked", 0));
  header.set_timeout_ms(step.value("timeout_ms", 0));
  header.set_cost_prompt_tokens(step.value("cost_prompt_tokens", 0));
  header.set_cost_new_tokens(step.value("cost_new_tokens", 0));
  header.set_session_token(step.value("token", token_of(step.value("session", ""))));
  std::uint32_t flags = 0;
  for (const json& name : step.value("flags", json::array())) {
    v1::RequestFlag flag;
    if (!v1::RequestFlag_Parse("REQUEST_FLAG_" + name.get<std::string>(), &flag)) {
      throw std::runtime_error("no flag " + name.dump());
    }
    flags |= flag;
  }
  header.set_flags(flags);
  return header;
}

void Runner::send(const json& step) {
  Sent& sent = sent_[step.at("name")] = {};
  sent.session = step.value("session", "");
  v1::RequestHeader header = header_of(step);

  tinsmith::Frames body{""};
  const json& method = step.at("method");
  if (method.is_number()) {
    header.set_method(static_cast<v1::Method>(method.get<int>()));
  } else {
    const Method found = find_method(method);
    header.set_method(static_cast<v1::Method>(found.number));
    sent.response = found.response;
    if (step.contains("body")) {
      const auto message = make_message(found.request);
      fill(*message, step.at("body"), data_);
      const bool attach = step.value("attachments", false);
      body = tinsmith::encode(std::move(*message), attach ? 0 : SIZE_MAX);
    }
  }
  if (step.contains("body_hex")) body = {unhex(step.at("body_hex"))};

  for (int i = 0, count = step.value("count", 1); i < count; i++) {
    tinsmith::Frames message{header.SerializeAsString()};
    message.insert(message.end(), body.begin(), body.end());
    sent.keys.emplace_back(header.stream(), header.seq());
    sent.messages.push_back(std::move(message));
    header.set_seq(header.seq() + 1);
  }
  resend(sent, step.at("on"));
}

void Runner::resend(Sent& sent, const std::string& connection) {
  sent.connection = connection;
  for (const auto& message : sent.messages) deliver(connection, message);
}

void Runner::send_about(const json& step, v1::Method method) {
  Sent& sent = sent_[step.at("name")];
  if (step.contains("seq")) {
    sent.keys = {{step.at("stream"), step.at("seq")}};
    sent.session = step.at("session");
  }
  sent.connection = step.at("on");
  v1::RequestHeader header;
  header.set_protocol_version(1);
  header.set_method(method);
  header.set_session_token(token_of(sent.session));
  for (const Key& key : sent.keys) {
    header.set_stream(key.first);
    header.set_seq(key.second);
    deliver(sent.connection, {header.SerializeAsString()});
  }
}

void Runner::deliver(const std::string& name, const tinsmith::Frames& message) {
  if (!connections_.at(name)->send(message)) throw std::runtime_error("cannot send on " + name);
}

void Runner::receive(const Sent& sent, const std::function<bool()>& done) {
  auto& connection = *connections_.at(sent.connection);
  const auto begin = steady_clock::now();
  auto heartbeat_at = begin + kHeartbeatAfter;
  while (!done()) {
    const auto now = steady_clock::now();
    if (now - begin > kAnswerWithin) throw std::runtime_error("no answer within 120 s");
    if (now > heartbeat_at) {
      v1::RequestHeader header;
      header.set_protocol_version(1);
      header.set_method(v1::METHOD_SESSIONS_HEARTBEAT);
      header.set_seq((std::uint64_t{1} << 33) + heartbeats_++);
      header.set_session_token(token_of(sent.session));
      connection.send(header, {});
      heartbeat_at = now + kHeartbeatAfter;
    }
    auto response = connection.receive(1s);
    if (!response || response->header.event() == v1::EVENT_ACCEPTED) continue;
    if (response->frames.empty()) response->frames.emplace_back();
    Received& received = received_[{response->header.stream(), response->header.seq()}];
    if (response->header.event() == v1::EVENT_PARTIAL) {
      received.partials.push_back(std::move(*response));
    } else {
      received.finals.push_back(std::move(*response));
    }
  }
}

tinsmith::Response Runner::take_final(Sent& sent, const Key& key, bool once) {
  auto& finals = received_[key].finals;
  for (;;) {
    receive(sent, [&] { return !finals.empty(); });
    tinsmith::Response response = std::move(finals.front());
    finals.pop_front();
    if (once || !is_retryable(response.header.code())) return response;
    const auto wait = std::max<std::uint32_t>(response.header.retry_after_ms(), 10);
    std::this_thread::sleep_for(std::chrono::milliseconds(wait));
    const auto at = std::find(sent.keys.begin(), sent.keys.end(), key) - sent.keys.begin();
    if (!sent.messages.empty()) deliver(sent.connection, sent.messages.at(at));
  }
}

void Runner::show_final(const json& step) {
  const std::string name = step.at("name");
  Sent& sent = sent_.at(name);
  if (step.at("show") == json::array({"count"})) return show_count(name);

  const Key key = sent.keys.at(0);
  Observation seen{name, take_final(sent, key, step.value("once", false)), received_[key].partials,
                   sent.response};
  if (step.contains("bind")) {
    v1::CreateSessionResponse session;
    tinsmith::decode(seen.final.frames, session);
    sessions_[step.at("bind")] = {session.session_id(), session.token()};
  }
  for (const std::string show : step.at("show")) {
    if (show.rfind("same:", 0) == 0) {
      const std::string other = show.substr(5);
      const auto found = remembered_.find(other);
      const bool same = found != remembered_.end() && found->second == seen.final.frames;
      print_("same " + name + " " + other + (same ? " yes" : " no"));
    } else {
      for (const auto& line : lines(seen, show)) print_(with_names(line));
    }
  }
  remembered_[name] = std::move(seen.final.frames);
}

void Runner::show_count(const std::string& name) {
  Sent& sent = sent_.at(name);
  std::map<std::string, int> counts;
  for (const Key& key : sent.keys) counts[code_name(take_final(sent, key, false).header)]++;
  for (const auto& [code, count] : counts) {
    print_("count " + name + " " + code + " " + std::to_string(count));
  }
}

std::string Runner::token_of(const std::string& session) const {
  return session.empty() ? "" : sessions_.at(session).token;
}

// `value` with ${name} replaced by the ids of sessions, in texts at any depth.
json Runner::with_ids(const json& value) const {
  if (value.is_string()) {
    std::string text = value;
    for (const auto& [name, session] : sessions_) replace_all(text, "${" + name + "}", session.id);
    return text;
  }
  json result = value;
  if (value.is_structured()) {
    for (auto& each : result) each = with_ids(each);
  }
  return result;
}

// `text` with the ids of sessions replaced by ${name}.
std::string Runner::with_names(std::string text) const {
  for (const auto& [name, session] : sessions_) replace_all(text, session.id, "${" + name + "}");
  return text;
}

}  // namespace conformance

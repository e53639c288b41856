#include "request_table.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace tinsmith {
namespace {

using std::chrono::milliseconds;

// The service keeps so many answers of a model that were not acknowledged.
constexpr std::uint64_t kAnswersKept = 256;
constexpr milliseconds kFirstBackoff{10};
constexpr milliseconds kLongestBackoff{1000};
constexpr int kLongestAsk = 10;  // times the first one
// About what a header takes; the window counts the bytes of all frames.
constexpr std::uint64_t kHeaderBytes = 256;

// Streams of models: their requests run in the order of their seqs, and answers are recorded.
bool runs_in_order(v1::Method method) {
  return (method >= v1::METHOD_TRAINING_CREATE_MODEL && method <= v1::METHOD_TRAINING_GET_INFO) ||
         method == v1::METHOD_SAMPLING_SAVE_WEIGHTS_FOR_SAMPLER;
}

bool invites_repeat(v1::StatusCode code) {
  return code == v1::STATUS_CODE_RESOURCE_EXHAUSTED || code == v1::STATUS_CODE_UNAVAILABLE ||
         code == v1::STATUS_CODE_ABORTED;
}

// After these the state of a model is not what the client believes, or not the client's.
bool ends_stream(v1::StatusCode code) {
  return code == v1::STATUS_CODE_PERMISSION_DENIED || code == v1::STATUS_CODE_UNAUTHENTICATED ||
         code == v1::STATUS_CODE_DATA_LOSS;
}

Response failure(v1::StatusCode code, const std::string& message) {
  Response response;
  response.header.set_event(v1::EVENT_FINAL);
  response.header.set_code(code);
  response.header.set_message(message);
  return response;
}

}  // namespace

Key RequestTable::add(Request request, Time now) {
  Stream& stream = streams_[request.stream];
  if (stream.next_seq == 0) stream.in_order = runs_in_order(request.method);
  const Ticket ticket = next_ticket_++;
  Entry entry;
  entry.key = {request.stream, stream.next_seq++};
  entry.submitted_at = now;
  entry.bytes = kHeaderBytes;
  for (const auto& frame : request.frames) entry.bytes += frame.size();
  if (request.timeout_ms > 0) entry.deadline = now + milliseconds(request.timeout_ms);
  entry.request = std::move(request);

  const Key key = entry.key;
  by_key_[key] = ticket;
  entries_.emplace(ticket, std::move(entry));
  if (stream.failure) {
    finish(ticket, {*stream.failure, {}});
  } else {
    unsent_.push_back(ticket);
  }
  return key;
}

void RequestTable::cancel(const Key& key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return;
  Entry& entry = entries_.at(found->second);
  entry.cancelled = true;
  // What was not sent yet has a seq that others wait for: send() lets the cancel follow it.
  if (entry.sent) cancels_.push_back(key);
}

std::optional<RequestTable::Outgoing> RequestTable::next(Time now) {
  while (!cancels_.empty()) {
    const Key key = cancels_.front();
    cancels_.pop_front();
    if (by_key_.count(key) == 0) continue;
    Outgoing outgoing;
    outgoing.header.set_method(v1::METHOD_FUTURES_CANCEL);
    outgoing.header.set_stream(key.stream);
    outgoing.header.set_seq(key.seq);
    return outgoing;
  }
  while (!due_.empty() && due_.begin()->first <= now) {
    const auto [time, ticket] = *due_.begin();
    due_.erase(due_.begin());
    const auto found = entries_.find(ticket);
    if (found != entries_.end() && found->second.due_at == time) return send(ticket, now);
  }
  while (!questions_.empty() && questions_.begin()->first <= now) {
    const auto [time, ticket] = *questions_.begin();
    questions_.erase(questions_.begin());
    const auto found = entries_.find(ticket);
    if (found != entries_.end() && found->second.ask_at == time) return ask(ticket, now);
  }
  if (unsent_.empty() || !fits_window(entries_.at(unsent_.front()))) return std::nullopt;
  const Ticket ticket = unsent_.front();
  unsent_.pop_front();
  Entry& entry = entries_.at(ticket);
  entry.sent = true;
  outstanding_++;
  outstanding_bytes_ += entry.bytes;
  return send(ticket, now);
}

std::optional<RequestTable::Time> RequestTable::wake_at() const {
  std::optional<Time> first;
  for (const auto* times : {&due_, &questions_}) {
    if (!times->empty() && (!first || times->begin()->first < *first))
      first = times->begin()->first;
  }
  return first;
}

RequestTable::Outgoing RequestTable::send(Ticket ticket, Time now) {
  Entry& entry = entries_.at(ticket);
  const Stream& stream = streams_.at(entry.key.stream);
  entry.due_at.reset();
  entry.sent_at = now;
  ask_later(ticket, ask_, now);
  if (entry.cancelled) cancels_.push_back(entry.key);

  Outgoing outgoing;
  v1::RequestHeader& header = outgoing.header;
  header.set_stream(entry.key.stream);
  header.set_seq(entry.key.seq);
  if (stream.in_order) header.set_acked(stream.acked());
  if (entry.accepted) {
    header.set_method(v1::METHOD_FUTURES_AWAIT);
    return outgoing;
  }
  header.set_method(entry.request.method);
  header.set_flags(entry.request.flags);
  header.set_cost_prompt_tokens(entry.request.cost_prompt_tokens);
  header.set_cost_new_tokens(entry.request.cost_new_tokens);
  if (entry.deadline) {
    // What remains; the service counts from the arrival of each copy. Not 0, which is no limit.
    const auto left = std::chrono::duration_cast<milliseconds>(*entry.deadline - now).count();
    header.set_timeout_ms(static_cast<std::uint32_t>(std::max<decltype(left)>(left, 1)));
  }
  outgoing.frames = &entry.request.frames;
  return outgoing;
}

RequestTable::Outgoing RequestTable::ask(Ticket ticket, Time now) {
  Entry& entry = entries_.at(ticket);
  const milliseconds next = std::min(2 * entry.ask_after, kLongestAsk * ask_);
  Outgoing outgoing;
  if (entry.key.stream.find(':') == std::string::npos) {
    outgoing = send(ticket, now);  // Of no session: nobody keeps an answer for it.
  } else {
    const Stream& stream = streams_.at(entry.key.stream);
    outgoing.header.set_method(v1::METHOD_FUTURES_AWAIT);
    outgoing.header.set_stream(entry.key.stream);
    outgoing.header.set_seq(entry.key.seq);
    if (stream.in_order) outgoing.header.set_acked(stream.acked());
  }
  ask_later(ticket, next, now);
  return outgoing;
}

void RequestTable::ask_later(Ticket ticket, milliseconds after, Time now) {
  Entry& entry = entries_.at(ticket);
  entry.ask_after = after;
  entry.ask_at = now + after;
  questions_.emplace(*entry.ask_at, ticket);
}

void RequestTable::let_in(Ticket ticket, const char* said, Time now) {
  Entry& entry = entries_.at(ticket);
  entry.refused_since.reset();
  entry.said = said;
  if (!entry.due_at) ask_later(ticket, ask_, now);
}

bool RequestTable::fits_window(const Entry& entry) const {
  const Stream& stream = streams_.at(entry.key.stream);
  if (stream.in_order && entry.key.seq >= stream.first_open + kAnswersKept) return false;
  return outstanding_ == 0 ||
         (outstanding_ < window_requests_ && outstanding_bytes_ + entry.bytes <= window_bytes_);
}

void RequestTable::receive(Response response, Time now) {
  const v1::ResponseHeader& header = response.header;
  if (header.window_requests() > 0) window_requests_ = header.window_requests();
  if (header.window_bytes() > 0) window_bytes_ = header.window_bytes();

  const auto found = by_key_.find({header.stream(), header.seq()});
  if (found == by_key_.end()) return;
  const Ticket ticket = found->second;
  Entry& entry = entries_.at(ticket);
  if (!entry.sent) return;
  Stream& stream = streams_.at(header.stream());
  if (header.epoch() != 0) {
    if (header.epoch() < stream.epoch) return;
    stream.epoch = header.epoch();
  }

  switch (header.event()) {
    case v1::EVENT_ACCEPTED:
      // Its frames are kept all the same, for a service that knows nothing of it any more.
      entry.accepted = stream.in_order;
      let_in(ticket, "accepted", now);
      break;
    case v1::EVENT_PARTIAL:
      let_in(ticket, "a piece of the answer", now);
      if (entry.request.on_partial) {
        auto piece = std::make_shared<Response>(std::move(response));
        callbacks_.push_back(
            [on_partial = entry.request.on_partial, piece] { on_partial(std::move(*piece)); });
      }
      break;
    case v1::EVENT_FINAL:
      if (invites_repeat(header.code())) {
        refuse(ticket, std::move(response), now);
      } else if (stream.in_order && ends_stream(header.code())) {
        fail_stream(header.stream(), v1::ResponseHeader(header));
      } else {
        finish(ticket, std::move(response));
      }
      break;
    default:
      break;
  }
}

void RequestTable::refuse(Ticket ticket, Response response, Time now) {
  Entry& entry = entries_.at(ticket);
  const bool in_order = streams_.at(entry.key.stream).in_order;
  // What was with the service for long had been let in: the patience begins anew.
  if (!entry.refused_since || now - entry.sent_at >= ask_) {
    entry.refused_since = now;
    entry.backoff = kFirstBackoff;
  }
  if (now - *entry.refused_since >= give_up_) {
    // The seq stays unused, so nothing behind it can run.
    if (in_order) return fail_stream(Key(entry.key).stream, response.header);
    return finish(ticket, std::move(response));
  }
  // A model's service must record the deadline itself, or the seq would stay unused.
  if (entry.deadline && now >= *entry.deadline && !in_order) {
    return finish(ticket, failure(v1::STATUS_CODE_DEADLINE_EXCEEDED, "timeout_ms passed"));
  }
  entry.accepted = false;  // If it was only asked for: there is nothing to ask for.
  entry.ask_at.reset();
  entry.said = v1::StatusCode_Name(response.header.code()) + ": " + response.header.message();
  milliseconds wait(response.header.retry_after_ms());
  if (wait.count() == 0) {
    wait = entry.backoff;
    entry.backoff = std::min(2 * entry.backoff, kLongestBackoff);
  }
  // Up to a quarter more, so that many clients do not come back at once.
  wait += milliseconds(random_() % (wait.count() / 4 + 1));
  send_again(ticket, now + wait);
}

void RequestTable::send_again(Ticket ticket, Time time) {
  entries_.at(ticket).due_at = time;
  due_.emplace(time, ticket);
}

void RequestTable::reconnected(Time now) {
  // Those that wait after a refusal go on waiting.
  for (auto& [ticket, entry] : entries_) {
    if (entry.sent && !entry.due_at) send_again(ticket, now);
  }
}

void RequestTable::finish(Ticket ticket, Response response) {
  Entry& entry = entries_.at(ticket);
  Stream& stream = streams_.at(entry.key.stream);
  if (stream.in_order && !stream.failure) {
    stream.answered.insert(entry.key.seq);
    while (stream.answered.erase(stream.first_open) > 0) stream.first_open++;
  }
  if (entry.sent) {
    outstanding_--;
    outstanding_bytes_ -= entry.bytes;
  }
  auto answer = std::make_shared<Response>(std::move(response));
  callbacks_.push_back([on_final = std::move(entry.request.on_final), answer] {
    if (on_final) on_final(std::move(*answer));
  });
  by_key_.erase(entry.key);
  entries_.erase(ticket);
}

void RequestTable::fail_stream(const std::string& name, const v1::ResponseHeader& header) {
  streams_.at(name).failure = header;
  std::vector<Ticket> tickets;
  for (auto each = by_key_.lower_bound({name, 0});
       each != by_key_.end() && each->first.stream == name; ++each) {
    tickets.push_back(each->second);
  }
  const auto is_gone = [this](Ticket ticket) { return entries_.count(ticket) == 0; };
  for (const Ticket ticket : tickets) finish(ticket, {header, {}});
  unsent_.erase(std::remove_if(unsent_.begin(), unsent_.end(), is_gone), unsent_.end());
}

void RequestTable::fail_all(v1::StatusCode code, const std::string& message) {
  const Response response = failure(code, message);
  std::set<std::string> names;
  for (const auto& [key, ticket] : by_key_) names.insert(key.stream);
  for (const auto& name : names) {
    // Of a model nobody knows any more how far it came; other streams go on.
    const bool in_order = streams_.at(name).in_order;
    fail_stream(name, response.header);
    if (!in_order) streams_.at(name).failure.reset();
  }
}

void RequestTable::fail_older(Time then, const std::string& message) {
  const Response response = failure(v1::STATUS_CODE_UNAVAILABLE, message);
  std::vector<Ticket> tickets;
  for (const auto& [ticket, entry] : entries_) {
    if (entry.submitted_at <= then) tickets.push_back(ticket);
  }
  for (const Ticket ticket : tickets) {
    const auto found = entries_.find(ticket);
    if (found == entries_.end()) continue;  // with its stream
    const std::string name = found->second.key.stream;
    // Of a model nobody knows any more how far it came.
    if (streams_.at(name).in_order) {
      fail_stream(name, response.header);
    } else {
      finish(ticket, response);
    }
  }
  const auto is_gone = [this](Ticket ticket) { return entries_.count(ticket) == 0; };
  unsent_.erase(std::remove_if(unsent_.begin(), unsent_.end(), is_gone), unsent_.end());
}

std::optional<std::string> RequestTable::report(Time now) {
  std::optional<Ticket> oldest;
  if (!entries_.empty()) oldest = entries_.begin()->first;
  if (oldest != oldest_) {
    oldest_ = oldest;
    report_at_ = now + ask_;
  }
  if (!oldest || now < report_at_) return std::nullopt;
  report_at_ = Time::max();  // Once.
  const Entry& entry = entries_.at(*oldest);
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(now - entry.submitted_at);
  return "no answer to " + v1::Method_Name(entry.request.method) + " (" +
         (entry.key.stream.empty() ? "no stream" : entry.key.stream) + ", seq " +
         std::to_string(entry.key.seq) + ") for " + std::to_string(age.count()) +
         " s; the service said of it last: " + entry.said;
}

std::vector<std::function<void()>> RequestTable::take_callbacks() {
  return std::exchange(callbacks_, {});
}

}  // namespace tinsmith

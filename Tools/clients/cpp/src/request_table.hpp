// What was asked and not yet answered, and what is to be sent next. No socket, clock or lock
// inside: events come in with the time at which they happen.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "tinsmith/channel.hpp"

namespace tinsmith {

/// The requests of one session, from their submission to their FINAL.
class RequestTable {
 public:
  using Clock = std::chrono::steady_clock;
  using Time = Clock::time_point;

  /// `give_up`: how long a request is sent again after refusals that invite to that.
  /// `ask`: how long nothing may be heard of a request until it is asked for.
  RequestTable(std::chrono::milliseconds give_up, std::chrono::milliseconds ask)
      : give_up_(give_up), ask_(ask) {}

  /// Queues a request and gives it the next seq of its stream.
  Key add(Request request, Time now);
  /// Asks for a request to be given up; unknown keys are ignored.
  void cancel(const Key& key);

  /// A message to send: a header that lacks the session's token, and the frames behind it (null:
  /// none). Valid until the table is changed.
  struct Outgoing {
    v1::RequestHeader header;
    const Frames* frames = nullptr;
  };
  /// The next message that may be sent now: what is due again, questions after what nothing was
  /// heard of for long (also while other answers come: one may be lost), then what fits the window,
  /// oldest first.
  std::optional<Outgoing> next(Time now);
  /// When next() may have something although nothing else happens.
  std::optional<Time> wake_at() const;

  /// Takes over what a response says.
  void receive(Response response, Time now);
  /// The connection was replaced: all that was sent and has no FINAL is to be sent again.
  void reconnected(Time now);
  /// Ends everything with this code.
  void fail_all(v1::StatusCode code, const std::string& message);
  /// Nothing was heard of the service for long: ends what was submitted until then.
  void fail_older(Time then, const std::string& message);

  /// A line for people if one request has been the oldest for long. (In a program that sends far
  /// ahead every request waits for long, and the oldest one changes all the time.)
  std::optional<std::string> report(Time now);

  /// What is to be called because of what happened, in order; to be called without a lock.
  std::vector<std::function<void()>> take_callbacks();

  /// Whether something was sent that has no FINAL.
  bool is_waiting() const { return outstanding_ > 0; }
  /// Whether everything was sent at least once.
  bool is_drained() const { return unsent_.empty(); }

 private:
  using Ticket = std::uint64_t;  // counts submissions
  struct Entry {
    Key key;
    Request request;
    std::uint64_t bytes = 0;
    std::optional<Time> deadline;
    bool sent = false;
    bool accepted = false;  // the service has it on disk: Await does what sending it does
    bool cancelled = false;
    Time submitted_at;
    Time sent_at;                // the last time
    std::optional<Time> due_at;  // is to be sent again then
    std::optional<Time> ask_at;  // is to be asked for then
    std::chrono::milliseconds ask_after{0};
    std::optional<Time> refused_since;  // not let in between
    std::chrono::milliseconds backoff{0};
    std::string said = "nothing";  // by the service, of it, last
  };
  struct Stream {
    bool in_order = false;
    std::uint64_t next_seq = 0;
    std::uint64_t epoch = 0;
    std::uint64_t first_open = 0;               // the lowest seq without an answer
    std::set<std::uint64_t> answered;           // those above it that have one
    std::optional<v1::ResponseHeader> failure;  // why nothing more can be done in it

    std::uint64_t acked() const { return first_open == 0 ? 0 : first_open - 1; }
  };

  Outgoing send(Ticket ticket, Time now);
  Outgoing ask(Ticket ticket, Time now);
  void let_in(Ticket ticket, const char* said, Time now);
  void ask_later(Ticket ticket, std::chrono::milliseconds after, Time now);
  bool fits_window(const Entry& entry) const;
  void refuse(Ticket ticket, Response response, Time now);
  void send_again(Ticket ticket, Time time);
  void finish(Ticket ticket, Response response);
  void fail_stream(const std::string& name, const v1::ResponseHeader& header);

  std::chrono::milliseconds give_up_, ask_;
  Ticket next_ticket_ = 0;
  std::map<Ticket, Entry> entries_;
  std::map<Key, Ticket> by_key_;
  std::unordered_map<std::string, Stream> streams_;
  std::deque<Ticket> unsent_;
  std::deque<Key> cancels_;
  std::multimap<Time, Ticket> due_, questions_;
  std::vector<std::function<void()>> callbacks_;

  // What report() looks at.
  std::optional<Ticket> oldest_;
  Time report_at_;

  std::minstd_rand random_{std::random_device{}()};

  // The window, until a header says otherwise, and what is in it.
  std::uint32_t window_requests_ = 64;
  std::uint64_t window_bytes_ = 64 << 20;
  std::uint32_t outstanding_ = 0;
  std::uint64_t outstanding_bytes_ = 0;
};

}  // namespace tinsmith

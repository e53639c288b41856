#include "tinsmith/channel.hpp"

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <iostream>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "request_table.hpp"

namespace tinsmith {
namespace {

using std::chrono::milliseconds;
using Clock = RequestTable::Clock;
using Time = RequestTable::Time;

constexpr char kClientName[] = "tinsmith-cpp/0.1";
constexpr milliseconds kLongestPoll{1000};
// What one turn of the loop adds to the silence at most: a process that was stopped for an hour has
// not listened for an hour.
constexpr milliseconds kLongestTurn{2000};
// Responses taken in one go, before requests are sent again.
constexpr int kResponsesAtOnce = 256;

}  // namespace

class Channel::Loop {
 public:
  Loop(std::string endpoint, ChannelOptions options)
      : endpoint_(std::move(endpoint)),
        options_(options),
        table_(options.give_up, options.ask),
        wake_sender_(context_, zmq::socket_type::pair),
        wake_receiver_(context_, zmq::socket_type::pair),
        connection_(std::make_unique<Connection>(context_, endpoint_)) {
    wake_receiver_.bind("inproc://tinsmith-wake");
    wake_sender_.connect("inproc://tinsmith-wake");
    thread_ = std::thread([this] { run(); });
  }

  ~Loop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      wake();
    }
    thread_.join();
  }

  Key submit(Request request) {
    const std::lock_guard lock(mutex_);
    Key key = table_.add(std::move(request), Clock::now());
    wake();
    return key;
  }

  void cancel(const Key& key) {
    const std::lock_guard lock(mutex_);
    table_.cancel(key);
    wake();
  }

  void set_session(const std::string& token, milliseconds heartbeat) {
    const std::lock_guard lock(mutex_);
    token_ = token;
    options_.heartbeat = std::min(options_.heartbeat, heartbeat);
  }

  void wait_until_ready() {
    std::unique_lock lock(mutex_);
    drained_.wait(lock, [this] { return table_.is_drained(); });
  }

 private:
  // One word is enough for any number of events. Under the lock, which is what allows several
  // threads to use this socket.
  void wake() {
    if (std::exchange(woken_, true)) return;
    wake_sender_.send(zmq::message_t(), zmq::send_flags::dontwait);
  }

  void run() {
    // Signals are the program's own threads' business; here they would interrupt the socket.
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);

    for (bool running = true; running;) {
      milliseconds timeout;
      std::vector<std::function<void()>> callbacks;
      std::optional<std::string> report;
      {
        const std::lock_guard lock(mutex_);
        running = !stopping_;
        listen();
        if (!running) table_.fail_all(v1::STATUS_CODE_CANCELLED, "the client was closed");
        watch(Clock::now());
        speak(Clock::now());
        callbacks = table_.take_callbacks();
        report = table_.report(Clock::now());
        timeout = time_to_wait(Clock::now());
        if (table_.is_drained()) drained_.notify_all();
      }
      for (const auto& callback : callbacks) callback();
      if (report) log(*report + "; asking " + endpoint_);
      if (running) poll(timeout);
    }
  }

  void log(const std::string& line) {
    if (options_.log) return options_.log(line);
    std::cerr << "tinsmith: " + line + "\n";
  }

  void poll(milliseconds timeout) {
    zmq::pollitem_t items[] = {{connection_->socket().handle(), 0, ZMQ_POLLIN, 0},
                               {connection_->monitor().handle(), 0, ZMQ_POLLIN, 0},
                               {wake_receiver_.handle(), 0, ZMQ_POLLIN, 0}};
    zmq::poll(items, 3, timeout);
  }

  // Takes what has arrived.
  void listen() {
    zmq::message_t word;
    while (wake_receiver_.recv(word, zmq::recv_flags::dontwait)) woken_ = false;
    for (int i = 0; i < kResponsesAtOnce; i++) {
      auto response = connection_->receive(milliseconds(0));
      if (!response) break;
      const Time now = Clock::now();
      heard_at_ = now;
      asked_at_.reset();
      silence_ = {};
      is_unanswered_ = false;
      table_.receive(std::move(*response), now);
    }
  }

  // Replaces the connection if it seems to be lost; ends what has met nothing but silence.
  void watch(Time now) {
    if (is_unanswered_) silence_ += std::min<Clock::duration>(now - watched_at_, kLongestTurn);
    watched_at_ = now;
    if (silence_ >= options_.give_up) {
      const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(silence_).count();
      table_.fail_older(now - options_.give_up,
                        "nothing was heard of " + endpoint_ + " for " + std::to_string(seconds) +
                            " s: is the address right, and does a service listen there?");
    }
    const bool silent = asked_at_ && now - *asked_at_ >= options_.silence;
    if (!connection_->lost() && !silent && !overflowed_) return;
    try {
      connection_ = std::make_unique<Connection>(context_, endpoint_);
    } catch (const zmq::error_t&) {
      // No sockets are left. Tried again at the next turn, of which there is one within a second.
      asked_at_ = now;
      return;
    }
    overflowed_ = false;
    asked_at_.reset();
    heard_at_ = now;
    table_.reconnected(now);
  }

  // Sends what may be sent, or a sign of life.
  void speak(Time now) {
    while (auto outgoing = table_.next(now)) {
      static const Frames none;
      send(std::move(outgoing->header), outgoing->frames ? *outgoing->frames : none, now);
    }
    const bool quiet = now - sent_at_ >= options_.heartbeat && !token_.empty();
    // A request that takes its time is no question: only a heartbeat is answered at once.
    const bool waiting = table_.is_waiting() && now - heard_at_ >= options_.probe &&
                         now - probed_at_ >= options_.probe;
    if (!quiet && !waiting) return;
    probed_at_ = now;
    v1::RequestHeader header;
    header.set_method(token_.empty() ? v1::METHOD_ADMIN_PING : v1::METHOD_SESSIONS_HEARTBEAT);
    header.set_seq(next_heartbeat_++);
    send(std::move(header), {}, now);
  }

  void send(v1::RequestHeader header, const Frames& body, Time now) {
    header.set_protocol_version(1);
    header.set_client_name(kClientName);
    header.set_client_incarnation(incarnation_);
    header.set_session_token(token_);
    sent_at_ = now;
    if (!asked_at_) asked_at_ = now;
    is_unanswered_ = true;
    // A socket that takes no more has not been emptied for long: as lost as one that is silent.
    if (!connection_->send(header, body)) overflowed_ = true;
  }

  milliseconds time_to_wait(Time now) const {
    Time until = now + std::min({kLongestPoll, options_.probe, options_.heartbeat});
    if (asked_at_) until = std::min(until, *asked_at_ + options_.silence);
    if (const auto due = table_.wake_at()) until = std::min(until, *due);
    // Rounded up, or the last millisecond would be spent spinning.
    return std::max(std::chrono::ceil<milliseconds>(until - now), milliseconds(0));
  }

  const std::string endpoint_;
  const std::uint64_t incarnation_ = std::mt19937_64{std::random_device{}()}();

  std::mutex mutex_;
  std::condition_variable drained_;
  ChannelOptions options_;
  RequestTable table_;
  std::string token_;
  bool stopping_ = false;
  bool woken_ = false;
  std::uint64_t next_heartbeat_ = std::uint64_t{1} << 63;  // no request has such a seq

  zmq::context_t context_;
  zmq::socket_t wake_sender_, wake_receiver_;
  // From here on the thread's own.
  std::unique_ptr<Connection> connection_;
  bool overflowed_ = false;
  Time sent_at_ = Clock::now();
  Time heard_at_ = Clock::now();
  Time probed_at_ = Clock::now();
  std::optional<Time> asked_at_;  // on this connection, since something was heard
  bool is_unanswered_ = false;    // likewise, over all connections
  Clock::duration silence_{0};    // how long
  Time watched_at_ = Clock::now();
  std::thread thread_;
};

Channel::Channel(const std::string& endpoint, ChannelOptions options)
    : loop_(std::make_unique<Loop>(endpoint, options)) {}
Channel::~Channel() = default;
Key Channel::submit(Request request) { return loop_->submit(std::move(request)); }
void Channel::cancel(const Key& key) { loop_->cancel(key); }
void Channel::set_session(const std::string& token, milliseconds heartbeat) {
  loop_->set_session(token, heartbeat);
}
void Channel::wait_until_ready() { loop_->wait_until_ready(); }

}  // namespace tinsmith

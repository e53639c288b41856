// The table of requests, event by event, at times that the tests choose.
#include "request_table.hpp"

#include "check.hpp"

namespace {

using namespace tinsmith;
using namespace std::chrono_literals;
using Time = RequestTable::Time;

const Time start{};

// A table and what its callbacks reported.
struct Bench {
  RequestTable table{5min, 30s};
  std::vector<std::string> events;

  Key add(const std::string& stream = "s:train:0", std::uint32_t timeout_ms = 0,
          std::size_t bytes = 4, v1::Method method = v1::METHOD_TRAINING_FORWARD_BACKWARD,
          Time now = start) {
    Request request;
    request.method = method;
    request.stream = stream;
    request.frames = {std::string(bytes, 'x')};
    request.timeout_ms = timeout_ms;
    request.on_final = [this](Response response) {
      events.push_back(std::to_string(response.header.seq()) + " " +
                       std::to_string(response.header.code()));
    };
    request.on_partial = [this](Response response) {
      events.push_back(std::to_string(response.header.seq()) + " piece");
    };
    return table.add(std::move(request), now);
  }
  void answer(const Key& key, v1::StatusCode code = v1::STATUS_CODE_OK, Time now = start,
              v1::Event event = v1::EVENT_FINAL, std::uint64_t epoch = 0,
              std::uint32_t retry_after_ms = 0) {
    Response response;
    response.header.set_stream(key.stream);
    response.header.set_seq(key.seq);
    response.header.set_code(code);
    response.header.set_event(event);
    response.header.set_epoch(epoch);
    response.header.set_retry_after_ms(retry_after_ms);
    table.receive(std::move(response), now);
    for (const auto& callback : table.take_callbacks()) callback();
  }
  // Everything that may be sent now, as "method seq acked".
  std::vector<std::string> sent(Time now = start) {
    std::vector<std::string> all;
    while (const auto outgoing = table.next(now)) {
      const auto& header = outgoing->header;
      all.push_back(std::to_string(header.method()) + " " + std::to_string(header.seq()) + " " +
                    std::to_string(header.acked()) + (outgoing->frames ? "" : " bare"));
    }
    return all;
  }
};

using Texts = std::vector<std::string>;

void acknowledges_without_gaps() {
  Bench bench;
  const Key first = bench.add(), second = bench.add(), third = bench.add();
  CHECK(bench.sent() == (Texts{"203 0 0", "203 1 0", "203 2 0"}));
  bench.answer(third);
  bench.answer(first);
  bench.add();
  CHECK(bench.sent() == Texts{"203 3 0"});
  bench.answer(second, v1::STATUS_CODE_INVALID_ARGUMENT);
  bench.add();
  CHECK(bench.sent() == Texts{"203 4 2"});
  CHECK(bench.events == (Texts{"2 0", "0 0", "1 3"}));
  bench.answer(first);  // a second copy
  CHECK(bench.events.size() == 3);
}

void keeps_to_the_window() {
  Bench bench;
  std::vector<Key> keys;
  for (int i = 0; i < 100; i++)
    keys.push_back(bench.add("s:sample:0", 0, 4, v1::METHOD_SAMPLING_SAMPLE));
  CHECK(bench.sent().size() == 64);
  CHECK(!bench.table.is_drained());
  bench.answer(keys[10]);
  CHECK(bench.sent() == Texts{"303 64 0"});
  Response response;
  response.header.set_window_requests(80);
  bench.table.receive(std::move(response), start);
  CHECK(bench.sent().size() == 16);
  for (const Key& key : keys) bench.answer(key);
  CHECK(bench.sent().size() == 19);
  CHECK(bench.table.is_drained());
}

void keeps_to_the_window_of_bytes() {
  Bench bench;
  const Key large = bench.add("s:train:0", 0, 100 << 20);
  bench.add();
  CHECK(bench.sent() == Texts{"203 0 0"});  // one may always be outstanding
  bench.answer(large);
  CHECK(bench.sent() == Texts{"203 1 0"});
}

void stays_within_the_answers_kept() {
  Bench bench;
  Response response;
  response.header.set_window_requests(1000);
  bench.table.receive(std::move(response), start);
  std::vector<Key> keys;
  for (int i = 0; i < 300; i++) keys.push_back(bench.add());
  CHECK(bench.sent().size() == 256);
  for (int i = 1; i < 256; i++) bench.answer(keys[i]);
  CHECK(bench.sent().empty());
  bench.answer(keys[0]);
  CHECK(bench.sent().size() == 44);
}

void sends_what_was_refused_again() {
  Bench bench;
  const Key key = bench.add();
  bench.sent();
  bench.answer(key, v1::STATUS_CODE_RESOURCE_EXHAUSTED, start, v1::EVENT_FINAL, 0, 100);
  CHECK(bench.sent(start + 99ms).empty());
  CHECK(*bench.table.wake_at() >= start + 100ms && *bench.table.wake_at() <= start + 125ms);
  CHECK(bench.sent(start + 126ms) == Texts{"203 0 0"});
  // Refused again and again, until five minutes after the first time.
  for (Time now = start + 20s; now < start + 5min; now += 20s) {
    bench.answer(key, v1::STATUS_CODE_UNAVAILABLE, now);
    CHECK(bench.sent(now + 2s) == Texts{"203 0 0"});
  }
  CHECK(bench.events.empty());
  bench.answer(key, v1::STATUS_CODE_UNAVAILABLE, start + 5min);
  CHECK(bench.events == Texts{"0 14"});
  bench.add();  // seq 0 was never run, so nothing behind it can be
  bench.answer({});
  CHECK(bench.sent().empty());
  CHECK(bench.events == (Texts{"0 14", "0 14"}));
}

void asks_again_on_a_new_connection() {
  Bench bench;
  const Key first = bench.add();
  bench.add();
  const Key third = bench.add();
  bench.sent();
  bench.answer(first, v1::STATUS_CODE_OK, start, v1::EVENT_ACCEPTED);
  bench.answer(third, v1::STATUS_CODE_UNAVAILABLE, start, v1::EVENT_FINAL, 0, 1000);
  bench.table.reconnected(start);
  CHECK(bench.sent() == (Texts{"501 0 0 bare", "203 1 0"}));
  bench.answer(first);
  CHECK(bench.sent(start + 2s) == Texts{"203 2 0"});
}

// What waited behind others for long has lost nothing of its patience when it is refused.
void patience_counts_from_the_first_refusal() {
  Bench bench;
  const Key key = bench.add();
  bench.sent();
  for (Time now = start + 10min; now < start + 1h; now += 10min) {
    bench.answer(key, v1::STATUS_CODE_UNAVAILABLE, now);
    CHECK(bench.sent(now + 2s) == Texts{"203 0 0"});
  }
  CHECK(bench.events.empty());
}

void keeps_the_frames_until_the_end() {
  Bench bench;
  const Key key = bench.add();
  bench.sent();
  bench.answer(key, v1::STATUS_CODE_OK, start, v1::EVENT_ACCEPTED);
  bench.table.reconnected(start);
  CHECK(bench.sent() == Texts{"501 0 0 bare"});
  // A service that knows nothing of it any more gets it again.
  bench.answer(key, v1::STATUS_CODE_UNAVAILABLE);
  CHECK(bench.sent(start + 2s) == Texts{"203 0 0"});
}

void asks_for_what_nothing_is_heard_of() {
  Bench bench;
  const Key step = bench.add();
  bench.add("", 0, 4, v1::METHOD_SESSIONS_CREATE);
  const Key sample = bench.add("s:sample:0", 0, 4, v1::METHOD_SAMPLING_SAMPLE);
  bench.sent();
  bench.answer(sample, v1::STATUS_CODE_OK, start + 10s, v1::EVENT_PARTIAL);
  std::vector<std::pair<int, std::string>> asked;
  for (int second = 1; second < 1000; second++) {
    for (const auto& text : bench.sent(start + std::chrono::seconds(second))) {
      asked.emplace_back(second, text);
    }
  }
  const std::vector<std::pair<int, std::string>> expected = {
      {30, "501 0 0 bare"},  {30, "101 0 0"},       {40, "501 0 0 bare"},  {90, "501 0 0 bare"},
      {90, "101 0 0"},       {100, "501 0 0 bare"}, {210, "501 0 0 bare"}, {210, "101 0 0"},
      {220, "501 0 0 bare"}, {450, "501 0 0 bare"}, {450, "101 0 0"},      {460, "501 0 0 bare"},
      {750, "501 0 0 bare"}, {750, "101 0 0"},      {760, "501 0 0 bare"}};
  CHECK(asked == expected);
  // Unknown to the service: it is sent again, and asked for later as if it were new.
  bench.answer(step, v1::STATUS_CODE_UNAVAILABLE, start + 1000s);
  CHECK(bench.sent(start + 1002s) == Texts{"203 0 0"});
  CHECK(bench.sent(start + 1031s).empty());
  CHECK(bench.sent(start + 1032s) == Texts{"501 0 0 bare"});
}

void reports_what_stays_the_oldest() {
  Bench bench;
  const Key first = bench.add(), second = bench.add();
  bench.sent();
  CHECK(!bench.table.report(start));
  CHECK(!bench.table.report(start + 29s));
  bench.answer(first);
  CHECK(!bench.table.report(start + 31s));
  bench.answer(second, v1::STATUS_CODE_UNAVAILABLE, start + 50s);
  const auto line = bench.table.report(start + 61s);
  CHECK(line &&
        *line ==
            "no answer to METHOD_TRAINING_FORWARD_BACKWARD (s:train:0, seq 1) for 61 s; the "
            "service said of it last: STATUS_CODE_UNAVAILABLE: ");
  CHECK(!bench.table.report(start + 1h));
}

void silence_ends_what_is_older() {
  Bench bench;
  bench.add();
  const auto sampling = v1::METHOD_SAMPLING_SAMPLE;
  bench.add("s:sample:0", 0, 4, sampling);
  bench.add("s:train:0", 0, 4, v1::METHOD_TRAINING_FORWARD_BACKWARD, start + 1s);
  const Key young = bench.add("s:sample:0", 0, 4, sampling, start + 1s);
  bench.sent();
  bench.table.fail_older(start, "nobody there");
  bench.answer({});
  CHECK(bench.events == (Texts{"0 14", "0 14", "0 14"}));  // both of the model, one of the samples
  bench.answer(young);
  CHECK(bench.events.back() == "1 0");
}

void drops_older_epochs() {
  Bench bench;
  const Key first = bench.add(), second = bench.add();
  bench.sent();
  bench.answer(first, v1::STATUS_CODE_OK, start, v1::EVENT_FINAL, 3);
  bench.answer(second, v1::STATUS_CODE_INTERNAL, start, v1::EVENT_FINAL, 2);
  CHECK(bench.events == Texts{"0 0"});
  bench.answer(second, v1::STATUS_CODE_OK, start, v1::EVENT_FINAL, 3);
  CHECK(bench.events == (Texts{"0 0", "1 0"}));
}

void ends_a_lost_stream() {
  Bench bench;
  const Key first = bench.add();
  for (int i = 0; i < 70; i++) bench.add();
  const Key other = bench.add("s:train:1");
  CHECK(bench.sent().size() == 64);
  bench.answer(first, v1::STATUS_CODE_DATA_LOSS);
  CHECK(bench.events.size() == 71);
  CHECK(bench.sent() == Texts{"203 0 0"});
  bench.answer(other);
  CHECK(bench.events.back() == "0 0");
  bench.add();
  bench.answer({});
  CHECK(bench.events.size() == 73 && bench.events.back() == "0 15");
}

void cancels() {
  Bench bench;
  const Key first = bench.add(), second = bench.add();
  bench.table.cancel(second);  // not sent yet: the cancel follows it
  CHECK(bench.sent() == (Texts{"203 0 0", "203 1 0", "502 1 0 bare"}));
  bench.table.cancel(first);
  CHECK(bench.sent() == Texts{"502 0 0 bare"});
  bench.answer(first, v1::STATUS_CODE_CANCELLED);
  bench.table.cancel(first);
  CHECK(bench.sent().empty());
}

void counts_down_deadlines() {
  Bench bench;
  const Key key = bench.add("s:train:0", 1000);
  const auto first = bench.table.next(start + 400ms);
  CHECK(first && first->header.timeout_ms() == 600);
  bench.answer(key, v1::STATUS_CODE_UNAVAILABLE, start + 2s);
  const auto second = bench.table.next(start + 3s);
  CHECK(second && second->header.timeout_ms() == 1);
}

}  // namespace

int main() {
  return run_all(
      {{"acknowledges without gaps", acknowledges_without_gaps},
       {"keeps to the window", keeps_to_the_window},
       {"keeps to the window of bytes", keeps_to_the_window_of_bytes},
       {"stays within the answers kept", stays_within_the_answers_kept},
       {"sends what was refused again", sends_what_was_refused_again},
       {"asks again on a new connection", asks_again_on_a_new_connection},
       {"patience counts from the first refusal", patience_counts_from_the_first_refusal},
       {"keeps the frames until the end", keeps_the_frames_until_the_end},
       {"asks for what nothing is heard of", asks_for_what_nothing_is_heard_of},
       {"reports what stays the oldest", reports_what_stays_the_oldest},
       {"silence ends what is older", silence_ends_what_is_older},
       {"drops older epochs", drops_older_epochs},
       {"ends a lost stream", ends_a_lost_stream},
       {"cancels", cancels},
       {"counts down deadlines", counts_down_deadlines}});
}

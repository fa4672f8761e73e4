#include "bench/serving/serving_load.h"

#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <optional>

namespace glint {
namespace {

constexpr double kTick_s = 0.05;
constexpr int kTicksPerProgress = 4;
constexpr int kTicksPerWindow = 20;  // of the live rate

double process_cpu_s() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

// A request and its follow-ups, of which one is under way at a time.
struct Conversation {
  BenchRequest request;    // the current turn's
  std::string body;        // made before the clock starts, freed when answered
  size_t record = 0;       // the current turn's place among the records
  size_t next_follow = 0;  // of request.follow_ups
  std::optional<AnswerReader> reader{};

  size_t turns_left() const { return request.follow_ups.size() - next_follow; }
};

// The next question, after `answer`.
void ask_next(Conversation& c, const RequestRecord& answer) {
  BenchRequest& request = c.request;
  request.said.push_back(std::move(request.text));
  request.said.push_back(answer.text);
  BenchRequest::Question& question = request.follow_ups[c.next_follow++];
  request.text = std::move(question.text);
  request.prompt_len += answer.output_len + question.len;
  ++c.record;
}

class Runner {
 public:
  Runner(const ServingLoad& load, LoadClient& client, const Clock& clock,
         const std::function<void(const LoadProgress&)>& on_progress)
      : load_(load), client_(client), clock_(clock), on_progress_(on_progress) {
    size_t num_records = 0;
    for (const BenchRequest& request : load.requests) {
      talks_.push_back({request, request_body(load.format, request), num_records});
      num_records += 1 + request.follow_ups.size();
    }
    progress_.num_requests = num_records;
    result_.records.resize(num_records);
  }

  LoadResult run() {
    const double cpu_s = process_cpu_s();
    result_.begin_s = clock_.now_s();
    window_.emplace_back(result_.begin_s, 0);
    if (load_.arrivals_s.empty()) {
      for (size_t i = 0; i < talks_.size(); ++i) arrive(i);
    } else {
      await_arrival(0);
    }
    tick();
    client_.run();
    result_.cost.cpu_s = process_cpu_s() - cpu_s;
    if (num_ticks_ > 0) result_.cost.mean_late_ms /= num_ticks_;
    return std::move(result_);
  }

 private:
  void await_arrival(size_t i) {
    if (i == talks_.size()) return;
    const double wait_s = result_.begin_s + load_.arrivals_s[i] - clock_.now_s();
    client_.after(std::max(wait_s, 0.0), [this, i] {
      arrive(i);
      await_arrival(i + 1);
    });
  }

  void arrive(size_t i) {
    const bool has_place =
        load_.max_concurrency == 0 || progress_.num_running < load_.max_concurrency;
    if (!has_place) return waiting_.push_back(i);
    ++progress_.num_running;
    send(i);
  }

  void send(size_t i) {
    Conversation& c = talks_[i];
    RequestRecord& record = result_.records[c.record];
    record.prompt_len = c.request.prompt_len;
    record.asked_len = c.request.output_len;
    const ServingBackend& backend = *load_.format.backend;
    c.reader.emplace(backend.api, backend.incremental, c.request.output_len, record);
    LoadClient::Headers headers = load_.headers;
    if (!c.request.routing_key.empty())
      headers.emplace_back("x-smg-routing-key", c.request.routing_key);
    record.start_s = clock_.now_s();
    client_.post(
        load_.target, headers, c.body,
        {.on_event = [this, i](std::string_view data, double time_s) { take(i, data, time_s); },
         .on_end = [this, i](const Result<void>& result,
                             double time_s) { end(i, result, time_s); }});
  }

  void take(size_t i, std::string_view data, double time_s) {
    ++result_.cost.num_events;
    const std::vector<TokenTime>& times = result_.records[talks_[i].record].token_times;
    const int before = times.empty() ? 0 : times.back().num_tokens;
    talks_[i].reader->on_event(data, time_s);
    if (!times.empty()) progress_.num_tokens += times.back().num_tokens - before;
  }

  void end(size_t i, const Result<void>& result, double time_s) {
    Conversation& c = talks_[i];
    c.reader->finish(result ? "" : result.error().message, time_s);
    c.reader.reset();
    c.body = {};
    ++progress_.num_done;
    const RequestRecord& record = result_.records[c.record];
    if (record.ok() && c.turns_left() > 0) {
      ask_next(c, record);
      c.body = request_body(load_.format, c.request);
      return send(i);
    }
    if (!record.ok()) fail_rest(c);
    leave_place();
    if (is_done()) finish();
  }

  // The turn failed: what would have followed is not asked.
  void fail_rest(const Conversation& c) {
    for (size_t turn = 1; turn <= c.turns_left(); ++turn)
      result_.records[c.record + turn].error = "not asked: an earlier turn failed";
    progress_.num_done += c.turns_left();
    progress_.num_failed += 1 + c.turns_left();
  }

  void leave_place() {
    --progress_.num_running;
    if (waiting_.empty()) return;
    const size_t next = waiting_.front();
    waiting_.pop_front();
    ++progress_.num_running;
    send(next);
  }

  void interrupt() {
    const double now_s = clock_.now_s();
    for (Conversation& c : talks_) {
      if (c.body.empty()) continue;  // all is answered
      RequestRecord& record = result_.records[c.record];
      if (c.reader) c.reader->finish("interrupted", now_s);
      if (record.ok()) record.error = "interrupted";
      ++progress_.num_done;
      fail_rest(c);
    }
    progress_.num_running = 0;
    finish();
  }

  // The next tick is not waited for: it would count as the server's time.
  void finish() {
    result_.end_s = clock_.now_s();
    report();
    client_.stop();
  }

  bool is_done() const { return progress_.num_done == progress_.num_requests; }

  // Shows that time passes, and by its own lateness how long a token may wait to be read.
  void tick() {
    const double due_s = clock_.now_s() + kTick_s;
    client_.after(kTick_s, [this, due_s] {
      if (load_.stop != nullptr && *load_.stop) return interrupt();
      const double late_ms = 1e3 * std::max(clock_.now_s() - due_s, 0.0);
      result_.cost.mean_late_ms += late_ms;
      result_.cost.max_late_ms = std::max(result_.cost.max_late_ms, late_ms);
      if (++num_ticks_ % kTicksPerProgress == 0) report();
      tick();
    });
  }

  void report() {
    const double now_s = clock_.now_s();
    progress_.elapsed_s = now_s - result_.begin_s;
    window_.emplace_back(now_s, progress_.num_tokens);
    if (window_.size() > kTicksPerWindow / kTicksPerProgress + 1) window_.pop_front();
    const auto& [begin_s, begin_tokens] = window_.front();
    if (now_s > begin_s)
      progress_.tokens_per_s =
          static_cast<double>(progress_.num_tokens - begin_tokens) / (now_s - begin_s);
    if (on_progress_) on_progress_(progress_);
  }

  const ServingLoad& load_;
  LoadClient& client_;
  const Clock& clock_;
  const std::function<void(const LoadProgress&)>& on_progress_;
  std::vector<Conversation> talks_;
  std::deque<size_t> waiting_;  // for a place, first come first served
  std::deque<std::pair<double, int64_t>> window_;
  LoadProgress progress_;
  LoadResult result_;
  int num_ticks_ = 0;
};

}  // namespace

Result<LoadResult> run_serving_load(const ServingLoad& load, const Clock& clock,
                                    const std::function<void(const LoadProgress&)>& on_progress) {
  const auto client = TRY(LoadClient::create(load.server, clock));
  return Runner(load, *client, clock, on_progress).run();
}

std::vector<double> poisson_arrivals_s(double requests_per_s, size_t count, NumpyRandom& random) {
  std::vector<double> arrivals_s;
  if (std::isinf(requests_per_s)) return arrivals_s;
  double now_s = 0;
  for (size_t i = 0; i < count; ++i) {
    arrivals_s.push_back(now_s);
    now_s += random.exponential(1 / requests_per_s);
  }
  return arrivals_s;
}

}  // namespace glint

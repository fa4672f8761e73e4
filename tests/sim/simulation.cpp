#include "tests/sim/simulation.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "base/check.h"
#include "engine/engine.h"
#include "scheduler/admission.h"
#include "scheduler/policy.h"
#include "tests/sim/client.h"
#include "tests/sim/invariants.h"
#include "tests/sim/workload.h"

namespace glint::sim {
namespace {

// Nothing a seed asks for takes longer than this many steps without a token or an end.
constexpr int kMaxSilentSteps = 200;

class FakeClock final : public Clock {
 public:
  double now_s() const override { return now_s_; }
  void advance(double seconds) { now_s_ += seconds; }

 private:
  double now_s_ = 0;
};

class Simulation {
 public:
  Simulation(uint64_t seed, Coverage& coverage)
      : coverage_(coverage), rng_(seed), limits_(random_limits(rng_)), workload_(rng_) {
    auto runner = std::make_unique<FakeModelRunner>(
        limits_, rng_(), [this](const std::string& what) { report(what); });
    runner_ = runner.get();
    engine_ = std::make_unique<Engine>(limits_, std::move(runner), clock_);
  }

  std::string run() {
    const int num_turns = 40 + below(rng_, 80);
    for (int turn = 0; turn < num_turns && violation_.empty(); ++turn) {
      while (one_in(rng_, 2)) submit();
      if (one_in(rng_, 6)) cancel_one();
      if (one_in(rng_, 20)) flush();
      if (one_in(rng_, paused_ ? 6 : 40)) pause_or_resume();
      step();
    }
    if (paused_) pause_or_resume();
    while (violation_.empty() && engine_->step()) check_step();
    if (violation_.empty()) check_end();
    count_coverage();
    return violation_;
  }

 private:
  struct Before {
    std::set<SequenceId> started;
    std::unordered_map<SequenceId, int> retractions;
  };

  void report(const std::string& what) {
    if (violation_.empty()) violation_ = cat("step ", num_steps_, ": ", what);
  }

  // ---- traffic

  void submit() {
    GenerateRequest request = workload_.next_request(limits_);
    const auto admitted =
        admitted_max_tokens(limits_, static_cast<int>(request.prompt.size()), request.max_tokens);
    const bool fits = admitted.has_value();
    const bool has_room =
        limits_.max_queued_requests < 0 || num_new() < limits_.max_queued_requests;
    auto id = std::make_shared<RequestId>(0);
    const auto result = engine_->submit(request, [this, id](TokenEvent&& event) {
      silent_steps_ = 0;
      if (paused_ && !event.tokens.empty()) report("a token came while paused");
      const std::string bad = receive(clients_.at(*id), event);
      if (!bad.empty()) report(bad);
    });
    if (result.has_value() != (fits && has_room))
      report(cat("a request that ", fits ? "fits" : "does not fit", has_room ? "" : " in the queue",
                 result.has_value() ? " was taken" : " was refused"));
    if (!result.has_value()) return void(++coverage_.refusals);
    *id = *result;
    if (fits) request.max_tokens = *admitted;
    clients_[*id] = expect(std::move(request), num_submitted_++);
  }

  // Requests that the queue limit counts.
  int num_new() const {
    int count = 0;
    for (const auto& [id, client] : clients_) {
      const Sequence* sequence = engine_->scheduler().find(id);
      count += !client.end && (sequence == nullptr || !sequence->was_started);
    }
    return count;
  }

  void cancel_one() {
    std::vector<std::pair<int, RequestId>> open;
    for (const auto& [id, client] : clients_)
      if (!client.end) open.emplace_back(client.order, id);
    if (open.empty()) return;
    std::ranges::sort(open);
    const RequestId id =
        open[static_cast<size_t>(below(rng_, static_cast<int>(open.size())))].second;
    clients_.at(id).cancelled = true;
    engine_->cancel(id);
    ++coverage_.cancels;
  }

  void flush() {
    const bool is_idle = std::ranges::all_of(
        clients_, [](const auto& entry) { return entry.second.end.has_value(); });
    engine_->flush_cache([this, is_idle](Result<void> result) {
      if (is_idle && !result.has_value()) report("an idle engine did not flush");
      if (result.has_value() && engine_->scheduler().tree().num_nodes() > 0)
        report("prefixes are left after a flush");
    });
  }

  void pause_or_resume() {
    const bool pause = !paused_;
    const auto done = [this, pause](Result<void> result) {
      if (!result.has_value()) report("a running engine refused to pause or to resume");
      paused_ = pause;
    };
    if (pause) {
      engine_->pause(done);
      ++coverage_.pauses;
    } else {
      engine_->resume(done);
    }
  }

  void step() {
    clock_.advance(0.001 * below(rng_, 100));
    const Before before = look();
    engine_->step();
    check_order(before);
    check_step();
  }

  // ---- checks

  Before look() const {
    Before before;
    for (const auto& [id, client] : clients_) {
      const Sequence* sequence = engine_->scheduler().find(id);
      if (sequence == nullptr) continue;
      if (sequence->was_started) before.started.insert(id);
      before.retractions[id] = sequence->num_retractions;
    }
    return before;
  }

  void check_step() {
    ++num_steps_;
    if (!paused_ && ++silent_steps_ > kMaxSilentSteps)
      report("requests are open and nothing comes");
    const std::string bad = check_invariants(engine_->scheduler(), *runner_, clients_);
    if (!bad.empty()) report(bad);
    check_stats();
  }

  // Nobody starts before one who is ahead in line; nobody gives way to one behind.
  void check_order(const Before& before) {
    const Scheduler& scheduler = engine_->scheduler();
    for (const auto& [id, client] : clients_) {
      const Sequence* sequence = scheduler.find(id);
      if (sequence == nullptr) continue;
      const auto retractions = before.retractions.find(id);
      const bool gave_way = retractions != before.retractions.end() &&
                            sequence->num_retractions > retractions->second;
      for (const Sequence* running : scheduler.running()) {
        if (running == sequence) continue;
        const bool just_started = before.started.count(running->id) == 0;
        const bool is_ahead = goes_before(limits_.policy, *sequence, *running);
        if (gave_way && is_ahead)
          report(cat("request ", client.order, " gave way to one behind it"));
        if (!sequence->running && just_started && is_ahead &&
            limits_.policy != SchedulePolicy::kLpm)
          report(cat("request ", client.order, " waits while one behind it starts"));
        if (sequence->num_overtaken > kMaxOvertaken + limits_.max_running_requests)
          report(cat("request ", client.order, " starves"));
      }
    }
  }

  void check_stats() {
    const EngineStats stats = engine_->stats();
    int64_t received = 0;
    int64_t aborted = 0;
    int open = 0, retracted = 0;
    int64_t waiting_tokens = 0;
    for (const auto& [id, client] : clients_) {
      const Sequence* sequence = engine_->scheduler().find(id);
      if (sequence != nullptr && !sequence->running) {
        retracted += sequence->was_started;
        if (!sequence->was_started)
          waiting_tokens += static_cast<int64_t>(client.request.prompt.size());
      }
      received += static_cast<int64_t>(client.received.size());
      aborted += client.end == FinishReason::kAbort;
      open += !client.end;
    }
    if (stats.num_running_requests + stats.num_queued_requests != open)
      report(cat(open, " requests are open; stats say ", stats.num_running_requests, " and ",
                 stats.num_queued_requests));
    if (stats.num_retracted_requests != retracted || stats.num_waiting_tokens != waiting_tokens)
      report("stats count other requests or tokens than wait");
    if (stats.paused != paused_) report("stats are wrong about a pause");
    if (stats.generation_tokens_total != received)
      report(cat(received, " tokens came; stats say ", stats.generation_tokens_total));
    if (stats.requests_total != num_submitted_ || stats.aborted_requests_total != aborted)
      report("stats count other requests than were sent");
    const int64_t free_tokens = stats.num_free_pages * limits_.page_size;
    if (stats.num_used_tokens + stats.num_cached_tokens + free_tokens != stats.max_total_tokens)
      report("used, cached and free tokens are not the pool");
  }

  void check_end() {
    for (const auto& [id, client] : clients_)
      if (!client.end) report(cat("request ", client.order, " never ended"));
    const EngineStats stats = engine_->stats();
    if (stats.num_used_tokens != 0) report("all requests ended and pages are in use");
    if (num_new() != 0) report("all requests ended and some are still new");
  }

  void count_coverage() {
    const EngineStats stats = engine_->stats();
    coverage_.requests += num_submitted_;
    coverage_.steps += stats.steps_total;
    coverage_.retractions += stats.retractions_total;
    coverage_.cached_tokens += stats.cached_tokens_total;
    coverage_.evicted_tokens += stats.evicted_tokens_total;
    for (const auto& [id, client] : clients_) {
      coverage_.bad_numbers += client.end == FinishReason::kError;
      coverage_.stops += client.end == FinishReason::kStop;
    }
  }

  Coverage& coverage_;
  Rng rng_;
  const SchedulerLimits limits_;
  Workload workload_;
  FakeClock clock_;
  Clients clients_;
  std::string violation_;
  int num_submitted_ = 0;
  int num_steps_ = 0;
  int silent_steps_ = 0;
  bool paused_ = false;                // as the engine last answered
  FakeModelRunner* runner_ = nullptr;  // the engine's
  std::unique_ptr<Engine> engine_;
};

}  // namespace

std::string simulate(uint64_t seed, Coverage& coverage) { return Simulation(seed, coverage).run(); }

}  // namespace glint::sim

// Many streams and many idle connections on one server, and a reader that stops reading:
//
//   stream_load build/cpu/bin/null_server
//
// The server runs around the null model at 20 tokens/s a stream, on a core of its own. Checked
// always: no token is lost, doubled or out of order; an idle connection's memory; that a reader who
// stops is cut and costs no more than its buffer; that all is given back. How long tokens are on
// their way is printed, and a limit only with --max-p99-ms. Exit status 1 says that a check failed.

#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "backend/sample.h"
#include "server_process.h"
#include "step_log.h"
#include "stream_crowd.h"

namespace glint {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string server;
  int num_streams = 1000;
  int num_idle = 5000;
  int num_tokens = 600;
  int step_us = 50'000;
  int server_cpu = -1, client_cpu = -1;
  int max_unsent_bytes = 256 << 10;
  int slow_reader_timeout_s = 5;
  int unread_choices = 64;
  double max_p99_ms = 0;  // 0: not checked
  bool check_memory = true;
};

constexpr int64_t kMaxIdleBytes = 16 << 10;
constexpr int kIdlePromptBytes = 12 << 10;  // of the request before a connection is idle
constexpr int kIdleAtOnce = 50;
constexpr double kPatience_s = 120;

// What went wrong is printed where it is found.
class Checks {
 public:
  template <typename... Parts>
  void expect(bool holds, const Parts&... parts) {
    if (holds) return;
    std::printf("FAILED: %s\n", cat(parts...).c_str());
    ++num_failed_;
  }
  int num_failed() const { return num_failed_; }

 private:
  int num_failed_ = 0;
};

std::string chat_body(std::string_view prompt, int num_tokens, uint64_t seed, bool stream,
                      int num_choices = 1) {
  return cat(R"({"messages": [{"role": "user", "content": ")", prompt, R"("}], "max_tokens": )",
             num_tokens, R"(, "seed": )", seed, R"(, "n": )", num_choices, R"(, "stream": )",
             stream ? "true" : "false",
             R"(, "ignore_eos": true, "chat_template_kwargs": {"enable_thinking": false}})");
}

// The null model's tokens are a function of the seed (engine/null_model_runner.h), with
// --plain-text one character each.
std::string expected_text(uint64_t seed, int num_tokens) {
  std::string text;
  for (int i = 0; i < num_tokens; ++i)
    text += static_cast<char>('!' + static_cast<int>(sample_uniform(seed, 0, i, 0) * 27));
  return text;
}

void raise_descriptor_limit(int num_connections) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, static_cast<rlim_t>(num_connections) + 256);
  setrlimit(RLIMIT_NOFILE, &limit);
}

class StreamLoad {
 public:
  StreamLoad(const Options& options, ServerProcess& server)
      : options_(options), server_(server), crowd_(server.port()) {}

  int run(const std::string& step_log);

 private:
  void warm_up();
  void add_idle();
  void add_streams();
  void stop_reading();
  int64_t cost_of_unread();
  void release();
  void check_visits();
  void report_latency(const StepLog& log);
  void say_memory(const char* when) {
    std::printf("%-38s %8.1f MiB, %d descriptors\n", when,
                static_cast<double>(server_.resident_bytes()) / (1 << 20),
                server_.num_descriptors());
  }

  const Options& options_;
  ServerProcess& server_;
  StreamCrowd crowd_;
  Checks checks_;
  std::vector<Visit*> streams_;  // the seed of each is its place, from 1 on
  Clock::time_point all_began_;
  int64_t first_bytes_ = 0;
  int first_descriptors_ = 0;
};

int StreamLoad::run(const std::string& step_log) {
  warm_up();
  add_idle();
  add_streams();
  check_visits();
  stop_reading();
  release();
  checks_.expect(server_.stop(), "the server did not end with 0");
  auto log = StepLog::read(step_log);
  checks_.expect(bool(log), "no step log");
  if (log) report_latency(*log);
  std::printf("%d checks failed\n", checks_.num_failed());
  return checks_.num_failed() == 0 ? 0 : 1;
}

// What a server needs while it answers, as many at once as come later, is no idle connection's.
void StreamLoad::warm_up() {
  for (uint64_t round = 0; round < 4; ++round) {
    StreamCrowd first(server_.port());
    for (uint64_t i = 0; i < uint64_t{kIdleAtOnce}; ++i)
      first.visit(chat_body(std::string(kIdlePromptBytes, 'a'), 20, 1'000'000 + i, true));
    first.run(kPatience_s);
    first.close_all();
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  first_bytes_ = server_.resident_bytes();
  first_descriptors_ = server_.num_descriptors();
  say_memory("before");
}

void StreamLoad::add_idle() {
  const std::string prompt(kIdlePromptBytes, 'a');
  std::vector<Visit*> idle;
  for (int i = 0; i < options_.num_idle; ++i) {
    idle.push_back(
        &crowd_.visit(chat_body(prompt, 1, 2'000'000 + static_cast<uint64_t>(i), false)));
    if (i % kIdleAtOnce == kIdleAtOnce - 1) crowd_.run(kPatience_s);
  }
  crowd_.run(kPatience_s);
  const auto num_done = std::count_if(idle.begin(), idle.end(), [](Visit* v) { return v->done; });
  checks_.expect(num_done == options_.num_idle, num_done, " of ", options_.num_idle,
                 " idle connections were answered");
  const int64_t bytes = (server_.resident_bytes() - first_bytes_) / std::max(1, options_.num_idle);
  say_memory("with idle connections");
  std::printf("an idle connection: %lld bytes\n", static_cast<long long>(bytes));
  if (options_.check_memory)
    checks_.expect(bytes <= kMaxIdleBytes, bytes, " bytes for an idle connection");
}

void StreamLoad::add_streams() {
  for (int i = 0; i < options_.num_streams; ++i)
    streams_.push_back(
        &crowd_.visit(chat_body("go", options_.num_tokens, static_cast<uint64_t>(i) + 1, true)));
  const auto begun = [](const Visit* visit) { return !visit->arrivals.empty(); };
  while (!std::all_of(streams_.begin(), streams_.end(), begun)) {
    const bool failed = std::any_of(streams_.begin(), streams_.end(),
                                    [](const Visit* visit) { return visit->failed; });
    if (failed) break;
    crowd_.run_for(0.02);
  }
  all_began_ = Clock::now();
  say_memory("with streams");
  crowd_.run(kPatience_s);
}

void StreamLoad::check_visits() {
  size_t num_events = 0;
  for (size_t i = 0; i < streams_.size(); ++i) {
    const Visit& visit = *streams_[i];
    num_events += visit.arrivals.size();
    checks_.expect(visit.done, "stream ", i + 1, " did not end well");
    checks_.expect(visit.text == expected_text(i + 1, options_.num_tokens), "stream ", i + 1,
                   " is \"", visit.text, '"');
  }
  std::printf("%zu streams, %zu events with %zu tokens\n", streams_.size(), num_events,
              streams_.size() * static_cast<size_t>(options_.num_tokens));
}

// The first one's answers enter the prefix cache, as any would. The next one's cost is its own.
void StreamLoad::stop_reading() {
  cost_of_unread();
  const int64_t bytes = cost_of_unread();
  std::printf("who stopped reading cost %lld KiB until cut\n", static_cast<long long>(bytes >> 10));
  // Its output is copied when the buffer grows; tokens, not yet text, gather while it is paused.
  if (options_.check_memory)
    checks_.expect(bytes <= 8 * int64_t{options_.max_unsent_bytes}, bytes, " bytes for it");
}

// By how much the server had grown at most until it cut such a reader.
int64_t StreamLoad::cost_of_unread() {
  const int64_t before_bytes = server_.resident_bytes();
  const int before_descriptors = server_.num_descriptors();
  crowd_.visit_without_reading(chat_body("go", 100'000, 3'000'000, true, options_.unread_choices),
                               4096);
  int64_t most_bytes = before_bytes;
  bool seen = false, cut = false;
  const auto deadline = Clock::now() + std::chrono::duration<double>(kPatience_s);
  while (!cut && Clock::now() < deadline) {
    crowd_.run_for(0.05);
    most_bytes = std::max(most_bytes, server_.resident_bytes());
    const int descriptors = server_.num_descriptors();
    seen |= descriptors > before_descriptors;
    cut = seen && descriptors <= before_descriptors;
  }
  checks_.expect(cut && crowd_.unread_was_cut(), "who stopped reading was not cut");
  return most_bytes - before_bytes;
}

void StreamLoad::release() {
  crowd_.close_all();
  const auto deadline = Clock::now() + std::chrono::duration<double>(kPatience_s);
  while (server_.num_descriptors() > first_descriptors_ && Clock::now() < deadline)
    crowd_.run_for(0.05);
  checks_.expect(server_.num_descriptors() <= first_descriptors_, "connections are still open");
  say_memory("after all have gone");
}

void StreamLoad::report_latency(const StepLog& log) {
  std::vector<double> late_ms;
  size_t num_events = 0;
  for (size_t i = 0; i < streams_.size(); ++i) {
    for (const Arrival& arrival : streams_[i]->arrivals) {
      const auto made = log.made_at(i + 1, arrival.position);
      checks_.expect(made.has_value(), "stream ", i + 1, ": no step made ", arrival.position);
      if (!made) return;
      ++num_events;
      if (*made >= all_began_)
        late_ms.push_back(std::chrono::duration<double, std::milli>(arrival.time - *made).count());
    }
  }
  if (late_ms.empty()) return;
  std::sort(late_ms.begin(), late_ms.end());
  const auto at = [&](double share) {
    return late_ms[static_cast<size_t>(share * static_cast<double>(late_ms.size() - 1))];
  };
  std::printf("%zu of %zu events after all streams had begun\n", late_ms.size(), num_events);
  std::printf("from token to client, ms: p50 %.1f, p90 %.1f, p99 %.1f, most %.1f\n", at(0.5),
              at(0.9), at(0.99), late_ms.back());
  if (options_.max_p99_ms > 0)
    checks_.expect(at(0.99) <= options_.max_p99_ms, "p99 is ", at(0.99), " ms");
}

int run(const Options& options) {
  raise_descriptor_limit(options.num_streams + options.num_idle);
  const auto log = std::filesystem::temp_directory_path() / cat("glint_steps_", getpid());
  if (options.client_cpu >= 0) stay_on_cpu(options.client_cpu);
  auto server = ServerProcess::start(
      {options.server, "0", "1", cat(options.step_us), "--plain-text", "--step-log", log.string(),
       "--max-running-requests", cat(options.num_streams + options.unread_choices),
       "--max-unsent-bytes", cat(options.max_unsent_bytes), "--slow-reader-timeout-s",
       cat(options.slow_reader_timeout_s)},
      options.server_cpu);
  if (!server) {
    std::fprintf(stderr, "error: %s\n", server.error().message.c_str());
    return 1;
  }
  const int status = StreamLoad(options, *server).run(log.string());
  std::filesystem::remove(log);
  return status;
}

}  // namespace
}  // namespace glint

int main(int argc, char** argv) {
  glint::Options options;
  CLI::App app("Many streams and idle connections on one null_server.");
  app.add_option("server", options.server, "the null_server program")->required();
  app.add_option("--streams", options.num_streams)->check(CLI::PositiveNumber);
  app.add_option("--idle", options.num_idle)->check(CLI::NonNegativeNumber);
  app.add_option("--tokens", options.num_tokens, "of each stream")->check(CLI::PositiveNumber);
  app.add_option("--step-us", options.step_us)->check(CLI::PositiveNumber);
  app.add_option("--server-cpu", options.server_cpu, "the server's core");
  app.add_option("--client-cpu", options.client_cpu, "the clients' core");
  app.add_option("--unread-choices", options.unread_choices, "answers to who stops reading");
  app.add_option("--slow-reader-timeout-s", options.slow_reader_timeout_s);
  app.add_option("--max-p99-ms", options.max_p99_ms, "fails above it; 0: not checked");
  app.add_flag("!--no-memory-checks", options.check_memory,
               "for builds whose memory is not their own, as with sanitizers");
  CLI11_PARSE(app, argc, argv);
  setvbuf(stdout, nullptr, _IOLBF, 0);
  return glint::run(options);
}

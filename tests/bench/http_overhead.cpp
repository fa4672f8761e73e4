// What does our HTTP cost? Requests and streamed events a second, of a plain Beast hello-world and
// of another server in the same run, under the same load, in turns:
//
//   http_overhead                                   http/ with a handler that answers at once
//   http_overhead --stream                          the same, 128 events an answer
//   http_overhead --url http://127.0.0.1:30000/v1/completions --body '{"prompt": "a", "max_tokens":
//   1}'
//
// Without --url the other server is http/'s own: for a stream a thread of its own posts one event
// to each open answer in turn, as an engine does. Load and servers share the machine's cores, so
// only the ratio means something.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <list>
#include <memory>
#include <thread>

#include "base/queue.h"
#include "baseline_server.h"
#include "http/server.h"
#include "http/sse.h"
#include "load_generator.h"

namespace glint {
namespace {

struct Options {
  std::string url;
  std::string body = R"({"prompt": "Hello", "max_tokens": 1})";
  std::string answer = R"({"id":"cmpl-1","choices":[{"index":0,"text":" world","logprobs":null}]})";
  bool stream = false;
  int num_events = 128;
  int num_connections = 64;
  int num_threads = 1;
  double seconds = 2;
  int num_rounds = 3;
};

// Stands where the engine would: each step gives every open answer its next event.
class Producer {
 public:
  explicit Producer(const Options& options)
      : event_(sse_event(options.answer)), num_events_(options.num_events) {
    thread_ = std::thread([this] { run(); });
  }
  ~Producer() {
    arrived_.close();
    thread_.join();
  }
  void take(std::shared_ptr<Exchange> exchange) {
    arrived_.push({std::move(exchange), num_events_});
  }

 private:
  struct Answer {
    std::shared_ptr<Exchange> exchange;
    int events_left = 0;
  };

  void run() {
    while (!arrived_.closed()) {
      auto arrived = open_.empty() ? arrived_.wait_and_drain() : arrived_.drain();
      std::move(arrived.begin(), arrived.end(), std::back_inserter(open_));
      for (Answer& answer : open_) step(answer);
      std::erase_if(open_, [](const Answer& answer) { return answer.events_left == 0; });
    }
  }

  void step(Answer& answer) {
    const bool last = --answer.events_left == 0;
    answer.exchange->post([this, exchange = answer.exchange, last] {
      exchange->write(event_);
      if (last) exchange->end_stream();
    });
  }

  const std::string event_;
  const int num_events_;
  Queue<Answer> arrived_;
  std::list<Answer> open_;
  std::thread thread_;
};

Result<std::unique_ptr<HttpServer>> start_ours(const Options& options, Producer& producer) {
  Router router;
  router.add("POST", "/", [&](std::shared_ptr<Exchange> exchange) {
    if (!options.stream) return exchange->respond({.body = options.answer});
    exchange->begin_stream(200, "text/event-stream");
    producer.take(std::move(exchange));
  });
  auto server =
      TRY(HttpServer::listen({.port = 0, .num_threads = options.num_threads}, std::move(router)));
  server->start();
  return server;
}

Result<double> measure(const Options& options, const char* name, const std::string& url) {
  const Load load{.url = TRY(parse_url(url)),
                  .body = options.body,
                  .num_connections = options.num_connections,
                  .num_threads = options.num_threads,
                  .seconds = options.seconds};
  const LoadResult result = TRY(run_load(load));
  const double requests = static_cast<double>(result.num_requests) / result.seconds;
  const double events = static_cast<double>(result.num_events) / result.seconds;
  std::printf("%-10s %10.0f %12.0f %8lld\n", name, requests, events,
              static_cast<long long>(result.num_failed));
  std::fflush(stdout);
  return options.stream ? events : requests;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Result<void> compare(const Options& options) {
  const BaselineServer baseline({options.answer, options.stream ? options.num_events : 0},
                                options.num_threads);
  Producer producer(options);
  const auto ours = TRY(start_ours(options, producer));
  const std::string other =
      options.url.empty() ? cat("http://127.0.0.1:", ours->port(), "/") : options.url;
  std::printf("%-10s %10s %12s %8s\n", "server", "requests/s", "events/s", "failed");
  std::vector<double> baseline_rates, other_rates;
  for (int round = 0; round < options.num_rounds; ++round) {
    baseline_rates.push_back(
        TRY(measure(options, "beast", cat("http://127.0.0.1:", baseline.port(), "/"))));
    other_rates.push_back(TRY(measure(options, options.url.empty() ? "http/" : "url", other)));
  }
  std::printf("ratio of medians: %.2f\n", median(other_rates) / median(baseline_rates));
  ours->shutdown(0);
  return {};
}

}  // namespace
}  // namespace glint

int main(int argc, char** argv) {
  glint::Options options;
  CLI::App app("Compares an HTTP server with a plain Beast hello-world under the same load.");
  app.add_option("--url", options.url, "the other server; without it, http/ in this process");
  app.add_option("--body", options.body, "what each request POSTs");
  app.add_flag("--stream", options.stream, "answers are streams of server-sent events");
  app.add_option("--events", options.num_events, "events an answer, with --stream")
      ->check(CLI::PositiveNumber);
  app.add_option("--connections", options.num_connections)->check(CLI::PositiveNumber);
  app.add_option("--threads", options.num_threads, "of the load, and of each server here")
      ->check(CLI::PositiveNumber);
  app.add_option("--seconds", options.seconds, "each server and round")->check(CLI::PositiveNumber);
  app.add_option("--rounds", options.num_rounds)->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  const auto compared = glint::compare(options);
  if (!compared) std::fprintf(stderr, "error: %s\n", compared.error().message.c_str());
  return compared ? 0 : 1;
}

#pragma once

// One run of bench serving: SGLang's protocol, from the warm-up to the metrics.

#include <atomic>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "bench/serving/server_probe.h"
#include "bench/serving/serving_load.h"
#include "bench/serving/serving_metrics.h"

namespace glint {

struct ServingOptions {
  std::string base_url = "http://127.0.0.1:30000";
  HttpClient::Headers headers{};
  std::string model_path{};  // where its tokenizer may be
  RequestFormat format{};    // its model may be empty: the server's first
  std::string tokenizer{};   // folder, tokenizer.json or an id in the local cache; empty: find it
  DatasetOptions dataset{};
  double request_rate = std::numeric_limits<double>::infinity();  // a second; Poisson arrivals
  int max_concurrency = 0;                                        // 0: no limit
  int warmup_requests = 1;
  bool flush_cache = false;
  bool cache_report = false;
  bool profile = false;  // the server's own profiler, as SGLang has it
  double ready_timeout_s = 60;
  double settle_s = 1;  // between warm-up and run
  std::string tag{};
  const std::atomic<bool>* stop = nullptr;  // as of ServingLoad
};

// A server that answers, and how to ask it.
struct BenchServer {
  std::string base_url;
  HttpClient::Headers headers;
  std::string model;  // as requests name it
  Json info;          // /get_server_info, or null
  std::optional<Tokenizer> tokenizer;
  int vocab_size = 0;
  std::vector<std::string> notes;

  TokenSource tokens() const { return {tokenizer ? &*tokenizer : nullptr, vocab_size}; }
};

// Waits for the server, and looks for its tokenizer: --tokenizer, the model's folder, the path that
// the server gives. `on_wait` as of wait_for_model().
Result<BenchServer> find_bench_server(const ServingOptions& options,
                                      const std::function<void(const std::string&)>& on_wait);

struct ServingReport {
  ServingOptions options;
  Json server_info;
  ServingMetrics metrics;
  std::vector<RequestRecord> records;
  ClientCost cost;
  std::optional<ServerCounts> server_counts;  // of this run, where the server is glint
  std::vector<std::string> notes;             // what the numbers do not say
};

using ProgressHook = std::function<void(const LoadProgress&)>;

// With the requests that options.dataset describes.
Result<ServingReport> bench_serving(const BenchServer& server, const ServingOptions& options,
                                    const ProgressHook& on_progress);
// With these. `random` gives the arrivals.
Result<ServingReport> bench_serving(const BenchServer& server, const ServingOptions& options,
                                    BenchDataset dataset, NumpyRandom& random,
                                    const ProgressHook& on_progress);

}  // namespace glint

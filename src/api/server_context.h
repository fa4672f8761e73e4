#pragma once

// What every endpoint knows about this server. Made once at start; read from all HTTP threads.

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/api_keys.h"
#include "api/cors.h"
#include "api/preferred_params.h"
#include "api/request_metrics.h"
#include "api/responses/response_store.h"
#include "api/running_requests.h"
#include "base/clock.h"
#include "configure/questions.h"
#include "engine/engine.h"
#include "model/config.h"
#include "scheduler/limits.h"
#include "tokenizer/tokenizer.h"

namespace glint {

struct ApiOptions {
  std::string served_model_name{};
  std::string model_path{};      // as typed
  std::string tokenizer_path{};  // as typed
  std::string version{};
  std::string dtype{};  // of the weights in memory
  std::string load_format = "auto";
  bool parse_reasoning = true;       // --reasoning-parser glm45
  bool parse_tool_calls = true;      // --tool-call-parser glm47
  bool incremental_output = false;   // --stream-output: /generate streams deltas
  bool keep_billing_header = false;  // --keep-billing-header
  bool log_requests = false;
  int log_requests_level = 1;  // api/request_log.h
  CorsPolicy cors{};
  bool serve_version = false;  // GET /version
  PreferredParams preferred{};
  int stream_interval = 1;           // tokens in one piece of a stream
  bool allow_auto_truncate = false;  // what is too long is cut instead of refused
  uint64_t random_seed = 0;          // where the seeds of requests without one come from
  bool deterministic = false;        // or what all of them get
  Machine machine{};                 // for /configure
};

// Of the device, as allocated.
struct MemoryUse {
  int64_t weights_bytes = 0;
  int64_t kv_bytes = 0;
};

// What starting the server took.
struct StartupTimes {
  double load_weights_s = 0;
  double total_s = 0;  // from the command until requests are served
};

// Numbers from a seed, from any thread.
class RandomSource {
 public:
  explicit RandomSource(uint64_t seed) : state_(seed) {}
  uint64_t next();
  std::string next_hex(int num_digits);

 private:
  std::atomic<uint64_t> state_;
};

struct ServerContext {
  ServerContext(ApiOptions api_options, ModelConfig model_config, Engine& serving_engine,
                const Clock& steady_clock);

  ApiOptions options;
  ModelConfig config;
  GenerationConfig generation_config;
  std::optional<Tokenizer> tokenizer;   // nothing with --skip-tokenizer-init
  std::vector<TokenId> stop_token_ids;  // what ends an answer unless ignore_eos
  SchedulerLimits limits;
  std::string device = "cpu";  // or the GPU's name
  MemoryUse memory;
  Engine& engine;
  const Clock& clock;
  int64_t started_unix_s;
  std::atomic<bool> shutting_down = false;  // no new work; /health answers 503
  RandomSource seeds;                       // for requests without one
  RandomSource ids;                         // of requests and tool calls
  RequestMetrics metrics;
  StartupTimes startup;
  RunningRequests running;
  ResponseStore responses;
  ApiKeys keys;
};

int64_t unix_time_s();

}  // namespace glint

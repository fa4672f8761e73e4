#pragma once

// The flags of `glint serve`: SGLang's names and aliases (docs/flags.md).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/server_context.h"
#include "apps/load_model.h"
#include "apps/security_flags.h"
#include "http/server.h"

namespace CLI {
class App;
}

namespace glint {

struct ServeOptions {
  LoadOptions load;
  HttpServerOptions http;
  ApiOptions api;
  std::string config_path;  // of --config
  KeySources keys;
  std::string schedule_policy = "fcfs";
  std::string radix_eviction_policy = "lru";
  bool enable_priority_scheduling = false;
  int preemption_threshold = 10;
  int tokenizer_worker_num = 0;
  std::string preferred_sampling_params;
  std::string sampling_defaults = "model";
  int decode_log_interval = 40;
  double watchdog_timeout_s = 300;
  bool disable_overlap = false;
  bool disable_cuda_graph = false;
  std::vector<int> cuda_graph_bs;
  std::string reasoning_parser = "glm45";
  std::string tool_call_parser = "glm47";
  std::string log_level = "info";
  bool disable_radix_cache = false;
  std::optional<uint64_t> random_seed;
  double grace_period_s = 30;
};

void add_serve_flags(CLI::App& app, ServeOptions& options);

// What the parsed flags mean together: policy, seed, parsers. Also says on stderr what was accepted
// and does nothing or something else. The Error (kInvalidRequest) is wrong usage: what glint does
// not have, or flags that do not go together.
Result<void> finish_serve_options(const CLI::App& app, ServeOptions& options);

// Finds the bundled model if no MODEL was typed, and fills in the names that the API gives the
// model. The Error (kStartup) says that there is none.
Result<void> name_model(ServeOptions& options);

}  // namespace glint

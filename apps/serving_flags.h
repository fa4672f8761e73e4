#pragma once

// The flags that bench serving and bench sweep share: SGLang's bench_serving's.

#include <string>
#include <vector>

#include "bench/serving/serving_bench.h"

namespace CLI {
class App;
}  // namespace CLI

namespace glint {

// As typed; complete() puts them where they belong.
struct ServingFlags {
  ServingOptions serving;
  std::string backend = "glint";
  std::string base_url, host = "127.0.0.1", request_rate = "inf", extra_request_body;
  int port = 0;  // 0: the backend's
  bool disable_ignore_eos = false, disable_stream = false;
  double top_p = 0;                  // 0: not sent
  std::vector<std::string> headers;  // K=V
};

void add_server_flags(CLI::App& app, ServingFlags& f);
void add_dataset_flags(CLI::App& app, ServingFlags& f);
void add_request_flags(CLI::App& app, ServingFlags& f);

// The Error is a wrong value, in words.
Result<ServingOptions> complete(const ServingFlags& flags);
// 0, or 1 or 2 (a wrong flag) after the error's sentence on stderr.
int exit_status(const Result<void>& done);
// Waits for the server, with a line on stderr if it does not answer at once. From then on Ctrl-C
// sets what options.stop points to, once: a second one ends the program.
Result<BenchServer> wait_for_server(const ServingOptions& options);

}  // namespace glint

#pragma once

// The flags of `glint serve`: SGLang's names and aliases.

#include <cstdint>
#include <optional>
#include <string>

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
  KeySources keys;
  std::string schedule_policy = "fcfs";
  std::string reasoning_parser = "glm45";
  std::string tool_call_parser = "glm47";
  std::string log_level = "info";
  bool disable_radix_cache = false;
  std::optional<uint64_t> random_seed;
  double grace_period_s = 30;
};

void add_serve_flags(CLI::App& app, ServeOptions& options);

// What the parsed flags mean together: policy, seed, parsers. Also names on stderr, in one line,
// the flags that were accepted and do nothing.
void finish_serve_options(const CLI::App& app, ServeOptions& options);

// Finds the bundled model if no MODEL was typed, and fills in the names that the API gives the
// model. The Error (kStartup) says that there is none.
Result<void> name_model(ServeOptions& options);

}  // namespace glint

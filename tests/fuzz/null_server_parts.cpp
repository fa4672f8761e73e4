#include "tests/fuzz/null_server_parts.h"

#include <memory>

#include "engine/null_model_runner.h"

namespace glint {
namespace {

SchedulerLimits limits() {
  SchedulerLimits limits;
  limits.page_size = 4;
  limits.num_pages = 4096;
  limits.max_running_requests = 128;
  limits.context_length = 512;
  return limits;
}

ApiOptions options() {
  ApiOptions options;
  options.served_model_name = options.model_path = options.tokenizer_path = "null";
  options.deterministic = true;  // an input does the same each time
  return options;
}

}  // namespace

NullServerParts::NullServerParts()
    : engine_(limits(), std::make_unique<NullModelRunner>(tiny_num_tokens()), clock_),
      context_(options(), tiny_config(), engine_, clock_) {
  context_.tokenizer = *Tokenizer::parse(tiny_tokenizer_json(), "tiny");
  // One id in eight ends an answer: an input with 128 choices is a thousand tokens.
  for (TokenId id = 0; id < tiny_num_tokens(); id += 8) context_.stop_token_ids.push_back(id);
  context_.limits = limits();
}

}  // namespace glint

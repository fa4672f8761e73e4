#include "apps/decode_log.h"

#include <utility>

#include "base/log.h"

namespace glint {

void DecodeLog::operator()(const EngineStats& stats) {
  const auto now = std::chrono::steady_clock::now();
  const double seconds = std::chrono::duration<double>(now - std::exchange(last_, now)).count();
  const int64_t tokens =
      stats.generation_tokens_total - std::exchange(last_tokens_, stats.generation_tokens_total);
  const auto used = static_cast<double>(stats.num_used_tokens);
  log_info("decode", {{"running", stats.num_running_requests},
                      {"queued", stats.num_queued_requests},
                      {"tokens", stats.num_used_tokens},
                      {"token_usage", used / static_cast<double>(stats.max_total_tokens)},
                      {"tok_per_s", static_cast<double>(tokens) / seconds}});
}

}  // namespace glint

#include "api/request_log.h"

#include <string>

#include "base/log.h"

namespace glint {
namespace {

constexpr size_t kMaxShownBytes = 2048;

bool logs_at(const ServerContext& context, int level) {
  return context.options.log_requests && context.options.log_requests_level >= level;
}

// Whole characters of at most kMaxShownBytes, or all at level 3.
std::string shown_part(const ServerContext& context, std::string_view text) {
  if (logs_at(context, 3) || text.size() <= kMaxShownBytes) return std::string(text);
  size_t end = kMaxShownBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return cat(text.substr(0, end), "…");
}

}  // namespace

void log_received(const ServerContext& context, const HttpRequest& http,
                  const std::vector<GenerateRequest>& requests) {
  if (!logs_at(context, 1) || requests.empty()) return;
  const GenerateRequest& first = requests.front();
  const SamplingParams& sampling = first.sampling;
  log_info("request", {{"path", http.path},
                       {"answers", requests.size()},
                       {"prompt_tokens", first.prompt.size()},
                       {"max_tokens", first.max_tokens},
                       {"temperature", sampling.temperature},
                       {"top_p", sampling.top_p},
                       {"top_k", sampling.top_k},
                       {"min_p", sampling.min_p},
                       {"seed", sampling.seed},
                       {"priority", first.priority}});
  if (logs_at(context, 2)) log_info("request body", {{"body", shown_part(context, http.body)}});
}

bool logs_answers(const ServerContext& context) { return logs_at(context, 2); }

void log_done(const ServerContext& context, const HttpRequest& http, const DoneAnswer& done) {
  if (!logs_at(context, 0)) return;
  log_info("request done", {{"id", done.id},
                            {"rid", done.rid},
                            {"x_request_id", request_id(http)},
                            {"prompt_tokens", done.usage.prompt_tokens},
                            {"cached_tokens", done.usage.cached_tokens},
                            {"completion_tokens", done.usage.completion_tokens},
                            {"seconds", done.seconds}});
  if (logs_answers(context))
    log_info("request answer", {{"id", done.id}, {"text", shown_part(context, done.text)}});
}

}  // namespace glint

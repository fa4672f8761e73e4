// How to sample and when to stop, in both dialects: what is taken, the engine can do.

#include <algorithm>

#include "api/generation_params.h"
#include "base/utf8.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/null_server_parts.h"

namespace glint {
namespace {

// Wherever the patterns end a text, they do so however it is cut.
void check_stop_regex(const std::shared_ptr<const StopRegexes>& regexes) {
  constexpr std::string_view kText = "<a>\n\n1. Naïve: 日本語, it's 42!\t(x)</a> 🙂";
  StopRegexSearch whole(regexes);
  const size_t end = whole.append(kText);
  CHECK(end <= kText.size() && (whole.matched() ? end > 0 : end == kText.size()), "ends at ", end);
  StopRegexSearch in_two(regexes);
  const size_t before = in_two.append(kText.substr(0, 7));
  const size_t after = in_two.append(kText.substr(7));
  CHECK(before + after == end && in_two.matched() == whole.matched(), "cut, it ends at ",
        before + after, " instead of ", end);
}

void check_params(const GenerationParams& params, int vocab_size) {
  const auto valid = validate(params.sampling, vocab_size);
  CHECK(valid, "taken, but the sampler refuses it: ", Result<void>(valid).error().message);
  CHECK(params.n >= 1 && params.n <= kMaxChoices, "n is ", params.n);
  const int min_tokens = params.sampling.min_tokens;
  CHECK(min_tokens >= 0 && (!params.max_tokens || min_tokens <= *params.max_tokens), "min_tokens ",
        min_tokens);
  CHECK(params.text.stop.size() <= kMaxStopStrings, params.text.stop.size(), " stop strings");
  for (const std::string& stop : params.text.stop)
    CHECK(!stop.empty() && stop.size() <= kMaxStopStringBytes, stop.size(), " bytes to stop at");
  check_stop_regex(params.text.stop_regex);
}

void check_requests(const GenerationParams& params, const ServerContext& context) {
  const std::vector<SharedTokens> prompts = {SharedTokens{1, 1, 1}};
  auto requests = make_requests(prompts, params, std::nullopt, "prompt", context);
  if (!requests) {
    CHECK(requests.error().code == ErrorCode::kInvalidRequest, requests.error().message);
    return;
  }
  CHECK(std::ssize(*requests) == std::ptrdiff_t{params.n}, requests->size(), " requests for ",
        params.n);
  for (const GenerateRequest& request : *requests)
    CHECK(request.max_tokens >= 0 && request.max_tokens + 3 <= context.limits.context_length,
          "max_tokens ", request.max_tokens);
}

void check_dialect(const Json& body, Dialect dialect, ServerContext& context) {
  const RequestFields fields(body);
  auto params = parse_generation_params(fields, dialect, context);
  if (!params) {
    CHECK(params.error().code == ErrorCode::kInvalidRequest, params.error().message);
    CHECK(!params.error().message.empty() && is_valid_utf8(params.error().message), "no sentence");
    CHECK(!params.error().param.empty(), "no field: ", params.error().message);
    return;
  }
  check_params(*params, context.config.vocab_size);
  check_requests(*params, context);
}

}  // namespace

void check_input(std::string_view input) {
  static NullServerParts server;
  const auto body = parse_request_body("", input);
  if (!body) return;
  for (const Dialect dialect : {Dialect::kOpenAi, Dialect::kNative})
    check_dialect(*body, dialect, server.context());
}

}  // namespace glint

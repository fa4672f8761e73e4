#include "api/preferred_params.h"

#include <nlohmann/json.hpp>
#include <string>

#include "api/generation_params.h"
#include "api/request_fields.h"

namespace glint {
namespace {

// A null name is OpenAI's.
struct Name {
  const char* native;
  const char* openai;
  const char* responses = nullptr;
  const char* anthropic = nullptr;
  const char* ollama = nullptr;

  const char* in(Dialect dialect) const {
    const char* const names[] = {openai, responses, native, anthropic, ollama};
    const char* const name = names[static_cast<size_t>(dialect)];
    return name == nullptr ? openai : name;
  }
};

// What may be preferred: how to sample and when to stop, and not what a client would be surprised
// to get, such as several answers.
constexpr Name kNames[] = {
    {"temperature", "temperature"},
    {"top_p", "top_p"},
    {"top_k", "top_k"},
    {"min_p", "min_p"},
    {"frequency_penalty", "frequency_penalty"},
    {"presence_penalty", "presence_penalty"},
    {.native = "repetition_penalty", .openai = "repetition_penalty", .ollama = "repeat_penalty"},
    {"max_new_tokens", "max_tokens", "max_output_tokens", "max_tokens", "num_predict"},
    {"min_new_tokens", "min_tokens"},
    {.native = "stop", .openai = "stop", .anthropic = "stop_sequences"},
    {"stop_token_ids", "stop_token_ids"},
    {"ignore_eos", "ignore_eos"},
    {"skip_special_tokens", "skip_special_tokens"},
    {"no_stop_trim", "no_stop_trim"},
    {"stream_interval", "stream_interval"}};

std::string known_names() {
  std::string names;
  for (const Name& name : kNames) names += cat(names.empty() ? "" : ", ", name.native);
  return names;
}

Result<void> check_known(const std::string& native) {
  for (const Name& name : kNames)
    if (native == name.native) return {};
  return Error{ErrorCode::kInvalidRequest,
               cat("it has the field ", native, "; expected ", known_names(), "."),
               {}};
}

std::shared_ptr<const Json> spelled_in(Dialect dialect, const Json& native) {
  auto spelled = std::make_shared<Json>(Json::object());
  for (const auto& [field, value] : native.items())
    for (const Name& name : kNames)
      if (field == name.native) (*spelled)[name.in(dialect)] = value;
  return spelled;
}

}  // namespace

Result<PreferredParams> parse_preferred_params(std::string_view json_text) {
  Json native = TRY(parse_json(json_text));
  if (!native.is_object())
    return Error{
        ErrorCode::kInvalidRequest, cat("it is ", shown(native), "; expected a JSON object."), {}};
  for (const auto& [field, value] : native.items()) TRY(check_known(field));
  TRY(check_generation_fields(RequestFields(native)));
  PreferredParams params;
  for (int i = 0; i < kNumDialects; ++i)
    params.spelled[static_cast<size_t>(i)] = spelled_in(static_cast<Dialect>(i), native);
  return params;
}

}  // namespace glint

#include "api/preferred_params.h"

#include <nlohmann/json.hpp>
#include <string>

#include "api/generation_params.h"
#include "api/request_fields.h"

namespace glint {
namespace {

struct Name {
  const char* native;
  const char* openai;
};

// What may be preferred: how to sample and when to stop, and not what a client would be surprised
// to get, such as several answers.
constexpr Name kNames[] = {{"temperature", "temperature"},
                           {"top_p", "top_p"},
                           {"top_k", "top_k"},
                           {"min_p", "min_p"},
                           {"frequency_penalty", "frequency_penalty"},
                           {"presence_penalty", "presence_penalty"},
                           {"repetition_penalty", "repetition_penalty"},
                           {"max_new_tokens", "max_tokens"},
                           {"min_new_tokens", "min_tokens"},
                           {"stop", "stop"},
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

Result<std::string> openai_name(const std::string& native) {
  for (const Name& name : kNames)
    if (native == name.native) return std::string(name.openai);
  return Error{ErrorCode::kInvalidRequest,
               cat("it has the field ", native, "; expected ", known_names(), "."),
               {}};
}

}  // namespace

Result<PreferredParams> parse_preferred_params(std::string_view json_text) {
  Json native = TRY(parse_json(json_text));
  if (!native.is_object())
    return Error{
        ErrorCode::kInvalidRequest, cat("it is ", shown(native), "; expected a JSON object."), {}};
  Json openai = Json::object();
  for (const auto& [name, value] : native.items()) openai[TRY(openai_name(name))] = value;
  TRY(check_generation_fields(RequestFields(native)));
  return PreferredParams{.native = std::make_shared<Json>(std::move(native)),
                         .openai = std::make_shared<Json>(std::move(openai))};
}

}  // namespace glint

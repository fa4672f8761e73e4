#pragma once

// --preferred-sampling-params: what this server takes for sampling fields that a request leaves
// out.

#include <memory>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace glint {

// Objects under the names of each dialect; null: none.
struct PreferredParams {
  std::shared_ptr<const Json> native, openai;
};

// `json_text` is an object with fields of /generate's sampling_params. The Error
// (kInvalidRequest) names what is no JSON, an unknown field, or a value that a request could not
// have either.
Result<PreferredParams> parse_preferred_params(std::string_view json_text);

}  // namespace glint

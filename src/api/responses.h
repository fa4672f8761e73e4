#pragma once

// Whole answers that are no errors.

#include <string>

#include "base/json.h"
#include "http/http.h"

namespace glint {

HttpResponse json_response(const Json& body);
HttpResponse text_response(int status, std::string text);

}  // namespace glint

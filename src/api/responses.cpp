#include "api/responses.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace glint {

HttpResponse json_response(const Json& body) { return {.status = 200, .body = to_json_text(body)}; }

HttpResponse text_response(int status, std::string text) {
  return {.status = status, .content_type = "text/plain; charset=utf-8", .body = std::move(text)};
}

}  // namespace glint

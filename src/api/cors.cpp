#include "api/cors.h"

#include <algorithm>

namespace glint {
namespace {

bool allows(const CorsPolicy& policy, std::string_view name) {
  return std::find(policy.allow_origins.begin(), policy.allow_origins.end(), name) !=
         policy.allow_origins.end();
}

}  // namespace

// Browsers say so of every request (W3C Fetch Metadata), and no page can say otherwise.
bool is_foreign(const CorsPolicy& policy, const HttpRequest& request) {
  if (!equals_ignoring_case(request.header("Sec-Fetch-Site"), "cross-site")) return false;
  return !allows(policy, "*") && !allows(policy, request.header("Origin"));
}

bool is_preflight(const HttpRequest& request) {
  return request.method == "OPTIONS" && !request.header("Origin").empty() &&
         !request.header("Access-Control-Request-Method").empty();
}

HttpFields cors_fields(const CorsPolicy& policy, const HttpRequest& request) {
  if (policy.allow_origins.empty()) return {};
  if (allows(policy, "*")) {
    return {{"Access-Control-Allow-Origin", "*"}, {"Access-Control-Expose-Headers", "*"}};
  }
  // A cache must not give one origin the answer to another.
  HttpFields fields{{"Vary", "Origin"}};
  const std::string_view origin = request.header("Origin");
  if (origin.empty() || !allows(policy, origin)) return fields;
  fields.emplace_back("Access-Control-Allow-Origin", origin);
  fields.emplace_back("Access-Control-Expose-Headers", "*");
  return fields;
}

// `*` would not cover Authorization: the headers asked for are named again.
HttpResponse preflight_response(const CorsPolicy& policy, const HttpRequest& request) {
  HttpResponse response{.status = 204, .content_type = {}, .body = {}, .headers = {}};
  if (!allows(policy, "*") && !allows(policy, request.header("Origin"))) return response;
  response.headers = {{"Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE, OPTIONS"},
                      {"Access-Control-Allow-Headers",
                       std::string(request.header("Access-Control-Request-Headers"))},
                      {"Access-Control-Max-Age", "600"}};
  return response;
}

}  // namespace glint

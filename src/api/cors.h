#pragma once

// Cross-origin resource sharing (WHATWG Fetch, 3.2): which web pages' scripts may read our answers.

#include <string>
#include <vector>

#include "http/http.h"

namespace glint {

struct CorsPolicy {
  std::vector<std::string> allow_origins{};  // "https://app.example.com", or "*": all; empty: none
};

// True if the request comes from a page of another site that is not on the list. CORS alone would
// keep that page from reading the answer, but not from asking.
bool is_foreign(const CorsPolicy& policy, const HttpRequest& request);

// True if the browser asks whether it may send a request at all.
bool is_preflight(const HttpRequest& request);

// The fields that let the page that sent `request` read its answer; none if it may not.
HttpFields cors_fields(const CorsPolicy& policy, const HttpRequest& request);

// The answer to a preflight: any method and any header, if the origin is allowed.
HttpResponse preflight_response(const CorsPolicy& policy, const HttpRequest& request);

}  // namespace glint

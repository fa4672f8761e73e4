#include "http/router.h"

#include <string_view>

namespace glint {
namespace {

bool has_wildcard(std::string_view pattern) { return pattern.ends_with('}'); }

// "/v1/models/{model}" gives "/v1/models/".
std::string_view fixed_part(std::string_view pattern) {
  return pattern.substr(0, pattern.rfind('{'));
}

bool matches(std::string_view pattern, std::string_view path) {
  if (!has_wildcard(pattern)) return path == pattern;
  return path.starts_with(fixed_part(pattern)) && path.size() > fixed_part(pattern).size();
}

HttpResponse plain_error(int status, const std::string& message) {
  return {.status = status, .content_type = "text/plain", .body = message + "\n", .headers = {}};
}

}  // namespace

void Router::add(std::string method, std::string path, Handler handler, Access access) {
  // A path without a wildcard goes before those with one, and so wins.
  auto at = routes_.end();
  if (!has_wildcard(path)) {
    at = routes_.begin();
    while (at != routes_.end() && !has_wildcard(at->path)) ++at;
  }
  routes_.insert(at, {std::move(method), std::move(path), access, std::move(handler)});
}

Router::Found Router::find(const HttpRequest& request) const {
  const std::string_view sent = request.method;
  const std::string_view method = sent == "HEAD" ? "GET" : sent;
  Found found;
  for (const Route& route : routes_) {
    if (!matches(route.path, request.path)) continue;
    if (found.allowed.empty() || route.method == method) found.access = route.access;
    if (route.method == method) {
      found.route = &route;
      return found;
    }
    found.allowed += (found.allowed.empty() ? "" : ", ") + route.method;
  }
  return found;
}

void Router::route(std::shared_ptr<Exchange> exchange) const {
  const HttpRequest& request = exchange->request();
  const Found found = find(request);
  if (hooks_.guard) {
    if (auto refused = hooks_.guard(found.access, request)) {
      return exchange->respond(*std::move(refused));
    }
  }
  if (found.route != nullptr) return found.route->handler(std::move(exchange));
  if (found.allowed.empty()) {
    return exchange->respond(error(request, 404, cat("There is no ", request.path, " here.")));
  }
  auto response = error(request, 405,
                        cat(request.path, " takes ", found.allowed, ", not ", request.method, "."));
  response.headers.emplace_back("Allow", found.allowed);
  exchange->respond(std::move(response));
}

std::optional<HttpResponse> Router::refusal(const HttpRequest& request) const {
  return hooks_.guard ? hooks_.guard(find(request).access, request) : std::nullopt;
}

HttpResponse Router::error(const HttpRequest& request, int status,
                           const std::string& message) const {
  return hooks_.error_body ? hooks_.error_body(request, status, message)
                           : plain_error(status, message);
}

HttpFields Router::answer_fields(const HttpRequest& request) const {
  return hooks_.answer_fields ? hooks_.answer_fields(request) : HttpFields{};
}

void Router::ended(const HttpRequest& request, const HttpOutcome& outcome) const {
  if (hooks_.ended) hooks_.ended(request, outcome);
}

}  // namespace glint

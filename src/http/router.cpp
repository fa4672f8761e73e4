#include "http/router.h"

#include <algorithm>
#include <string_view>
#include <vector>

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

// The value of Allow: what the routes take and what the router answers for them, each once.
std::string allow(std::vector<std::string_view> methods) {
  if (std::ranges::count(methods, "GET") > 0) methods.push_back("HEAD");
  methods.push_back("OPTIONS");
  std::string allowed;
  for (auto it = methods.begin(); it != methods.end(); ++it) {
    if (std::find(methods.begin(), it, *it) != it) continue;
    allowed += cat(allowed.empty() ? "" : ", ", *it);
  }
  return allowed;
}

}  // namespace

void Router::add(std::string method, std::string path, Handler handler) {
  // A path without a wildcard goes before those with one, and so wins.
  auto at = routes_.end();
  if (!has_wildcard(path)) {
    at = routes_.begin();
    while (at != routes_.end() && !has_wildcard(at->path)) ++at;
  }
  routes_.insert(at, {std::move(method), std::move(path), std::move(handler)});
}

void Router::set_error_body(std::function<HttpResponse(int, const std::string&)> shape) {
  error_body_ = std::move(shape);
}

void Router::route(std::shared_ptr<Exchange> exchange) const {
  const HttpRequest& request = exchange->request();
  const std::string_view sent = request.method;
  const std::string_view method = sent == "HEAD" ? "GET" : sent;
  std::vector<std::string_view> methods;
  for (const Route& route : routes_) {
    if (!matches(route.path, request.path)) continue;
    if (route.method == method) return route.handler(std::move(exchange));
    methods.push_back(route.method);
  }
  if (methods.empty()) {
    return exchange->respond(error(404, cat("There is no ", request.path, " here.")));
  }
  const std::string allowed = allow(std::move(methods));
  HttpResponse response{.status = 204, .body = {}};
  if (sent != "OPTIONS")
    response = error(405, cat(request.path, " takes ", allowed, ", not ", request.method, "."));
  response.headers.emplace_back("Allow", allowed);
  exchange->respond(std::move(response));
}

HttpResponse Router::error(int status, const std::string& message) const {
  return error_body_ ? error_body_(status, message) : plain_error(status, message);
}

}  // namespace glint

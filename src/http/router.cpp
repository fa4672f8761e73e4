#include "http/router.h"

#include <algorithm>
#include <string_view>
#include <vector>

namespace glint {
namespace {

// "/v1/models/{model}" gives "/v1/models/" and ""; without a wildcard the second part is nothing.
struct Pattern {
  std::string_view before;
  std::optional<std::string_view> after;
};

Pattern split(std::string_view pattern) {
  const size_t open = pattern.find('{');
  if (open == std::string_view::npos) return {pattern, std::nullopt};
  return {pattern.substr(0, open), pattern.substr(pattern.find('}') + 1)};
}

bool is_with_a_slash_more(std::string_view pattern, std::string_view path) {
  return path.size() == pattern.size() + 1 && path.starts_with(pattern) && path.ends_with("/") &&
         !pattern.ends_with("/");
}

bool matches(std::string_view pattern, std::string_view path) {
  const auto [before, after] = split(pattern);
  if (!after) return path == pattern || is_with_a_slash_more(pattern, path);
  return path.size() > before.size() + after->size() && path.starts_with(before) &&
         path.ends_with(*after);
}

// The most particular comes first: no wildcard, then one with a longer ending behind it.
bool is_before(std::string_view pattern, std::string_view other) {
  const auto after = split(pattern).after, other_after = split(other).after;
  if (!after || !other_after) return !after && other_after;
  return after->size() > other_after->size();
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

void Router::add(std::string method, std::string path, Handler handler, Access access) {
  auto at = routes_.begin();
  while (at != routes_.end() && !is_before(path, at->path)) ++at;
  routes_.insert(at, {std::move(method), std::move(path), access, std::move(handler)});
}

Router::Found Router::find(const HttpRequest& request) const {
  const std::string_view sent = request.method;
  const std::string_view method = sent == "HEAD" ? "GET" : sent;
  Found found;
  std::string_view pattern;  // the first that matches, whatever its method, is the path's
  for (const Route& route : routes_) {
    if (!matches(route.path, request.path)) continue;
    if (!pattern.empty() && route.path != pattern) continue;
    pattern = route.path;
    if (found.methods.empty() || route.method == method) found.access = route.access;
    if (route.method == method) {
      found.route = &route;
      return found;
    }
    found.methods.push_back(route.method);
  }
  return found;
}

void Router::route(std::shared_ptr<Exchange> exchange) const {
  const HttpRequest& request = exchange->request();
  Found found = find(request);
  if (hooks_.guard) {
    if (auto refused = hooks_.guard(found.access, request)) {
      return exchange->respond(*std::move(refused));
    }
  }
  if (found.route != nullptr) return found.route->handler(std::move(exchange));
  if (found.methods.empty()) {
    return exchange->respond(error(request, 404, cat("There is no ", request.path, " here.")));
  }
  const std::string allowed = allow(std::move(found.methods));
  HttpResponse response{.status = 204, .content_type = {}, .body = {}};
  if (request.method != "OPTIONS")
    response =
        error(request, 405, cat(request.path, " takes ", allowed, ", not ", request.method, "."));
  response.headers.emplace_back("Allow", allowed);
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

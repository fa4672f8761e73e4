#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/http.h"

namespace glint {

// Who may ask. What that takes is the guard's to decide; without one, everybody may.
enum class Access {
  kOpen,   // everybody
  kUser,   // clients
  kAdmin,  // who runs the server
};

// Method and path to a handler. A path may have one "/{name}", at its end or before a fixed ending;
// it matches what stands there, if there is anything: also "org/model". A path without a wildcard
// wins over one with, and one with a longer ending over one with a shorter. One without is also
// found with a slash more at its end: where others redirect, clients have it in their settings.
// Unknown path: 404; known path with another method: 405 with Allow. HEAD is answered as GET
// without a body, OPTIONS with Allow.
class Router {
 public:
  struct Route {
    std::string method, path;
    Access access;
    Handler handler;
  };

  // What a program has to say to every request. Called on the connections' strands; each may be
  // empty.
  struct Hooks {
    // An answer to give in a handler's place, or nothing. `access` is the route's: kUser where
    // there is none. Asked before the body is read, and again when it is there.
    std::function<std::optional<HttpResponse>(Access access, const HttpRequest& request)> guard{};
    // Fields of the answer, the server's own errors included.
    std::function<HttpFields(const HttpRequest& request)> answer_fields{};
    // The body of the router's and the server's own errors (400, 404, 405, 408, 413, 431, 500, 501,
    // 503). Of a request that cannot be read, `request` has what was.
    std::function<HttpResponse(const HttpRequest& request, int status, const std::string& message)>
        error_body{};
    // Once for each request that was answered, or whose client left.
    std::function<void(const HttpRequest& request, const HttpOutcome& outcome)> ended{};
  };

  void add(std::string method, std::string path, Handler handler, Access access = Access::kUser);
  const std::vector<Route>& routes() const { return routes_; }
  void set_hooks(Hooks hooks) { hooks_ = std::move(hooks); }

  void route(std::shared_ptr<Exchange> exchange) const;
  // The guard's answer.
  std::optional<HttpResponse> refusal(const HttpRequest& request) const;
  HttpResponse error(const HttpRequest& request, int status, const std::string& message) const;
  HttpFields answer_fields(const HttpRequest& request) const;
  void ended(const HttpRequest& request, const HttpOutcome& outcome) const;

 private:
  struct Found {
    const Route* route = nullptr;  // null: no such path, or another method
    Access access = Access::kUser;
    std::vector<std::string_view> methods;  // of the path, where there is no route
  };
  Found find(const HttpRequest& request) const;

  std::vector<Route> routes_;
  Hooks hooks_;
};

}  // namespace glint

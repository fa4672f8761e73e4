#pragma once

#include <functional>
#include <string>
#include <vector>

#include "http/http.h"

namespace glint {

// Who may ask. What that takes is the guard's to decide; without one, everybody may.
enum class Access {
  kOpen,   // everybody
  kUser,   // clients
  kAdmin,  // who runs the server
};

// Method and path to a handler. A path may end in "/{name}", which matches the rest of a path, if
// there is any: also "org/model". A path without a wildcard wins over one with.
// Unknown path: 404; known path with another method: 405 with Allow. HEAD is answered as GET
// without a body.
class Router {
 public:
  struct Route {
    std::string method, path;
    Access access;
    Handler handler;
  };

  void add(std::string method, std::string path, Handler handler, Access access = Access::kUser);
  const std::vector<Route>& routes() const { return routes_; }
  // Shapes the body of the router's and the server's own errors (404, 405, 413, 431, 400, 503).
  void set_error_body(std::function<HttpResponse(int status, const std::string& message)> shape);

  void route(std::shared_ptr<Exchange> exchange) const;
  HttpResponse error(int status, const std::string& message) const;

 private:
  std::vector<Route> routes_;
  std::function<HttpResponse(int, const std::string&)> error_body_;
};

}  // namespace glint

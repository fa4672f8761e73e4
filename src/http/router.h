#pragma once

#include <functional>
#include <string>
#include <vector>

#include "http/http.h"

namespace glint {

// Method and path to a handler. A path may end in "/{name}", which matches the rest of a path, if
// there is any: also "org/model". A path without a wildcard wins over one with.
// Unknown path: 404; known path with another method: 405 with Allow. HEAD is answered as GET
// without a body, OPTIONS with Allow.
class Router {
 public:
  void add(std::string method, std::string path, Handler handler);
  // Shapes the body of the router's and the server's own errors (404, 405, 413, 431, 400, 503).
  void set_error_body(std::function<HttpResponse(int status, const std::string& message)> shape);

  void route(std::shared_ptr<Exchange> exchange) const;
  HttpResponse error(int status, const std::string& message) const;

 private:
  struct Route {
    std::string method, path;
    Handler handler;
  };
  std::vector<Route> routes_;
  std::function<HttpResponse(int, const std::string&)> error_body_;
};

}  // namespace glint

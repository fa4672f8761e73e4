#include "api/operator/front_page.h"

#include "web/pages.h"

namespace glint {

namespace {

// What clients of SGLang and Ollama look for to see whether the server is there.
HttpResponse running() {
  return {.status = 200, .content_type = "text/plain; charset=utf-8", .body = "glint is running"};
}

}  // namespace

void handle_front_page(ServerContext&, std::shared_ptr<Exchange> exchange) {
  HttpResponse response = asks_for_html(exchange->request())
                              ? page_response(page_at("/chat"), exchange->request())
                              : running();
  response.headers.emplace_back("Vary", "Accept");
  exchange->respond(std::move(response));
}

}  // namespace glint

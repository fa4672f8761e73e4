#include "api/operator/front_page.h"

#include "api/errors.h"
#include "web/pages.h"

namespace glint {

void handle_front_page(ServerContext&, std::shared_ptr<Exchange> exchange) {
  HttpResponse response = asks_for_html(exchange->request())
                              ? page_response(page_at("/chat"), exchange->request())
                              : error_response(404, "There is no / here.");
  response.headers.emplace_back("Vary", "Accept");
  exchange->respond(std::move(response));
}

}  // namespace glint

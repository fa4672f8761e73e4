#include "web/pages.h"

#include <algorithm>
#include <string>

#include "web/pages_data.h"

namespace glint {
namespace {

constexpr std::string_view kContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

std::string content_type(std::string_view suffix) {
  if (suffix == ".html") return "text/html; charset=utf-8";
  if (suffix == ".css") return "text/css; charset=utf-8";
  if (suffix == ".js") return "text/javascript; charset=utf-8";
  if (suffix == ".svg") return "image/svg+xml";
  CHECK(false, "no content type is known for the page file ", suffix);
}

std::string_view trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// "text/html;q=0.0": the client takes anything but it.
bool is_weighed_zero(std::string_view media_range) {
  const size_t at = media_range.find("q=");
  return at != std::string_view::npos &&
         trim(media_range.substr(at + 2)).find_first_not_of("0.") == std::string_view::npos;
}

// Weak comparison: a proxy that compresses may have marked our tag as weak.
bool names(std::string_view if_none_match, std::string_view etag) {
  while (!if_none_match.empty()) {
    const size_t comma = std::min(if_none_match.find(','), if_none_match.size());
    std::string_view one = trim(if_none_match.substr(0, comma));
    if (one.starts_with("W/")) one.remove_prefix(2);
    if (one == etag || one == "*") return true;
    if_none_match.remove_prefix(std::min(comma + 1, if_none_match.size()));
  }
  return false;
}

// A page's links are relative, to work behind a proxy's path: a slash more at its own would lead
// them astray.
HttpResponse without_slash(const Page& page) {
  const std::string_view name = page.path.substr(page.path.rfind('/') + 1);
  return {
      .status = 307, .content_type = {}, .body = {}, .headers = {{"Location", cat("../", name)}}};
}

}  // namespace

std::span<const Page> pages() { return {kPages, kNumPages}; }

const Page& page_at(std::string_view path) {
  const auto found = std::ranges::find(pages(), path, &Page::path);
  CHECK(found != pages().end(), "no page is embedded as ", path);
  return *found;
}

bool asks_for_html(const HttpRequest& request) {
  std::string_view accept = request.header("Accept");
  while (!accept.empty()) {
    const size_t comma = std::min(accept.find(','), accept.size());
    const std::string_view range = accept.substr(0, comma);
    const std::string_view type = trim(range.substr(0, range.find(';')));
    if (equals_ignoring_case(type, "text/html")) return !is_weighed_zero(range);
    accept.remove_prefix(std::min(comma + 1, accept.size()));
  }
  return false;
}

HttpResponse page_response(const Page& page, const HttpRequest& request) {
  HttpResponse response{
      .status = 200,
      .content_type = content_type(page.suffix),
      .body = std::string(page.bytes),
      // no-cache: ask each time, and be told 304; a new build shows at once.
      .headers = {{"ETag", std::string(page.etag)},
                  {"Cache-Control", "no-cache"},
                  {"Content-Security-Policy", std::string(kContentSecurityPolicy)},
                  {"X-Content-Type-Options", "nosniff"},
                  {"Referrer-Policy", "no-referrer"}}};
  if (names(request.header("If-None-Match"), page.etag)) {
    response.status = 304;
    response.content_type.clear();
    response.body.clear();
  }
  return response;
}

void add_pages(Router& router) {
  for (const Page& page : pages()) {
    const auto answer = [&page](std::shared_ptr<Exchange> exchange) {
      const HttpRequest& request = exchange->request();
      exchange->respond(request.path == page.path ? page_response(page, request)
                                                  : without_slash(page));
    };
    router.add("GET", std::string(page.path), answer, Access::kOpen);
  }
}

}  // namespace glint

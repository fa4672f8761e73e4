#pragma once

// The files a browser is given, from the binary itself: pages, their scripts and styles. Which file
// answers which path is the list in web/CMakeLists.txt.

#include <memory>
#include <span>
#include <string_view>

#include "http/http.h"
#include "http/router.h"

namespace glint {

struct Page {
  std::string_view path;    // "/configure"
  std::string_view suffix;  // of the file, ".html"
  std::string_view etag;    // with its quotes; changes whenever the bytes do
  std::string_view bytes;
};

std::span<const Page> pages();

// The page of that path, which must be in the list.
const Page& page_at(std::string_view path);

// True if Accept names text/html and does not weigh it 0 (RFC 9110, 12.5.1): browsers do when they
// open a page, curl and API clients do not.
bool asks_for_html(const HttpRequest& request);

// GET of each page. The answer's headers forbid what no page of ours does: scripts and styles
// inside the HTML, anything from another host, and being framed. So a text that is shown by mistake
// as HTML still runs nothing.
void add_pages(Router& router);

// The page, or 304 without a body if `request` has If-None-Match with its etag (RFC 9110, 13.1.2).
HttpResponse page_response(const Page& page, const HttpRequest& request);

}  // namespace glint

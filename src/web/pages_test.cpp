#include "web/pages.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

namespace glint {
namespace {

const Page& theme() {
  for (const Page& page : pages()) {
    if (page.path == "/web/theme.css") return page;
  }
  CHECK(false, "/web/theme.css is not embedded");
}

HttpRequest asking_unless(const std::string& if_none_match) {
  HttpRequest request;
  request.headers.emplace_back("If-None-Match", if_none_match);
  return request;
}

std::string header(const HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return "";
}

TEST(Pages, AreTheFilesByteForByte) {
  std::ifstream file(GLINT_SOURCE_DIR "/src/web/pages/theme.css", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  EXPECT_FALSE(bytes.empty());
  EXPECT_EQ(theme().bytes, bytes);
}

TEST(Pages, HaveTheTypeAndTheRulesForTheBrowser) {
  const HttpResponse response = page_response(theme(), HttpRequest{});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "text/css; charset=utf-8");
  EXPECT_EQ(response.body, theme().bytes);
  EXPECT_TRUE(header(response, "Content-Security-Policy").starts_with("default-src 'none'"));
  EXPECT_EQ(header(response, "X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(header(response, "ETag"), theme().etag);
}

TEST(Pages, AreNotSentAgainToWhoHasThem) {
  const std::string etag(theme().etag);
  for (const std::string& has : {etag, "W/" + etag, "\"other\", " + etag, std::string("*")}) {
    const HttpResponse response = page_response(theme(), asking_unless(has));
    EXPECT_EQ(response.status, 304) << has;
    EXPECT_TRUE(response.body.empty()) << has;
    EXPECT_EQ(header(response, "ETag"), etag) << has;
  }
  for (const std::string& has : {std::string("\"other\""), std::string(""), std::string(",")}) {
    EXPECT_EQ(page_response(theme(), asking_unless(has)).status, 200) << has;
  }
}

TEST(Pages, EachPathOnce) {
  std::set<std::string_view> paths;
  for (const Page& page : pages()) EXPECT_TRUE(paths.insert(page.path).second) << page.path;
}

TEST(Pages, EveryOneHasAContentType) {
  for (const Page& page : pages()) {
    EXPECT_FALSE(page_response(page, HttpRequest{}).content_type.empty()) << page.path;
  }
}

TEST(Pages, AreForThoseWhoAskForHtml) {
  const auto asks = [](const std::string& accept) {
    HttpRequest request;
    request.headers.emplace_back("Accept", accept);
    return asks_for_html(request);
  };
  EXPECT_TRUE(asks("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
  EXPECT_TRUE(asks("application/json, Text/HTML ; q=0.1"));
  for (const char* other : {"*/*", "application/json", "text/html;q=0", "text/html; q=0.000", ""}) {
    EXPECT_FALSE(asks(other)) << other;
  }
  EXPECT_FALSE(asks_for_html(HttpRequest{}));
}

// What the policy in the headers forbids would fail without a word in the browser.
TEST(Pages, AskNoOtherHostAndHoldNoInlineCode) {
  const std::regex forbidden(
      R"re((src|href|action)\s*=\s*["']?(https?:)?//|url\(\s*["']?(https?:)?//|@import)re"
      R"re(|<script>|<style|\son[a-z]+\s*=\s*["']|\sstyle\s*=\s*["']|javascript:)re",
      std::regex::icase);
  EXPECT_TRUE(std::regex_search("<p onclick=\"x()\">", forbidden));
  EXPECT_TRUE(std::regex_search("<link href=\"//a.example/b.css\">", forbidden));
  for (const Page& page : pages()) {
    std::match_results<std::string_view::const_iterator> found;
    EXPECT_FALSE(std::regex_search(page.bytes.begin(), page.bytes.end(), found, forbidden))
        << page.path << ": " << found.str();
  }
}

}  // namespace
}  // namespace glint

#include "client/response_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace glint {
namespace {

using testing::HasSubstr;

struct Parsed {
  HttpResponse response;
  bool done = false;
};

// Feeds `text` cut in two; what was not taken comes again.
Parsed parse(std::string_view text, size_t cut) {
  std::string body, waiting(text.substr(0, cut));
  ResponseParser parser([&](std::string_view bytes) { body += bytes; });
  waiting.erase(0, *parser.put(waiting));
  waiting += text.substr(cut);
  waiting.erase(0, *parser.put(waiting));
  EXPECT_EQ(waiting, "");
  Parsed parsed{parser.response(), parser.done() || parser.end_of_stream()};
  parsed.response.body = body;
  return parsed;
}

TEST(ResponseParserTest, CutAnywhereItIsTheSameResponse) {
  constexpr std::string_view kHead = "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n";
  for (const std::string_view rest :
       {"Content-Length: 5\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "\r\nhello"}) {
    const std::string text = cat(kHead, rest);
    for (size_t cut = 1; cut < text.size(); ++cut) {
      const Parsed parsed = parse(text, cut);
      EXPECT_TRUE(parsed.done) << "cut at " << cut << " of " << text;
      EXPECT_EQ(parsed.response.status, 404);
      EXPECT_EQ(parsed.response.content_type, "text/plain");
      EXPECT_EQ(parsed.response.body, "hello");
    }
  }
}

TEST(ResponseParserTest, AnAnswerThatIsCutShortIsAnError) {
  for (const char* text : {"", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"}) {
    ResponseParser parser([](std::string_view) {});
    ASSERT_TRUE(parser.put(text));
    const auto end = parser.end_of_stream();
    ASSERT_FALSE(end) << text;
    EXPECT_THAT(end.error().message, HasSubstr("within its answer"));
  }
}

TEST(ResponseParserTest, WhatIsNoResponseIsAnError) {
  ResponseParser parser([](std::string_view) {});
  const auto taken = parser.put("SSH-2.0-OpenSSH_9.2\r\n");
  ASSERT_FALSE(taken);
  EXPECT_THAT(taken.error().message, HasSubstr("not HTTP/1.1"));
}

}  // namespace
}  // namespace glint

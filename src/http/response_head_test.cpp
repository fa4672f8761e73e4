#include "http/response_head.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/check.h"

namespace glint {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

std::string head_text(const ResponseHead& head,
                      const std::vector<std::pair<std::string, std::string>>& headers = {}) {
  std::string text;
  append_response_head(text, head, headers);
  return text;
}

TEST(ResponseHeadTest, SaysHowTheBodyEnds) {
  EXPECT_THAT(head_text({.content_type = "text/plain", .content_length = 12}),
              MatchesRegex("HTTP/1.1 200 OK\r\nDate: [^\r\n]+ GMT\r\nContent-Type: "
                           "text/plain\r\nContent-Length: 12\r\n\r\n"));
  const auto chunked = head_text({.framing = Framing::kChunked, .keep_alive = false});
  EXPECT_THAT(chunked, HasSubstr("Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"));
  EXPECT_THAT(chunked, Not(HasSubstr("Content-Length")));
  EXPECT_THAT(head_text({.http_1_0 = true}), HasSubstr("\r\nConnection: keep-alive\r\n"));
}

TEST(ResponseHeadTest, NothingInAHeaderBeginsALine) {
  const auto text = head_text({.content_type = "a\r\nEvil: 1"},
                              {{"X-Id", "b\r\n\r\nEvil: 2"}, {"Bad\r\nEvil", "3"}, {"", "4"}});
  EXPECT_THAT(text, HasSubstr("X-Id: b    Evil: 2\r\n"));
  EXPECT_THAT(text, Not(HasSubstr("\nEvil")));
  EXPECT_THAT(text, Not(HasSubstr("Bad")));
}

TEST(ResponseHeadTest, TheFramingIsOurs) {
  const auto text = head_text({.content_length = 3}, {{"content-length", "99"},
                                                      {"Transfer-Encoding", "chunked"},
                                                      {"Connection", "upgrade"},
                                                      {"X-Kept", "yes"}});
  EXPECT_THAT(text, Not(HasSubstr("99")));
  EXPECT_THAT(text, Not(HasSubstr("chunked")));
  EXPECT_THAT(text, Not(HasSubstr("upgrade")));
  EXPECT_THAT(text, HasSubstr("X-Kept: yes"));
}

TEST(ResponseHeadTest, ChunksCarryTheirLengthInHex) {
  std::string out;
  append_chunk(out, std::string(26, 'x'));
  EXPECT_EQ(out, cat("1a\r\n", std::string(26, 'x'), "\r\n"));
}

}  // namespace
}  // namespace glint

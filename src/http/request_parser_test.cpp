#include "http/request_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace glint {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

// Feeds `text` in pieces of `step` bytes as a connection does: what was not taken comes again.
// Returns the bytes that were not taken.
std::string feed(RequestParser& parser, std::string_view text, size_t step) {
  std::string waiting;
  while (!text.empty() && !parser.done() && !parser.failure()) {
    waiting += text.substr(0, step);
    text.remove_prefix(std::min(step, text.size()));
    waiting.erase(0, parser.put(waiting));
  }
  return waiting + std::string(text);
}

int status_of(std::string_view text, const HttpLimits& limits = {}, size_t step = 1 << 20) {
  RequestParser parser(limits);
  feed(parser, text, step);
  return parser.failure() ? parser.failure()->status : 0;
}

constexpr std::string_view kPost =
    "POST /v1/a%20b?x=1%262&y=+z&flag HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nX-Two: b, "
    "c\r\n\r\n"
    "hello";
constexpr std::string_view kChunked =
    "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    "3;ext=1\r\nabc\r\n0a\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n";
constexpr std::string_view kEmptyChunked =
    "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";

TEST(RequestParserTest, TakesARequestApart) {
  RequestParser parser({});
  EXPECT_EQ(feed(parser, cat(kPost, "GET "), 1 << 20), "GET ");
  ASSERT_TRUE(parser.done());
  EXPECT_TRUE(parser.keep_alive());
  const HttpRequest request = parser.take();
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.path, "/v1/a b");
  EXPECT_THAT(request.query, ElementsAre(Pair("x", "1&2"), Pair("y", " z"), Pair("flag", "")));
  EXPECT_EQ(request.query_value("y"), " z");
  EXPECT_EQ(request.header("x-tWo"), "b, c");
  EXPECT_EQ(request.header("absent"), "");
  EXPECT_EQ(request.body, "hello");
}

TEST(RequestParserTest, CutAnywhereItIsTheSameRequest) {
  for (const std::string_view text : {kPost, kChunked, kEmptyChunked}) {
    RequestParser whole({});
    feed(whole, text, text.size());
    ASSERT_TRUE(whole.done());
    const HttpRequest expected = whole.take();
    for (size_t cut = 1; cut < text.size(); ++cut) {
      SCOPED_TRACE(cat("cut at ", cut));
      RequestParser parser({});
      std::string waiting(text.substr(0, cut));
      waiting.erase(0, parser.put(waiting));
      ASSERT_FALSE(parser.done());
      waiting += text.substr(cut);
      waiting.erase(0, parser.put(waiting));
      ASSERT_TRUE(parser.done());
      EXPECT_EQ(waiting, "");
      const HttpRequest request = parser.take();
      EXPECT_EQ(request.body, expected.body);
      EXPECT_EQ(request.headers, expected.headers);
      EXPECT_EQ(request.path, expected.path);
    }
  }
}

TEST(RequestParserTest, ByteByByteItIsTheSameRequest) {
  RequestParser parser({});
  EXPECT_EQ(feed(parser, cat("\r\n\r\n", kChunked), 1), "");
  ASSERT_TRUE(parser.done());
  const HttpRequest request = parser.take();
  EXPECT_EQ(request.body, "abc0123456789");
  EXPECT_EQ(request.header("Trailer"), "");
}

TEST(RequestParserTest, HeaderLimitCountsTheWholeHeader) {
  const std::string header = cat("GET / HTTP/1.1\r\nHost: h\r\nA: ", std::string(40, 'a'),
                                 "\r\nB: ", std::string(40, 'b'), "\r\n\r\n");
  for (size_t step = 1; step <= header.size(); ++step) {
    SCOPED_TRACE(cat("step ", step));
    EXPECT_EQ(status_of(header, {.max_header_bytes = header.size()}, step), 0);
    EXPECT_EQ(status_of(header, {.max_header_bytes = header.size() - 1}, step), 431);
  }
  // One that never ends is refused when it reaches the limit.
  EXPECT_EQ(status_of("GET /" + std::string(100, 'a'), {.max_header_bytes = 100}), 431);
}

TEST(RequestParserTest, BodyLimitHoldsBeforeTheBodyComes) {
  const auto announced = [](int size) {
    return cat("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ", size, "\r\n\r\n");
  };
  EXPECT_EQ(status_of(announced(10), {.max_body_bytes = 10}), 0);
  EXPECT_EQ(status_of(announced(11), {.max_body_bytes = 10}), 413);
  EXPECT_EQ(status_of(kChunked, {.max_body_bytes = 13}), 0);
  EXPECT_EQ(status_of(kChunked, {.max_body_bytes = 12}), 413);
}

TEST(RequestParserTest, AChunkLineMayNotGrowForever) {
  const std::string begun = cat(
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;", std::string(200, 'x'));
  EXPECT_EQ(status_of(begun, {.max_header_bytes = 202}, 7), 0);
  EXPECT_EQ(status_of(begun, {.max_header_bytes = 201}, 7), 400);
}

TEST(RequestParserTest, RefusesWhatIsNoRequest) {
  for (const std::string_view text : {
           "\x16\x03\x01\x02",                              // a TLS hello
           "GET\r\n\r\n",                                   //
           "GET /\r\n\r\n",                                 // HTTP/0.9
           "GET / HTTP/2.0\r\n",                            //
           "GET / HTTP/1.1\r\nHost : h\r\n\r\n",            // a blank before the colon
           "GET / HTTP/1.1\r\nA: b\r\n\r\n",                // no Host
           "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",  // two
           "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n",          //
           "GET /% HTTP/1.1\r\nHost: h\r\n\r\n",            //
           "GET /?a=%1 HTTP/1.1\r\nHost: h\r\n\r\n",        //
           "GET x HTTP/1.1\r\nHost: h\r\n\r\n",             //
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab",
       }) {
    EXPECT_EQ(status_of(text), 400) << text;
  }
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
            501);
}

// What one server takes for one request and another, before or behind it, for two.
TEST(RequestParserTest, RefusesWhatCouldHideASecondRequest) {
  const auto with = [](std::string_view fields, std::string_view body = "0\r\n\r\n") {
    return cat("POST / HTTP/1.1\r\nHost: h\r\n", fields, "\r\n\r\n", body);
  };
  for (const std::string& text : {
           with("Content-Length: 5, 5", "12345"),
           with("Content-Length: 5\r\nContent-Length: 6", "123456"),
           with("Content-Length: +5", "12345"),
           with("Content-Length: 0x5", "12345"),
           with("Content-Length: 5 5", "12345"),
           with("Content-Length: ", "12345"),
           with("Content-Length: 18446744073709551621", "12345"),
           with("Content-Length : 5", "12345"),
           with("Transfer-Encoding: chunked\r\nContent-Length: 5"),
           with("Content-Length: 5\r\nTransfer-Encoding: chunked"),
           with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
           with("Transfer-Encoding: chunked, chunked"),
           with("Transfer-Encoding: identity, chunked"),
           with("Transfer-Encoding: chunked, identity"),
           with("Transfer-Encoding: xchunked"),
           with("Transfer-Encoding: \"chunked\""),
           with("Transfer-Encoding:\x0b"
                "chunked"),
           with("Transfer-Encoding: identity"),
           with("Transfer-Encoding: "),
           with("Transfer-Encoding\x01: chunked"),
           with("A: b\nTransfer-Encoding: chunked"),
           with("A: b\rTransfer-Encoding: chunked"),
           with(std::string("A: b\0c", 6)),
           with("Transfer-Encoding: chunked", "0x1\r\na\r\n0\r\n\r\n"),
           with("Transfer-Encoding: chunked", "+1\r\na\r\n0\r\n\r\n"),
           with("Transfer-Encoding: chunked", "-1\r\na\r\n0\r\n\r\n"),
           with("Transfer-Encoding: chunked", "1\na\n0\n\n"),
           with("Transfer-Encoding: chunked", "1\r\nab\r\n0\r\n\r\n"),
           with("Transfer-Encoding: chunked", "ffffffffffffffff1\r\na\r\n0\r\n\r\n"),
           std::string("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
           std::string("GET / HTTP/1.1 \r\nHost: h\r\n\r\n"),
           std::string("GET  / HTTP/1.1\r\nHost: h\r\n\r\n"),
           std::string("GET / HTTP/1.1\nHost: h\n\n"),
       }) {
    RequestParser parser({});
    feed(parser, text, 1 << 20);
    EXPECT_FALSE(parser.done()) << text;
  }
}

// A folded line (RFC 9112, 5.2) is one field, whatever stands in it.
TEST(RequestParserTest, AFoldedLineIsPartOfItsField) {
  RequestParser parser({});
  feed(parser, "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n Transfer-Encoding: chunked\r\n\r\n", 1 << 20);
  ASSERT_TRUE(parser.done());
  EXPECT_EQ(parser.take().header("A"), "b Transfer-Encoding: chunked");
}

TEST(RequestParserTest, AShortVersionIsRefusedHoweverItIsCut) {
  for (size_t step = 1; step < 16; ++step) EXPECT_EQ(status_of("GET / H2\r\n\r\n", {}, step), 400);
}

TEST(RequestParserTest, SaysWhatIsWrong) {
  RequestParser parser({});
  feed(parser, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 33554433\r\n\r\n", 1 << 20);
  ASSERT_TRUE(parser.failure());
  EXPECT_THAT(parser.failure()->message, HasSubstr("larger than the 32 MiB"));
}

TEST(RequestParserTest, KeepsTheConnectionAsTheVersionsHaveIt) {
  const auto keeps = [](std::string_view text) {
    RequestParser parser({});
    feed(parser, text, 1 << 20);
    EXPECT_TRUE(parser.done());
    return parser.keep_alive();
  };
  EXPECT_TRUE(keeps("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(keeps("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
}

TEST(RequestParserTest, AbsoluteTargetsLoseTheirHost) {
  RequestParser parser({});
  feed(parser, "GET http://host:1/p?q=1 HTTP/1.1\r\nHost: h\r\n\r\n", 1 << 20);
  ASSERT_TRUE(parser.done());
  const HttpRequest request = parser.take();
  EXPECT_EQ(request.path, "/p");
  EXPECT_EQ(request.query_value("q"), "1");
}

// Valid requests with bytes changed, taken out, put in and repeated, fed in random pieces: any
// outcome is right but a crash, an over-read or more than the limits allow.
TEST(RequestParserTest, MutatedRequestsAreHarmless) {
  const HttpLimits limits{.max_body_bytes = 64, .max_header_bytes = 256};
  std::mt19937 random(1);
  int num_failed = 0, num_done = 0;
  for (int round = 0; round < 20000; ++round) {
    const std::string_view seeds[] = {kPost, kChunked, kEmptyChunked};
    std::string text(seeds[random() % 3]);
    for (size_t edits = 1 + random() % 4; edits > 0; --edits) {
      const size_t at = random() % text.size();
      switch (random() % 4) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.erase(at, 1 + random() % 4);
          break;
        case 2:
          text.insert(at, 1, "\r\n :;0%"[random() % 7]);
          break;
        case 3:
          text.insert(at, text.substr(at / 2, random() % 32));
          break;
      }
      if (text.empty()) text += ' ';
    }
    RequestParser parser(limits);
    feed(parser, text, 1 + random() % 40);
    num_failed += parser.failure().has_value();
    num_done += parser.done();
    const size_t body_bytes = parser.done() ? parser.take().body.size() : 0;
    ASSERT_LE(body_bytes, limits.max_body_bytes);
  }
  EXPECT_GT(num_failed, 1000);  // both happen, or the test shows nothing
  EXPECT_GT(num_done, 1000);
}

TEST(RequestParserTest, NoiseIsHarmless) {
  std::mt19937 random(2);
  for (int round = 0; round < 5000; ++round) {
    std::string text(random() % 200, '\0');
    for (char& c : text) c = static_cast<char>(random());
    RequestParser parser({});
    feed(parser, text, 1 + random() % 20);
    EXPECT_FALSE(parser.done());
  }
}

}  // namespace
}  // namespace glint

#include "http/sse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "base/check.h"

namespace glint {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<SseEvent> parse(std::string_view text, size_t cut = 0) {
  std::vector<SseEvent> events;
  SseParser parser([&](const SseEvent& event) { events.push_back(event); });
  parser.put(text.substr(0, cut));
  parser.put(text.substr(cut));
  return events;
}

TEST(SseTest, FramesAnEvent) {
  EXPECT_EQ(sse_event("{}"), "data: {}\n\n");
  EXPECT_EQ(sse_event("{}", "message_start"), "event: message_start\ndata: {}\n\n");
  EXPECT_EQ(sse_event("a\nb\r\nc\r"), "data: a\ndata: b\ndata: c\ndata: \n\n");
  EXPECT_EQ(sse_event(""), "data: \n\n");
  EXPECT_EQ(sse_event("x", "a\ndata: injected"), "event: a\ndata: x\n\n");
}

TEST(SseTest, WhatIsFramedIsParsed) {
  for (const char* data : {"x", " leading blank", "a\nb", "\n", "two\n\n", "[DONE]", "a: b"}) {
    EXPECT_THAT(parse(sse_event(data, "n")), ElementsAre(SseEvent{"n", data})) << data;
  }
}

TEST(SseTest, ParsesTheSameCutAnywhere) {
  const std::string text =
      "\xEF\xBB\xBF: ping\r\n\r\ndata: 1\r\n\r\nevent: two\rdata:2\rdata\rdata:  b\r\rid: 7\ndata: "
      "3\n\n\n\ndata: cut off";
  const auto expected = parse(text);
  EXPECT_THAT(expected, ElementsAre(SseEvent{"message", "1"}, SseEvent{"two", "2\n\n b"},
                                    SseEvent{"message", "3"}));
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(parse(text, cut), expected) << "cut at " << cut;
  }
}

TEST(SseTest, APingAndAnEventWithoutDataAreNone) {
  EXPECT_THAT(parse(cat(kSsePing, "event: x\n\n")), IsEmpty());
}

}  // namespace
}  // namespace glint

#include "client/refusal.h"

#include <gtest/gtest.h>

#include "base/check.h"

namespace glint {
namespace {

TEST(RefusalTest, AServersMessageIsTakenFromItsJson) {
  EXPECT_EQ(server_message(R"({"error":{"message":"No such model.","code":"x"}})"),
            "No such model.");
  EXPECT_EQ(server_message(R"({"error":"busy"})"), "busy");
  EXPECT_EQ(server_message(R"({"object":"error","message":"too long","code":400})"), "too long");
  EXPECT_EQ(server_message(R"({"detail":"Not Found"})"), "Not Found");
}

TEST(RefusalTest, WhatIsNoneOfTheseStaysAsItIs) {
  for (const char* body : {"", "Unauthorized", "<html>", R"({"error":null})", R"({"detail":[1]})"})
    EXPECT_EQ(server_message(body), body);
  EXPECT_EQ(server_message("full\r\n"), "full");
}

TEST(RefusalTest, APageIsCutToALine) {
  EXPECT_EQ(server_message("<html>\r\n  <h1>502</h1>\n</html>\n"), "<html> <h1>502</h1> </html>");
  EXPECT_EQ(server_message(R"({"error":"one\ntwo"})"), "one two");
  EXPECT_EQ(server_message(cat(std::string(199, 'x'), "ä")), cat(std::string(199, 'x'), "…"));
  EXPECT_EQ(server_message(std::string(200, 'x')), std::string(200, 'x'));
}

TEST(RefusalTest, SaysWhereTheKeyIsTakenFrom) {
  EXPECT_EQ(refusal("http://a/v1/models", 401, R"({"error":{"message":"Wrong key."}})"),
            "http://a/v1/models answered 401: Wrong key. The key is taken from OPENAI_API_KEY.");
  EXPECT_EQ(refusal("http://a", 403, ""),
            "http://a answered 403. The key is taken from OPENAI_API_KEY.");
  EXPECT_EQ(refusal("http://a", 404, "Not Found\n"), "http://a answered 404: Not Found.");
}

}  // namespace
}  // namespace glint

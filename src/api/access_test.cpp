// Who may ask what: every route of the table, with each kind of key.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "api/api_harness.h"
#include "api/cors.h"

namespace glint {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

HttpFields bearer(std::string_view key) { return {{"Authorization", cat("Bearer ", key)}}; }
HttpFields x_api_key(std::string_view key) { return {{"x-api-key", std::string(key)}}; }

// A path that the route matches.
std::string example_of(std::string path) { return path.substr(0, path.find('{')) + "x"; }
std::string path_of(const Router::Route& route) {
  return route.path.ends_with('}') ? example_of(route.path) : route.path;
}

// 401 or 403 of a refusal for lack of a key; 0: the handler, or nobody, was reached.
int refused(ApiHarness& api, const Router::Route& route, HttpFields headers) {
  const auto exchange = api.send(route.method, path_of(route), "", std::move(headers));
  return exchange->status == 401 || exchange->status == 403 ? exchange->status : 0;
}

struct Expected {
  int nobody, stranger, user, admin;
};

void expect_on_every_route(ApiHarness& api, Expected (*expected)(Access)) {
  ASSERT_GT(api.router().routes().size(), 20u);
  for (const Router::Route& route : api.router().routes()) {
    SCOPED_TRACE(cat(route.method, " ", route.path));
    const Expected want = expected(route.access);
    EXPECT_EQ(refused(api, route, {}), want.nobody);
    EXPECT_EQ(refused(api, route, bearer("wrong")), want.stranger);
    EXPECT_EQ(refused(api, route, x_api_key("wrong")), want.stranger);
    EXPECT_EQ(refused(api, route, bearer("user-2")), want.user);
    EXPECT_EQ(refused(api, route, x_api_key("user-1")), want.user);
    EXPECT_EQ(refused(api, route, bearer("admin")), want.admin);
    EXPECT_EQ(refused(api, route, x_api_key("admin")), want.admin);
  }
}

TEST(AccessTest, WithoutKeysEveryRouteIsOpen) {
  ApiHarness api;
  expect_on_every_route(api, [](Access) { return Expected{0, 0, 0, 0}; });
}

TEST(AccessTest, WithUserAndAdminKeysEachRouteWantsItsOwn) {
  ApiHarness api;
  api.context.keys.set({.user = {"user-1", "user-2"}, .admin = {"admin"}});
  expect_on_every_route(api, [](Access access) {
    if (access == Access::kOpen) return Expected{0, 0, 0, 0};
    return access == Access::kUser ? Expected{401, 401, 0, 0} : Expected{401, 401, 403, 0};
  });
}

TEST(AccessTest, WithUserKeysAloneTheyDoForAdministrators) {
  ApiHarness api;
  api.context.keys.set({.user = {"user-1", "user-2"}, .admin = {}});
  expect_on_every_route(api, [](Access access) {
    return access == Access::kOpen ? Expected{0, 0, 0, 0} : Expected{401, 401, 0, 401};
  });
}

TEST(AccessTest, WithAdminKeysAloneClientsNeedNone) {
  ApiHarness api;
  api.context.keys.set({.user = {}, .admin = {"admin"}});
  expect_on_every_route(api, [](Access access) {
    return access == Access::kAdmin ? Expected{401, 401, 401, 0} : Expected{0, 0, 0, 0};
  });
}

// The classes themselves: a wrong one in the table shows here.
TEST(AccessTest, OnlyHealthMetricsAndPagesAreOpen) {
  const std::set<std::string> for_administrators = {
      "/flush_cache",   "/abort_request",     "/pause_generation", "/continue_generation",
      "/start_profile", "/stop_profile",      "/freeze_gc",        "/configure_logging",
      "/slow_down",     "/set_internal_state"};
  ApiHarness api;
  for (const Router::Route& route : api.router().routes()) {
    const std::string& path = route.path;
    const bool is_page = path == "/" || path == "/chat" || path == "/configure" ||
                         path == "/status" || path.starts_with("/web/");
    const bool is_probe =
        path.starts_with("/health") || path.starts_with("/metrics") || path == "/ping";
    const bool is_description = path == "/openapi.json";
    EXPECT_EQ(route.access == Access::kOpen, is_page || is_probe || is_description) << path;
    EXPECT_EQ(route.access == Access::kAdmin, for_administrators.contains(path)) << path;
  }
}

TEST(AccessTest, APathThatIsNotThereIsNotToldToStrangers) {
  ApiHarness api;
  api.context.keys.set({.user = {"user-1"}, .admin = {}});
  EXPECT_EQ(api.send("GET", "/nowhere", "")->status, 401);
  EXPECT_EQ(api.send("GET", "/nowhere", "", bearer("user-1"))->status, 404);
  EXPECT_EQ(api.send("DELETE", "/flush_cache", "")->status, 401);
  EXPECT_EQ(api.send("POST", "/health", "")->status, 405);
}

TEST(AccessTest, TheSchemeIsBearerInAnyCase) {
  ApiHarness api;
  api.context.keys.set({.user = {"k"}, .admin = {}});
  const auto status = [&](std::string value) {
    return api.send("GET", "/v1/models", "", {{"authorization", std::move(value)}})->status;
  };
  EXPECT_EQ(status("Bearer k"), 200);
  EXPECT_EQ(status("bearer  k"), 200);
  for (const char* value :
       {"k", "Basic k", "Bearer", "Bearer ", "Bearer k2", "Bearer K", "Bearerk"})
    EXPECT_EQ(status(value), 401) << value;
}

TEST(AccessTest, EitherHeaderMayHoldTheKey) {
  ApiHarness api;
  api.context.keys.set({.user = {"k"}, .admin = {}});
  HttpFields both = bearer("some-key");
  both.emplace_back("X-Api-Key", "k");
  EXPECT_EQ(api.send("GET", "/v1/models", "", both)->status, 200);
}

TEST(AccessTest, NewKeysReplaceTheOldOnes) {
  ApiHarness api;
  api.context.keys.set({.user = {"old"}, .admin = {}});
  api.context.keys.set({.user = {"new"}, .admin = {}});
  EXPECT_EQ(api.send("GET", "/v1/models", "", bearer("old"))->status, 401);
  EXPECT_EQ(api.send("GET", "/v1/models", "", bearer("new"))->status, 200);
}

TEST(AccessTest, RefusalsSpeakThePathsDialect) {
  ApiHarness api;
  api.context.keys.set({.user = {"user-1"}, .admin = {"admin"}});
  const auto body = [&](const char* path) { return Json::parse(api.send("POST", path, "")->body); };
  const Json openai = body("/v1/chat/completions");
  EXPECT_EQ(openai["error"]["type"], "AuthenticationError");
  EXPECT_EQ(openai["error"]["code"], 401);
  EXPECT_EQ(openai["message"], openai["error"]["message"]);
  const Json anthropic = body("/v1/messages/count_tokens");
  EXPECT_EQ(anthropic["type"], "error");
  EXPECT_EQ(anthropic["error"]["type"], "authentication_error");
  EXPECT_TRUE(body("/api/chat")["error"].is_string());
  EXPECT_EQ(body("/generate")["error"], "Unauthorized");
  EXPECT_THAT(body("/generate")["message"], HasSubstr("x-api-key"));
  const auto forbidden = api.send("POST", "/flush_cache", "", bearer("user-1"));
  EXPECT_EQ(Json::parse(forbidden->body)["error"], "Forbidden");
}

TEST(AccessTest, A401NamesItsScheme) {
  ApiHarness api;
  api.context.keys.set({.user = {"secret-key"}, .admin = {}});
  const auto none = api.send("POST", "/generate", "");
  EXPECT_THAT(none->headers, Contains(Pair("WWW-Authenticate", "Bearer realm=\"glint\"")));
  const auto wrong = api.send("POST", "/generate", "", bearer("secret-keY"));
  EXPECT_THAT(wrong->headers, Contains(Pair("WWW-Authenticate", HasSubstr("invalid_token"))));
  EXPECT_THAT(wrong->body, Not(HasSubstr("secret")));
}

HttpRequest from(std::string origin, std::string method = "POST") {
  HttpRequest request;
  request.method = std::move(method);
  if (!origin.empty()) request.headers.emplace_back("Origin", std::move(origin));
  return request;
}

TEST(CorsTest, OffByDefault) {
  ApiHarness api;
  EXPECT_THAT(cors_fields({}, from("https://a.example")), IsEmpty());
  const HttpFields ask{{"Origin", "https://a.example"}, {"Access-Control-Request-Method", "POST"}};
  const auto answer = api.send("OPTIONS", "/v1/chat/completions", "", ask);
  EXPECT_EQ(answer->status, 204);
  for (const auto& [name, value] : answer->headers) EXPECT_THAT(name, Not(HasSubstr("Control")));
}

TEST(CorsTest, APreflightIsAnsweredWithoutAKey) {
  ApiHarness api;
  api.context.keys.set({.user = {"k"}, .admin = {}});
  api.context.options.cors.allow_origins = {"https://a.example"};
  HttpFields ask{{"Origin", "https://a.example"},
                 {"Access-Control-Request-Method", "POST"},
                 {"Access-Control-Request-Headers", "authorization,x-stainless-os"}};
  const auto allowed = api.send("OPTIONS", "/v1/chat/completions", "", ask);
  EXPECT_EQ(allowed->status, 204);
  EXPECT_THAT(allowed->headers,
              Contains(Pair("Access-Control-Allow-Headers", "authorization,x-stainless-os")));
  ask[0].second = "https://b.example";
  EXPECT_THAT(api.send("OPTIONS", "/v1/chat/completions", "", ask)->headers, IsEmpty());
}

// <img src="http://127.0.0.1:30000/flush_cache"> on any page.
TEST(CorsTest, PagesOfOtherSitesMayNotEvenAsk) {
  ApiHarness api;
  const auto status = [&](const char* path, const char* site) {
    return api.send("GET", path, "", {{"Sec-Fetch-Site", site}, {"Origin", "https://a.example"}})
        ->status;
  };
  EXPECT_EQ(status("/v1/models", "cross-site"), 403);
  EXPECT_EQ(status("/v1/models", "same-origin"), 200);
  EXPECT_EQ(status("/health", "cross-site"), 200);
  api.context.options.cors.allow_origins = {"https://a.example"};
  EXPECT_EQ(status("/v1/models", "cross-site"), 200);
}

TEST(CorsTest, AnOriginIsNamedOnlyIfItIsOnTheList) {
  const CorsPolicy listed{.allow_origins = {"https://a.example", "http://localhost:3000"}};
  EXPECT_THAT(cors_fields(listed, from("http://localhost:3000")),
              Contains(Pair("Access-Control-Allow-Origin", "http://localhost:3000")));
  for (const char* other : {"https://b.example", "https://a.example.evil", "null", ""}) {
    const HttpFields fields = cors_fields(listed, from(other));
    EXPECT_THAT(fields, Contains(Pair("Vary", "Origin")));
    EXPECT_EQ(fields.size(), 1u) << other;
  }
  EXPECT_THAT(cors_fields({.allow_origins = {"*"}}, from("")),
              Contains(Pair("Access-Control-Allow-Origin", "*")));
}

}  // namespace
}  // namespace glint

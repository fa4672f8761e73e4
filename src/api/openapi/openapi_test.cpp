// The document and the table of routes have the same operations; what the document refers to is in
// it.

#include "api/openapi/openapi.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "api/api_harness.h"
#include "api/operator/unsupported.h"

namespace glint {
namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  return text;
}

// The files that pages consist of are no API, nor is what will never be supported.
std::set<std::string> served_operations(ApiHarness& api) {
  std::set<std::string> operations;
  for (const Router::Route& route : api.router().routes())
    if (!route.path.starts_with("/web/")) operations.insert(lower(route.method) + " " + route.path);
  for (const std::string_view path : unsupported_paths()) operations.erase(cat("post ", path));
  return operations;
}

std::set<std::string> described_operations(const Json& document) {
  std::set<std::string> operations;
  for (const auto& [path, methods] : document["paths"].items())
    for (const auto& [method, operation] : methods.items()) operations.insert(method + " " + path);
  return operations;
}

void collect_references(const Json& value, std::set<std::string>& references) {
  if (value.is_object() && value.contains("$ref")) references.insert(value["$ref"]);
  if (!value.is_structured()) return;
  for (const Json& child : value) collect_references(child, references);
}

TEST(OpenApiTest, DescribesEveryRouteAndNoOther) {
  ApiHarness api;
  const Json document = openapi_document("1");
  EXPECT_EQ(described_operations(document), served_operations(api));
}

TEST(OpenApiTest, WhatItRefersToIsThere) {
  const Json document = openapi_document("1");
  std::set<std::string> references;
  collect_references(document, references);
  EXPECT_GT(references.size(), 10u);
  for (const std::string& reference : references) {
    EXPECT_TRUE(document.contains(Json::json_pointer(reference.substr(1)))) << reference;
  }
}

// Clients are generated from it: what it does not have, they cannot send.
TEST(OpenApiTest, HasTheFieldsBeyondOpenAis) {
  const Json schemas = openapi_document("1")["components"]["schemas"];
  for (const auto& [schema, field] :
       std::vector<std::pair<std::string, std::string>>{{"Sampling", "repetition_detection"},
                                                        {"Sampling", "stream_interval"},
                                                        {"ChatRequest", "thinking_token_budget"},
                                                        {"ChatRequest", "custom_params"},
                                                        {"ChatRequest", "response_format"},
                                                        {"CompletionRequest", "response_format"},
                                                        {"OtherMessage", "tool_name"},
                                                        {"MessagesRequest", "output_config"},
                                                        {"MessagesRequest", "context_management"}})
    EXPECT_TRUE(schemas[schema]["properties"].contains(field)) << schema << ' ' << field;
}

TEST(OpenApiTest, EveryOperationIsNamedAndSaysWhatMayGoWrong) {
  std::set<std::string> names;
  const Json document = openapi_document("1");
  for (const Json& methods : document["paths"]) {
    for (const Json& operation : methods) {
      EXPECT_TRUE(names.insert(operation["operationId"]).second) << operation["operationId"];
      for (const char* status : {"200", "400", "401", "405", "413", "503"})
        EXPECT_TRUE(operation["responses"].contains(status)) << operation["operationId"] << status;
    }
  }
}

TEST(OpenApiTest, IsServed) {
  ApiHarness api;
  const Json document = Json::parse(api.send("GET", "/openapi.json", "")->body);
  EXPECT_EQ(document["openapi"], "3.1.0");
  EXPECT_FALSE(document.contains("x-every-operation"));
}

}  // namespace
}  // namespace glint

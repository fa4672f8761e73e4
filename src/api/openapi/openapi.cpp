#include "api/openapi/openapi.h"

#include <nlohmann/json.hpp>

#include "api/openapi/documents.h"

namespace glint {
namespace {

Json embedded(const Page& document) {
  Result<Json> parsed = parse_json(document.bytes);
  CHECK(parsed, document.path, ": ", parsed.error().message);
  return *std::move(parsed);
}

void add_all(Json& to, const Json& from, const Page& document) {
  for (const auto& [name, value] : from.items()) {
    CHECK(!to.contains(name), document.path, " has a second ", name);
    to[name] = value;
  }
}

void add_part(Json& document, const Page& page) {
  const Json part = embedded(page);
  add_all(document["paths"], part["paths"], page);
  if (part.contains("components"))
    add_all(document["components"]["schemas"], part["components"]["schemas"], page);
}

// What an operation says itself wins.
void add_common_responses(Json& document) {
  const Json common = document["x-every-operation"]["responses"];
  document.erase("x-every-operation");
  for (Json& path : document["paths"]) {
    for (Json& operation : path) {
      for (const auto& [status, response] : common.items())
        if (!operation["responses"].contains(status)) operation["responses"][status] = response;
    }
  }
}

}  // namespace

Json openapi_document(const std::string& version) {
  Json document = embedded(kOpenApiDocuments[0]);
  document["info"]["version"] = version;
  for (size_t i = 1; i < kNumOpenApiDocuments; ++i) add_part(document, kOpenApiDocuments[i]);
  add_common_responses(document);
  return document;
}

void handle_openapi(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  exchange->respond({.body = to_json_text(openapi_document(context.options.version))});
}

}  // namespace glint

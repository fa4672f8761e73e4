#pragma once

// The description of this server's API as an OpenAPI document. Its parts are the JSON files in this
// folder: a new dialect is a new file, in the list of api/CMakeLists.txt.

#include <memory>
#include <string>

#include "api/server_context.h"
#include "base/json.h"
#include "http/http.h"

namespace glint {

// The parts put together: their paths, their component schemas, and the responses that every
// operation may have (x-every-operation of base.json) with each operation.
Json openapi_document(const std::string& version);

// GET /openapi.json
void handle_openapi(ServerContext& context, std::shared_ptr<Exchange> exchange);

}  // namespace glint

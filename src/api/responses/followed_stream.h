#pragma once

#include <memory>
#include <string>

#include "api/server_context.h"
#include "base/result.h"
#include "http/http.h"

namespace glint {

// GET /v1/responses/{id}?stream=true&starting_after=N: the events of a background response that was
// created with stream, those so far and then the others, from number N + 1 on. The Error, before
// anything was sent, says what is wrong with the query or that there is no such stream.
Result<void> follow_response(ServerContext& context, const std::shared_ptr<Exchange>& exchange,
                             const std::string& id);

}  // namespace glint

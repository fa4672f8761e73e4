#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "client/http_client.h"

namespace glint {

// POSTs JSON and parses the answer; a status of 400 or more is an Error with the answer's body.
Result<Json> post_json(HttpClient& client, const std::string& url, const Json& body);

// Calls ask(client, i) for i = 0 … count-1 from `parallel` threads, each with its own connection.
// After the first Error no further request is begun, and that Error is returned.
Result<void> ask_in_parallel(size_t count, int parallel,
                             const std::function<Result<void>(HttpClient&, size_t)>& ask);

}  // namespace glint

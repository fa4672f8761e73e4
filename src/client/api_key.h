#pragma once

#include "client/http_client.h"

namespace glint {

// The Authorization field with the key in OPENAI_API_KEY, as OpenAI's clients send it; nothing if
// there is none.
HttpClient::Headers api_key_headers();

}  // namespace glint

#include "client/api_key.h"

#include <cstdlib>

namespace glint {

HttpClient::Headers api_key_headers() {
  const char* key = std::getenv("OPENAI_API_KEY");
  if (key == nullptr || *key == '\0') return {};
  return {{"Authorization", cat("Bearer ", key)}};
}

}  // namespace glint

#pragma once

#include <string>
#include <string_view>

namespace glint {

// What the body of an answer of status 400 or more says to a person, in one line: the message alone
// of OpenAI's, SGLang's and FastAPI's JSON; of any other body, as a proxy's page, the beginning.
std::string server_message(std::string_view body);

// A sentence on such an answer. For 401 and 403 it says where the key is taken from.
std::string refusal(std::string_view url, int status, std::string_view body);

}  // namespace glint

#pragma once

// What the tests of /v1/responses ask, over the harness of api/.

#include <string>
#include <string_view>

#include "api/api_harness.h"

namespace glint {

inline constexpr const char* kResponses = "/v1/responses";

inline constexpr const char* kWeather =
    "I need the weather.</think>Let me look.<tool_call>get_weather<arg_key>location</arg_key>"
    "<arg_value>Beijing</arg_value></tool_call>";

inline Json question(std::string_view text) { return Json{{"input", text}}; }

inline Json weather_question() {
  Json body = question("What is the weather in Beijing?");
  body["tools"] = Json::parse(R"([{"type":"function","name":"get_weather","strict":true,
    "parameters":{"type":"object","properties":{"location":{"type":"string"}}}},
    {"type":"web_search"}])");
  return body;
}

inline std::string text(const Json& value) { return value.get<std::string>(); }

}  // namespace glint

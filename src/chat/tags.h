#pragma once

// The control tokens of the chat format that text is made of and taken apart by. All of them are
// added tokens of the tokenizer.

#include <string_view>

namespace glint::tags {

inline constexpr std::string_view kGmask = "[gMASK]";
inline constexpr std::string_view kSop = "<sop>";
inline constexpr std::string_view kSystem = "<|system|>";
inline constexpr std::string_view kUser = "<|user|>";
inline constexpr std::string_view kAssistant = "<|assistant|>";
inline constexpr std::string_view kObservation = "<|observation|>";
inline constexpr std::string_view kThink = "<think>";
inline constexpr std::string_view kThinkEnd = "</think>";
inline constexpr std::string_view kToolCall = "<tool_call>";
inline constexpr std::string_view kToolCallEnd = "</tool_call>";
inline constexpr std::string_view kToolResponse = "<tool_response>";
inline constexpr std::string_view kToolResponseEnd = "</tool_response>";
inline constexpr std::string_view kArgKey = "<arg_key>";
inline constexpr std::string_view kArgKeyEnd = "</arg_key>";
inline constexpr std::string_view kArgValue = "<arg_value>";
inline constexpr std::string_view kArgValueEnd = "</arg_value>";

}  // namespace glint::tags

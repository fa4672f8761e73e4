#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace glint {

// GPT-2's byte alphabet (openai/gpt-2, encoder.py, bytes_to_unicode): tokenizer.json writes a
// token's bytes as printable characters. Bytes that are printable in Latin-1 stand for themselves,
// the other 68 in their order for U+0100 and up; so " " is written "\u0120".

// The bytes that `token` writes; nothing if one of its characters is not in the alphabet.
std::optional<std::string> bytes_from_alphabet(std::string_view token);

}  // namespace glint

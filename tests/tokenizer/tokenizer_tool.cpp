// The tokenizer for tests in Python. Reads records from stdin and answers each on stdout:
//
//   tokenizer_tool TOKENIZER_JSON encode        text → ids
//   tokenizer_tool TOKENIZER_JSON decode        ids → text
//   tokenizer_tool TOKENIZER_JSON decode-skip   the same without special tokens
//   tokenizer_tool TOKENIZER_JSON stream        ids → the detokenizer's pieces, put together
//   tokenizer_tool TOKENIZER_JSON time          text → nanoseconds for encoding it, one int64
//
// A record is its length in bytes, a little-endian uint32, and that many bytes; ids are int32.

#include <chrono>
#include <cstring>
#include <iostream>
#include <map>
#include <string>

#include "tokenizer/detokenizer.h"
#include "tokenizer/tokenizer.h"

namespace glint {
namespace {

bool read_record(std::string& record) {
  uint32_t size = 0;
  if (!std::cin.read(reinterpret_cast<char*>(&size), sizeof size)) return false;
  record.resize(size);
  return static_cast<bool>(std::cin.read(record.data(), size));
}

void write_record(const std::string& record) {
  const uint32_t size = static_cast<uint32_t>(record.size());
  std::cout.write(reinterpret_cast<const char*>(&size), sizeof size);
  std::cout.write(record.data(), size);
}

std::string bytes_of(const void* data, size_t num_bytes) {
  return std::string(static_cast<const char*>(data), num_bytes);
}

std::vector<TokenId> ids_of(const std::string& record) {
  std::vector<TokenId> ids(record.size() / sizeof(TokenId));
  if (!ids.empty()) std::memcpy(ids.data(), record.data(), ids.size() * sizeof(TokenId));
  return ids;
}

std::string encode(const Tokenizer& tokenizer, const std::string& text) {
  const std::vector<TokenId> ids = tokenizer.encode(text);
  return bytes_of(ids.data(), ids.size() * sizeof(TokenId));
}

std::string decode(const Tokenizer& tokenizer, const std::string& record) {
  return tokenizer.decode(ids_of(record), /*skip_special_tokens=*/false);
}

std::string decode_skip(const Tokenizer& tokenizer, const std::string& record) {
  return tokenizer.decode(ids_of(record), /*skip_special_tokens=*/true);
}

std::string stream(const Tokenizer& tokenizer, const std::string& record) {
  Detokenizer detokenizer(tokenizer, /*skip_special_tokens=*/false);
  std::string text;
  for (const TokenId id : ids_of(record)) text += detokenizer.append(id);
  return text + detokenizer.finish();
}

std::string time(const Tokenizer& tokenizer, const std::string& text) {
  const auto start = std::chrono::steady_clock::now();
  const size_t num_ids = tokenizer.encode(text).size();
  const auto end = std::chrono::steady_clock::now();
  CHECK(text.empty() || num_ids > 0, "no ids");  // so that the work is not optimized away
  const int64_t ns = std::chrono::duration_cast<std::chrono::nanoseconds>(end - start).count();
  return bytes_of(&ns, sizeof ns);
}

using Answer = std::string (*)(const Tokenizer&, const std::string&);
const std::map<std::string, Answer> kAnswers = {{"encode", encode},
                                                {"decode", decode},
                                                {"decode-skip", decode_skip},
                                                {"stream", stream},
                                                {"time", time}};

int run(int argc, char** argv) {
  const auto answer = kAnswers.find(argc == 3 ? argv[2] : "");
  if (answer == kAnswers.end()) {
    std::cerr << "usage: tokenizer_tool TOKENIZER_JSON encode|decode|decode-skip|stream|time\n";
    return 2;
  }
  const auto tokenizer = Tokenizer::load(argv[1]);
  if (!tokenizer) {
    std::cerr << tokenizer.error().message << '\n';
    return 1;
  }
  for (std::string record; read_record(record);) write_record(answer->second(*tokenizer, record));
  return 0;
}

}  // namespace
}  // namespace glint

int main(int argc, char** argv) { return glint::run(argc, argv); }

#pragma once

#include <string>
#include <string_view>

#include "bench/serving/request_record.h"

namespace glint {

// Whose stream it is.
enum class ServingApi {
  kGenerate,     // SGLang's /generate: text so far, count of tokens so far
  kCompletions,  // OpenAI's: new text
  kChat,         // OpenAI's: new text, content or reasoning
};

// An answer's events into its RequestRecord, by the rules of SGLang's client:
//  - an event without text is no token (a last one with usage alone); before the first text nothing
//    counts, unless the whole answer has none, as of a server without a tokenizer;
//  - the number of tokens is the server's where an event says it, else one each;
//  - OpenAI's servers that do not say how many they sent are taken to have sent what was asked.
// One difference: in chats reasoning counts as text; SGLang's client waits for content.
class AnswerReader {
 public:
  // `incremental`: /generate's events hold new text, not all of it.
  AnswerReader(ServingApi api, bool incremental, int asked_len, RequestRecord& record)
      : api_(api), incremental_(incremental), asked_len_(asked_len), record_(record) {}

  void on_event(std::string_view data, double time_s);
  // Fills in what only the end shows. `error` is empty if the answer came whole.
  void finish(const std::string& error, double time_s);

 private:
  void read_native(std::string_view data, double time_s);
  void read_choice(std::string_view choice, std::string_view usage, double time_s);
  void read_error(std::string_view data);
  void add_tokens(int num_tokens, double time_s);

  const ServingApi api_;
  const bool incremental_;
  const int asked_len_;
  RequestRecord& record_;
  std::string text_;        // a JSON string's body: unescaped at the end
  size_t before_text_ = 0;  // leading token_times before the first text
  int tokens_in_usage_ = -1;
};

}  // namespace glint

#pragma once

// What SGLang's and vLLM's clients may ask for beside OpenAI's answer: ids, counts, meta_info.

#include <string>
#include <vector>

#include "api/choice_text.h"
#include "api/request_fields.h"
#include "base/json.h"
#include "base/result.h"
#include "engine/event.h"

namespace glint {

struct Extras {
  bool token_ids = false;              // return_token_ids: the prompt's, too, as in vLLM
  bool prompt_token_ids = false;       // return_prompt_token_ids
  bool tokens_as_token_ids = false;    // return_tokens_as_token_ids: "token_id:7" in logprobs
  bool meta_info = false;              // return_meta_info: as /generate has it
  bool cached_tokens_details = false;  // return_cached_tokens_details: in sglext

  bool wants_prompt_ids() const { return token_ids || prompt_token_ids; }
};

Result<Extras> parse_extras(const RequestFields& fields);

// Refuses vLLM's prompt_logprobs beside `stream`, as vLLM does.
Error prompt_logprobs_in_stream(const RequestFields& fields);

// What meta_info says of one choice, over all of its answer.
class MetaInfo {
 public:
  void append(const ChoiceDelta& delta);
  // `with_logprobs` 0: the tokens' own, k: the k likeliest ones' too, -1: none.
  Json to_json(const std::string& id, int with_logprobs, double seconds) const;

 private:
  std::vector<OutputToken> tokens_;
  Usage usage_;
  ChoiceFinish finish_;
};

Json ids_json(const std::vector<OutputToken>& tokens);

// {"cached_tokens_details": {"device": cached, "host": 0}}: there is no other place.
Json sglext(int64_t cached_tokens);

}  // namespace glint

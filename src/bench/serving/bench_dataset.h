#pragma once

// What bench serving asks: prompts and lengths, drawn as SGLang's bench_serving draws them.

#include <string>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"
#include "bench/serving/random_streams.h"
#include "tokenizer/tokenizer.h"

namespace glint {

struct DatasetOptions {
  std::string name = "random";  // random-ids, generated-shared-prefix, sharegpt, custom
  std::string path{};           // sharegpt: its JSON; custom: JSON Lines; random: text for prompts
  int num_prompts = 1000;
  uint32_t seed = 1;
  bool send_ids = false;  // prompts as token ids, not as text
  bool apply_chat_template = false;
  std::string prompt_suffix{};
  int random_input_len = 1024, random_output_len = 1024;
  double random_range_ratio = 0;  // lengths from this share of the longest on
  int sharegpt_output_len = 0;    // 0: the answer's in the file
  int sharegpt_context_len = 0;   // longer ones are left out; 0: none is
  int gsp_num_groups = 64, gsp_prompts_per_group = 16;
  int gsp_system_prompt_len = 2048, gsp_question_len = 128, gsp_output_len = 256;
  double gsp_range_ratio = 1;
  int gsp_num_turns = 1;              // questions of a conversation, one after the other
  bool gsp_ordered = false;           // group by group, not shuffled
  bool gsp_send_routing_key = false;  // each group's own
};

struct BenchRequest {
  struct Question {
    std::string text{};
    int len = 0;  // tokens
  };

  std::string text{};          // the prompt
  std::vector<TokenId> ids{};  // or its ids, where text is empty
  int prompt_len = 0;          // tokens, of what was said before too
  int output_len = 0;          // of each answer
  // Asked once the one before is answered, each after all that was said.
  std::vector<Question> follow_ups{};
  std::vector<std::string> said{};  // before: question, answer, question, answer …
  std::string routing_key{};        // for SGLang's router; empty: none
};

struct BenchDataset {
  std::vector<BenchRequest> requests;
  std::vector<std::string> notes;  // where prompts are not what the name promises
};

// Where prompts come from.
struct TokenSource {
  const Tokenizer* tokenizer = nullptr;  // null: prompts can only be ids, without a meaning
  int vocab_size = 0;                    // ids are below this
};

// `random` is seeded with options.seed; lengths are its first draws, arrivals may follow.
Result<BenchDataset> make_dataset(const DatasetOptions& options, const TokenSource& source,
                                  NumpyRandom& random);

// `count` lengths from max(int(longest * range_ratio), 1) to `longest`.
std::vector<int64_t> random_lengths(int longest, double range_ratio, size_t count,
                                    NumpyRandom& random);

// Ids that are no added tokens, as Hugging Face counts vocab_size: those below the first special.
int plain_vocab_size(const Tokenizer& tokenizer);

}  // namespace glint

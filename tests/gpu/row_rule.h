#pragma once

// The rule that a decode row's bits depend on its own cached rows and inputs alone, checked on a
// whole model: from one snapshot of the KV rows, the same decode rows alone and beside others.

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tests/gpu/test_model.h"

namespace glint {

struct RowRuleOptions {
  int num_sequences = 256;
  int max_context = 4096;      // tokens of the longest sequence
  int max_prompt_rows = 2048;  // of a step
  int max_block_rows = 0;      // of a step at once, attention aside; 0: all
  uint64_t seed = 1;
};

// What the options need of the model.
ModelOptions row_rule_model_options(const RowRuleOptions& options);

struct RowRuleResult {
  int num_rows = 0;       // compared
  int num_different = 0;  // of those
  std::string first;      // about the first different one; empty if there is none
  bool ok() const { return num_different == 0; }
};

class RowRule {
 public:
  // Fills the KV rows of all sequences and decodes the next token of each alone. The lengths have
  // the edges of pages and of the attention's splits among them.
  RowRule(TestModel& model, const RowRuleOptions& options);

  int num_sequences() const { return static_cast<int>(contexts_.size()); }
  int64_t num_tokens() const;  // of all sequences

  // `num_rows` of the sequences together, beside a prompt of `prompt_rows`; `turn` chooses which.
  RowRuleResult together(int num_rows, int prompt_rows, int turn);
  // `count` tokens after the longest context: one by one, then as one chunk of rows in decode form,
  // as after a retraction.
  RowRuleResult recomputed(int count);
  // The last row of a prompt of `length`, whole and in chunks of `chunk`: what --deterministic
  // needs beyond the rule.
  RowRuleResult in_chunks(int length, int chunk);

 private:
  struct Context {
    std::vector<TokenId> ids;  // the last one is not cached
    PageId first_page = 0;

    int cached_len() const { return static_cast<int>(ids.size()) - 1; }
  };

  void make_contexts();
  void fill(const Context& context);
  std::vector<TokenId> random_ids(int count);
  SequenceRows decode_row(const Context& context) const;
  HostLogits forward(const std::vector<SequenceRows>& rows);
  HostLogits prompt_in_chunks(const std::vector<TokenId>& ids, int chunk);

  TestModel& model_;
  const RowRuleOptions options_;
  std::mt19937_64 random_;
  std::vector<Context> contexts_;
  PageId spare_page_ = 0;          // of pages for max_context + max_prompt_rows tokens
  std::vector<HostLogits> alone_;  // of each context's last id
};

}  // namespace glint

#include "model/activations.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "base/check.h"

namespace glint {
namespace {

// The arrays of a step's block, in their order.
enum Section {
  kTokenIds,
  kPositions,
  kTokenSequence,
  kPageBegin,
  kSequenceSlot,
  kAbsorbedRows,
  kExpandedRows,
  kLogitRows,
  kLogitSlots,
  kNumSections
};

constexpr int kMinRowCapacity = 8;

size_t max_page_entries(const ModelConfig& config, const ModelOptions& options) {
  const int longest = config.max_position_embeddings;
  const int pages_per_sequence =
      std::min(options.num_pages, (longest + options.page_size - 1) / options.page_size);
  return static_cast<size_t>(options.max_batch_sequences) * static_cast<size_t>(pages_per_sequence);
}

// A step's block: on the host as it is filled, or where the backend will find it.
struct StepBlock {
  int32_t* data = nullptr;
  int capacity = 0;  // entries of each section

  int32_t* section(int index) const { return data + int64_t{index} * capacity; }
  int32_t* pages() const { return section(kNumSections); }
  size_t bytes(size_t num_pages) const {
    const auto entries = size_t{kNumSections} * static_cast<size_t>(capacity) + num_pages;
    return entries * sizeof(int32_t);
  }
};

struct RowCounts {
  int absorbed = 0, expanded = 0, logits = 0;
};

// Past its entries, a section holds rows of no sequence.
void clear(const StepBlock& block) {
  std::fill(block.data, block.pages(), 0);
  std::fill_n(block.section(kTokenSequence), block.capacity, -1);
  for (const Section rows : {kAbsorbedRows, kLogitRows})
    std::iota(block.section(rows), block.section(rows) + block.capacity, 0);
}

RowCounts fill(const StepBlock& block, const Batch& batch, MlaForm prompt_form) {
  clear(block);
  RowCounts counts;
  int32_t row = 0, index = 0;
  for (const BatchSequence& sequence : batch.sequences) {
    const bool is_expanded = sequence.form == RowForm::kPrompt && prompt_form == MlaForm::kExpanded;
    block.section(kPageBegin)[index] = sequence.page_begin;
    block.section(kSequenceSlot)[index] = sequence.slot;
    for (int i = 0; i < sequence.extend_len; ++i, ++row) {
      block.section(kPositions)[row] = sequence.cached_len + i;
      block.section(kTokenSequence)[row] = index;
      if (is_expanded)
        block.section(kExpandedRows)[counts.expanded++] = row;
      else
        block.section(kAbsorbedRows)[counts.absorbed++] = row;
      if (i < sequence.extend_len - sequence.num_logit_rows) continue;
      block.section(kLogitRows)[counts.logits] = row;
      block.section(kLogitSlots)[counts.logits++] = sequence.slot;
    }
    ++index;
  }
  std::ranges::copy(batch.token_ids, block.section(kTokenIds));
  std::ranges::copy(batch.pages, block.pages());
  return counts;
}

std::vector<PromptRows> prompts_of(const Batch& batch) {
  std::vector<PromptRows> prompts;
  for (const BatchSequence& s : batch.sequences) {
    if (s.form != RowForm::kPrompt) continue;
    prompts.push_back({s.token_begin, s.extend_len, s.cached_len, s.page_begin});
  }
  return prompts;
}

StepInputs inputs_at(const StepBlock& block, int num_tokens, int num_sequences,
                     const RowCounts& counts) {
  StepInputs inputs;
  inputs.step.num_tokens = num_tokens;
  inputs.step.num_sequences = num_sequences;
  inputs.step.token_ids = inputs.token_ids = block.section(kTokenIds);
  inputs.step.positions = block.section(kPositions);
  inputs.step.token_sequence = block.section(kTokenSequence);
  inputs.step.page_begin = block.section(kPageBegin);
  inputs.step.sequence_slot = block.section(kSequenceSlot);
  inputs.step.pages = block.pages();
  inputs.absorbed_rows = {block.section(kAbsorbedRows), counts.absorbed};
  inputs.expanded_rows = {block.section(kExpandedRows), counts.expanded};
  inputs.logit_rows = {block.section(kLogitRows), counts.logits};
  inputs.logit_slots = {block.section(kLogitSlots), counts.logits};
  return inputs;
}

}  // namespace

StepUploader::StepUploader(Backend& backend, const ModelConfig& config, const ModelOptions& options)
    : backend_(backend),
      options_(options),
      vocab_size_(config.vocab_size),
      max_pages_(max_page_entries(config, options)),
      block_(backend, StepBlock{nullptr, options.max_batch_tokens}.bytes(max_pages_)),
      staging_(backend, block_.size()) {}

int StepUploader::row_capacity(int num_tokens) const {
  const auto rows = static_cast<unsigned>(std::max(num_tokens, kMinRowCapacity));
  return std::min(static_cast<int>(std::bit_ceil(rows)), options_.max_batch_tokens);
}

void StepUploader::check(const Batch& batch, bool may_hold_sampled_ids) const {
  CHECK(std::ssize(batch.token_ids) <= options_.max_batch_tokens, batch.token_ids.size(),
        " tokens in a step of at most ", options_.max_batch_tokens);
  CHECK(std::ssize(batch.sequences) <= options_.max_batch_sequences, batch.sequences.size(),
        " sequences in a step of at most ", options_.max_batch_sequences);
  CHECK(batch.pages.size() <= max_pages_, batch.pages.size(), " page table entries in a step");
  for (const TokenId id : batch.token_ids) {
    const bool is_known = id >= 0 && id < vocab_size_;
    CHECK(is_known || (may_hold_sampled_ids && id == kSampledLastStep), "token id ", id);
  }
  for (const PageId page : batch.pages) {
    CHECK(page >= 0 && page < options_.num_pages, "page ", page, " of ", options_.num_pages);
  }
  int tokens = 0, logit_rows = 0;
  for (const BatchSequence& s : batch.sequences) {
    CHECK(s.extend_len >= 1 && s.token_begin == tokens, "tokens out of order");
    CHECK(s.page_begin >= 0 && s.page_begin + s.num_pages <= std::ssize(batch.pages),
          "page table out of range");
    CHECK(int64_t{s.num_pages} * options_.page_size >= int64_t{s.cached_len} + s.extend_len,
          s.num_pages, " pages for ", s.cached_len + s.extend_len, " rows");
    CHECK(s.slot >= 0 && s.slot < options_.max_batch_sequences, "slot ", s.slot);
    CHECK(s.num_logit_rows >= 0 && s.num_logit_rows <= s.extend_len, "logit rows");
    tokens += s.extend_len;
    logit_rows += s.num_logit_rows;
  }
  CHECK(tokens == std::ssize(batch.token_ids), "tokens that belong to no sequence");
  CHECK(logit_rows <= options_.max_logit_rows, logit_rows, " logit rows in a step of at most ",
        options_.max_logit_rows);
}

StepInputs StepUploader::upload(const Batch& batch, int padded_rows, MlaForm prompt_form,
                                bool may_hold_sampled_ids) {
  check(batch, may_hold_sampled_ids);
  StepBlock block{nullptr, row_capacity(padded_rows)};
  const size_t bytes = block.bytes(batch.pages.size());
  staging_.begin_step();
  block.data = static_cast<int32_t*>(staging_.reserve(bytes));
  const RowCounts counts = fill(block, batch, prompt_form);
  const auto num_rows = static_cast<int>(batch.token_ids.size());
  CHECK(counts.absorbed == 0 || num_rows <= options_.max_block_rows, num_rows,
        " rows in a step that are not all expanded; expected at most ", options_.max_block_rows);
  backend_.upload_async(block_.data(), block.data, bytes);
  block.data = static_cast<int32_t*>(block_.data());
  prompts_.clear();
  if (prompt_form == MlaForm::kExpanded) prompts_ = prompts_of(batch);
  StepInputs inputs = inputs_at(block, num_rows, static_cast<int>(batch.sequences.size()), counts);
  inputs.step.prompts = {prompts_.data(), static_cast<int>(prompts_.size())};
  return inputs;
}

StepInputs StepUploader::padded(int num_rows) const {
  const StepBlock block{static_cast<int32_t*>(block_.data()), row_capacity(num_rows)};
  return inputs_at(block, num_rows, num_rows, {.absorbed = num_rows, .logits = num_rows});
}

Activations::Activations(Backend& backend, const ModelConfig& c, const ModelOptions& options) {
  const int tokens = options.max_batch_tokens, rows = options.max_block_rows;
  const int heads = c.num_attention_heads;
  const NumberType type = options.compute;
  residual = make(backend, tokens, c.hidden_size, type);
  delta = make(backend, tokens, c.hidden_size, type);
  normed = make(backend, rows, c.hidden_size, type);
  cos_sin = make(backend, tokens, c.qk_rope_head_dim, NumberType::kF32);
  qkv_a = make(backend, rows, c.q_lora_rank + c.kv_row(), type);
  c_q = make(backend, rows, c.q_lora_rank, type);
  q = make(backend, tokens, heads * c.qk_head_dim(), type);
  q_row = make(backend, rows, heads * c.kv_row(), type);
  o_latent = make(backend, rows, heads * c.kv_lora_rank, type);
  o = make(backend, tokens, heads * c.v_head_dim, type);
  mlp_act = make(backend, rows, c.intermediate_size, type);
  const int per_row = c.experts_per_row(), pairs = rows * per_row;
  expert_act = make(backend, pairs, c.moe_intermediate_size, type);
  expert_out = make(backend, pairs, c.hidden_size, type);
  routing.n_shared_experts = c.n_shared_experts;
  routing.experts_per_row = per_row;
  routing.expert_ids = static_cast<int32_t*>(make(backend, rows, per_row, NumberType::kF32).data);
  routing.weights = static_cast<float*>(make(backend, rows, per_row, NumberType::kF32).data);
  routing.expert_begin =
      static_cast<int32_t*>(make(backend, 1, c.num_experts() + 1, NumberType::kF32).data);
  routing.expert_pairs = static_cast<int32_t*>(make(backend, 1, pairs, NumberType::kF32).data);
  logit_residual = make(backend, options.max_logit_rows, c.hidden_size, type);
  logit_delta = make(backend, options.max_logit_rows, c.hidden_size, type);
  logit_normed = make(backend, options.max_logit_rows, c.hidden_size, type);
  logits = make(backend, options.max_logit_rows, c.vocab_size, NumberType::kF32);
  if (!options.with_mtp) return;
  hidden = make(backend, tokens, c.hidden_size, type);
  mtp_hidden = make(backend, tokens, c.hidden_size, type);
  mtp_input = make(backend, tokens, 2 * c.hidden_size, type);
}

Matrix Activations::make(Backend& backend, int rows, int cols, NumberType type) {
  const int64_t bytes = int64_t{rows} * cols * bytes_per_number(type);
  buffers_.emplace_back(backend, static_cast<size_t>(bytes));
  return contiguous(buffers_.back().data(), type, rows, cols);
}

}  // namespace glint

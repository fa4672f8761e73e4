#include "model/activations.h"

#include <algorithm>

#include "base/check.h"

namespace glint {

StepUploader::StepUploader(Backend& backend, const ModelConfig& config, const ModelOptions& options)
    : backend_(backend), options_(options), vocab_size_(config.vocab_size) {
  const int longest = config.max_position_embeddings;
  const int pages_per_sequence =
      std::min(options.num_pages, (longest + options.page_size - 1) / options.page_size);
  max_pages_ =
      static_cast<size_t>(options.max_batch_sequences) * static_cast<size_t>(pages_per_sequence);
  const auto tokens = static_cast<size_t>(options.max_batch_tokens);
  const size_t capacity =
      6 * tokens + static_cast<size_t>(options.max_batch_sequences) + max_pages_;
  host_.reserve(capacity);
  block_ = Buffer(backend, capacity * sizeof(int32_t));
}

// Where the values will lie in the backend's memory.
const int32_t* StepUploader::append(const std::vector<int32_t>& values) {
  CHECK((host_.size() + values.size()) * sizeof(int32_t) <= block_.size(),
        "a step of more integers than ModelOptions allow");
  const auto* begin = static_cast<const int32_t*>(block_.data()) + host_.size();
  host_.insert(host_.end(), values.begin(), values.end());
  return begin;
}

void StepUploader::check(const Batch& batch) const {
  CHECK(std::ssize(batch.token_ids) <= options_.max_batch_tokens, batch.token_ids.size(),
        " tokens in a step of at most ", options_.max_batch_tokens);
  CHECK(std::ssize(batch.sequences) <= options_.max_batch_sequences, batch.sequences.size(),
        " sequences in a step of at most ", options_.max_batch_sequences);
  CHECK(batch.pages.size() <= max_pages_, batch.pages.size(), " page table entries in a step");
  for (const TokenId id : batch.token_ids) {
    CHECK(id >= 0 && id < vocab_size_, "token id ", id);
  }
  int tokens = 0, logit_rows = 0;
  for (const BatchSequence& s : batch.sequences) {
    CHECK(s.extend_len >= 1 && s.token_begin == tokens, "tokens out of order");
    CHECK(s.page_begin >= 0 && s.page_begin + s.num_pages <= std::ssize(batch.pages),
          "page table out of range");
    CHECK(int64_t{s.num_pages} * options_.page_size >= int64_t{s.cached_len} + s.extend_len,
          s.num_pages, " pages for ", s.cached_len + s.extend_len, " rows");
    CHECK(s.num_logit_rows >= 0 && s.num_logit_rows <= s.extend_len, "logit rows");
    tokens += s.extend_len;
    logit_rows += s.num_logit_rows;
  }
  CHECK(tokens == std::ssize(batch.token_ids), "tokens that belong to no sequence");
  CHECK(logit_rows <= options_.max_logit_rows, logit_rows, " logit rows in a step of at most ",
        options_.max_logit_rows);
}

StepInputs StepUploader::upload(const Batch& batch, MlaForm prompt_form) {
  check(batch);
  std::vector<int32_t> positions, token_sequence, page_begin, absorbed, expanded, logit_rows;
  int32_t row = 0;
  for (size_t s = 0; s < batch.sequences.size(); ++s) {
    const BatchSequence& sequence = batch.sequences[s];
    const bool is_expanded = sequence.form == RowForm::kPrompt && prompt_form == MlaForm::kExpanded;
    page_begin.push_back(sequence.page_begin);
    for (int i = 0; i < sequence.extend_len; ++i, ++row) {
      positions.push_back(sequence.cached_len + i);
      token_sequence.push_back(static_cast<int32_t>(s));
      (is_expanded ? expanded : absorbed).push_back(row);
      if (i >= sequence.extend_len - sequence.num_logit_rows) logit_rows.push_back(row);
    }
  }
  const auto list = [&](const std::vector<int32_t>& rows) {
    return RowList{append(rows), static_cast<int>(rows.size())};
  };
  host_.clear();
  StepInputs inputs;
  inputs.step.num_tokens = row;
  inputs.step.num_sequences = static_cast<int>(batch.sequences.size());
  inputs.step.token_ids = append(batch.token_ids);
  inputs.step.positions = append(positions);
  inputs.step.token_sequence = append(token_sequence);
  inputs.step.page_begin = append(page_begin);
  inputs.step.pages = append(batch.pages);
  inputs.absorbed_rows = list(absorbed);
  inputs.expanded_rows = list(expanded);
  inputs.logit_rows = list(logit_rows);
  backend_.upload(block_.data(), host_.data(), host_.size() * sizeof(int32_t));
  return inputs;
}

Activations::Activations(Backend& backend, const ModelConfig& c, const ModelOptions& options) {
  const int tokens = options.max_batch_tokens, heads = c.num_attention_heads;
  const NumberType type = options.compute;
  residual = make(backend, tokens, c.hidden_size, type);
  delta = make(backend, tokens, c.hidden_size, type);
  normed = make(backend, tokens, c.hidden_size, type);
  cos_sin = make(backend, tokens, c.qk_rope_head_dim, NumberType::kF32);
  qkv_a = make(backend, tokens, c.q_lora_rank + c.kv_row(), type);
  c_q = make(backend, tokens, c.q_lora_rank, type);
  q = make(backend, tokens, heads * c.qk_head_dim(), type);
  q_row = make(backend, tokens, heads * c.kv_row(), type);
  o_latent = make(backend, tokens, heads * c.kv_lora_rank, type);
  o = make(backend, tokens, heads * c.v_head_dim, type);
  mlp_act = make(backend, tokens, c.intermediate_size, type);
  shared_act = make(backend, tokens, c.moe_intermediate_size * c.n_shared_experts, type);
  const int choices = tokens * c.num_experts_per_tok;
  expert_act = make(backend, choices, c.moe_intermediate_size, type);
  routing.num_experts_per_tok = c.num_experts_per_tok;
  routing.expert_ids =
      static_cast<int32_t*>(make(backend, tokens, c.num_experts_per_tok, NumberType::kF32).data);
  routing.weights =
      static_cast<float*>(make(backend, tokens, c.num_experts_per_tok, NumberType::kF32).data);
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

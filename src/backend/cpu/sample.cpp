#include "backend/cpu/sample.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "base/check.h"

namespace glint {
namespace {

constexpr float kMasked = -std::numeric_limits<float>::infinity();

// An id with its weight. Orders put the larger first, of equals the lower id.
struct Candidate {
  TokenId id = 0;
  float weight = 0;
};

bool is_likelier(const Candidate& a, const Candidate& b) {
  return a.weight > b.weight || (a.weight == b.weight && a.id < b.id);
}

// Reused between rows: the only allocations are a thread's first.
struct Scratch {
  std::vector<float> x;  // logits with bias, penalties and masks
  std::vector<Candidate> candidates;
  std::vector<float> allowed;  // a copy of x
};

bool all_finite(std::span<const float> logits) {
  return std::ranges::all_of(logits, [](float x) { return std::isfinite(x); });
}

// Where a request may name any id of the vocabulary, those without a token are passed over.
bool has_token(std::span<const float> x, TokenId id) { return static_cast<size_t>(id) < x.size(); }

void add_biases(const SampleSlot& slot, std::span<float> x) {
  for (int i = 0; i < slot.num_biases; ++i) {
    const SampleBias& bias = slot.biases[i];
    if (has_token(x, bias.id)) x[static_cast<size_t>(bias.id)] += bias.bias;
  }
}

void apply_penalties(const SampleSlot& slot, std::span<float> x) {
  if (slot.counts == nullptr) return;
  for (size_t i = 0; i < x.size(); ++i) {
    const int count = slot.counts[i];
    if (count == 0) continue;
    x[i] = x[i] > 0 ? x[i] / slot.repetition_penalty : x[i] * slot.repetition_penalty;
    x[i] -= static_cast<float>(count) * slot.frequency_penalty + slot.presence_penalty;
  }
}

// A trigger's allowed ids are obeyed whatever else is masked.
void keep_only(TokenIds allowed, Scratch& scratch) {
  scratch.allowed = scratch.x;
  std::ranges::fill(scratch.x, kMasked);
  for (int i = 0; i < allowed.size; ++i) {
    const auto id = static_cast<size_t>(allowed.data[i]);
    if (has_token(scratch.x, allowed.data[i])) scratch.x[id] = scratch.allowed[id];
  }
}

void mask_stop_ids(const SampleSlot& slot, std::span<float> x) {
  if (!slot.masks_stop_ids()) return;
  for (int i = 0; i < slot.stop_ids.size; ++i) {
    const TokenId id = slot.stop_ids.data[i];
    if (has_token(x, id)) x[static_cast<size_t>(id)] = kMasked;
  }
}

// The first of the largest.
TokenId argmax(std::span<const float> x) {
  return static_cast<TokenId>(std::ranges::max_element(x) - x.begin());
}

// Weights relative to the largest, exp((x - max) / temperature), of what min_p leaves, by id.
void collect_candidates(const SampleSlot& slot, Scratch& scratch) {
  const float max = *std::ranges::max_element(scratch.x);
  scratch.candidates.clear();
  for (size_t i = 0; i < scratch.x.size(); ++i) {
    const float weight = std::exp((scratch.x[i] - max) / slot.temperature);
    if (weight > 0 && weight >= slot.min_p)
      scratch.candidates.push_back({.id = static_cast<TokenId>(i), .weight = weight});
  }
}

void keep_top_k(int top_k, std::vector<Candidate>& candidates) {
  if (top_k < 1 || static_cast<size_t>(top_k) >= candidates.size()) return;
  std::nth_element(candidates.begin(), candidates.begin() + top_k - 1, candidates.end(),
                   is_likelier);
  candidates.resize(static_cast<size_t>(top_k));
}

double total_weight(std::span<const Candidate> candidates) {
  double total = 0;
  for (const Candidate& candidate : candidates) total += candidate.weight;
  return total;
}

// Takes the likeliest from a heap until they have the share, which is far fewer than a sort would
// order. They end up at the back, likeliest last.
void keep_top_p(float top_p, std::vector<Candidate>& candidates) {
  if (top_p >= 1.0f) return;
  const auto less = [](const Candidate& a, const Candidate& b) { return is_likelier(b, a); };
  const double wanted = top_p * total_weight(candidates);
  std::make_heap(candidates.begin(), candidates.end(), less);
  auto rest_end = candidates.end();
  for (double kept = 0; kept < wanted && rest_end != candidates.begin();) {
    std::pop_heap(candidates.begin(), rest_end, less);
    kept += (--rest_end)->weight;
  }
  candidates.erase(candidates.begin(), rest_end);
}

// The filters leave the candidates in an order of their own; the draw goes by id.
TokenId draw(const SampleSlot& slot, std::span<Candidate> candidates) {
  if (!std::ranges::is_sorted(candidates, {}, &Candidate::id))
    std::ranges::sort(candidates, {}, &Candidate::id);
  const double u = sample_uniform(slot.seed, slot.choice, slot.num_output, /*draw=*/0);
  const double target = u * total_weight(candidates);
  double sum = 0;
  for (const Candidate& candidate : candidates) {
    sum += candidate.weight;
    if (sum > target) return candidate.id;
  }
  return candidates.back().id;
}

TokenId choose(const SampleSlot& slot, std::span<const float> logits, Scratch& scratch) {
  const SampleConstraint constraint = next_constraint(slot);
  if (constraint.forced >= 0) return constraint.forced;
  scratch.x.assign(logits.begin(), logits.end());
  add_biases(slot, scratch.x);
  apply_penalties(slot, scratch.x);
  if (constraint.allowed.size > 0)
    keep_only(constraint.allowed, scratch);
  else
    mask_stop_ids(slot, scratch.x);
  if (slot.temperature < kGreedyTemperature) return argmax(scratch.x);
  collect_candidates(slot, scratch);
  // All masked: nothing to draw from. As greedy, the lowest id.
  if (scratch.candidates.empty()) return argmax(scratch.x);
  keep_top_k(slot.top_k, scratch.candidates);
  keep_top_p(slot.top_p, scratch.candidates);
  return draw(slot, scratch.candidates);
}

// log sum exp, so that x - it is the log-probability.
float log_normalizer(std::span<const float> logits) {
  const float max = *std::ranges::max_element(logits);
  double sum = 0;
  for (const float x : logits) sum += std::exp(x - max);
  return max + static_cast<float>(std::log(sum));
}

void write_id_logprobs(const SampleArgs& args, int row, const SampleSlot& slot,
                       std::span<const float> logits, float normalizer) {
  float* out = args.id_logprobs + int64_t{row} * args.max_logprob_ids;
  for (int i = 0; i < slot.logprob_ids.size; ++i) {
    const TokenId id = slot.logprob_ids.data[i];
    out[i] = has_token(logits, id) ? logits[static_cast<size_t>(id)] - normalizer : kMasked;
  }
}

void write_logprobs(const SampleArgs& args, int row, const SampleSlot& slot,
                    std::span<const float> logits, Scratch& scratch) {
  const float normalizer = log_normalizer(logits);
  args.logprobs[row] = logits[static_cast<size_t>(args.ids[row])] - normalizer;
  write_id_logprobs(args, row, slot, logits, normalizer);
  const int k = std::min(slot.num_logprobs, args.num_valid_tokens);
  if (k == 0) return;
  // A heap of the k likeliest so far, the least likely on top.
  auto& top = scratch.candidates;
  top.clear();
  for (TokenId id = 0; id < args.num_valid_tokens; ++id) {
    const Candidate candidate{.id = id, .weight = logits[static_cast<size_t>(id)]};
    const bool is_full = static_cast<int>(top.size()) == k;
    if (is_full && !is_likelier(candidate, top.front())) continue;
    if (is_full) std::pop_heap(top.begin(), top.end(), is_likelier), top.pop_back();
    top.push_back(candidate);
    std::push_heap(top.begin(), top.end(), is_likelier);
  }
  std::sort_heap(top.begin(), top.end(), is_likelier);
  for (int i = 0; i < k; ++i) {
    const size_t at =
        static_cast<size_t>(row) * static_cast<size_t>(args.max_logprobs) + static_cast<size_t>(i);
    args.top_ids[at] = top[static_cast<size_t>(i)].id;
    args.top_logprobs[at] = top[static_cast<size_t>(i)].weight - normalizer;
  }
}

void sample_row(const SampleArgs& args, int row, Scratch& scratch) {
  const std::span<const float> logits(args.logits + static_cast<int64_t>(row) * args.vocab_size,
                                      static_cast<size_t>(args.num_valid_tokens));
  SampleSlot& slot = args.slots[args.row_slots[row]];
  args.bad_numbers[row] = !all_finite(logits);
  args.ids[row] = args.bad_numbers[row] ? 0 : choose(slot, logits, scratch);
  CHECK(args.ids[row] < args.num_valid_tokens, "id ", args.ids[row], " has no token");
  if (slot.num_logprobs >= 0 && !args.bad_numbers[row])
    write_logprobs(args, row, slot, logits, scratch);
  note_token(slot, args.ids[row]);
}

}  // namespace

void cpu_sample_rows(const SampleArgs& args, int begin, int end) {
  CHECK(args.num_valid_tokens >= 1 && args.num_valid_tokens <= args.vocab_size,
        args.num_valid_tokens, " tokens in a vocabulary of ", args.vocab_size);
  thread_local Scratch scratch;
  for (int row = begin; row < end; ++row) sample_row(args, row, scratch);
}

}  // namespace glint

#include "bench/bench_step.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <set>

namespace glint {
namespace {

constexpr int kRoutings = 8;
// Longer contexts than this holds share pages: far more than any cache, so it takes as long.
constexpr int64_t kMaxCacheBytes = int64_t{4} << 30;

std::vector<int32_t> counted(int size) {
  std::vector<int32_t> values(static_cast<size_t>(size));
  std::iota(values.begin(), values.end(), 0);
  return values;
}

}  // namespace

BenchStep::BenchStep(Backend& backend, const ModelConfig& config, StepSize size)
    : backend_(backend), size_(size) {
  make_sequences(config);
  make_routings(config);
}

template <typename T>
T* BenchStep::upload(const std::vector<T>& values) {
  Buffer& buffer = buffers_.emplace_back(backend_, values.size() * sizeof(T));
  backend_.upload(buffer.data(), values.data(), buffer.size());
  return static_cast<T*>(buffer.data());
}

void BenchStep::make_sequences(const ModelConfig& config) {
  const bool decode = size_.form == StepForm::kDecode;
  const int length = decode ? size_.context : size_.rows, sequences = decode ? size_.rows : 1;
  const int pages = (length + kBenchPageSize - 1) / kBenchPageSize;
  const int64_t page_bytes = int64_t{2} * kBenchPageSize * config.kv_row();
  num_pages_ = static_cast<int>(std::min(int64_t{pages} * sequences, kMaxCacheBytes / page_bytes));

  std::mt19937 random(1);
  const std::vector<int32_t> rows = counted(size_.rows);
  std::vector<int32_t> token_ids, page_begin, page_table = counted(pages * sequences);
  for (int row = 0; row < size_.rows; ++row)
    token_ids.push_back(std::uniform_int_distribution(0, config.vocab_size - 1)(random));
  for (int s = 0; s < sequences; ++s) page_begin.push_back(s * pages);
  std::shuffle(page_table.begin(), page_table.end(), random);
  for (int32_t& page : page_table) page %= num_pages_;

  const std::vector<int32_t> last(rows.size(), length - 1), first(rows.size(), 0);
  all_rows_ = {upload(rows), size_.rows};
  sampled_ids_ = upload(std::vector<int32_t>(rows.size(), -1));
  prompt_ = {.row_begin = 0, .num_rows = size_.rows, .cached_len = 0, .page_begin = 0};
  view_ = {.num_tokens = size_.rows,
           .num_sequences = sequences,
           .token_ids = upload(token_ids),
           .positions = decode ? upload(last) : all_rows_.data,
           .token_sequence = decode ? all_rows_.data : upload(first),
           .page_begin = upload(page_begin),
           .pages = upload(page_table),
           .sequence_slot = all_rows_.data};
  if (!decode) view_.prompts = {&prompt_, 1};
}

// Each row chooses uniformly, as rows of unlike texts do about.
void BenchStep::make_routings(const ModelConfig& config) {
  std::mt19937 random(2);
  const int chosen = config.num_experts_per_tok;
  std::vector<int32_t> experts = counted(config.n_routed_experts);
  double hit = 0;
  for (int i = 0; i < kRoutings; ++i) {
    std::vector<int32_t> ids;
    for (int row = 0; row < size_.rows; ++row) {
      std::shuffle(experts.begin(), experts.end(), random);
      ids.insert(ids.end(), experts.begin(), experts.begin() + chosen);
      for (int e = config.n_routed_experts; e < config.num_experts(); ++e) ids.push_back(e);
    }
    hit += static_cast<double>(std::set<int32_t>(ids.begin(), ids.end()).size());
    routings_.push_back(upload_routing(config, ids));
  }
  size_.experts_hit = hit / kRoutings;
}

Routing BenchStep::upload_routing(const ModelConfig& config, const std::vector<int32_t>& ids) {
  const float weight =
      config.routed_scaling_factor / static_cast<float>(config.num_experts_per_tok);
  std::vector<int32_t> begin(static_cast<size_t>(config.num_experts()) + 1, 0);
  for (const int32_t id : ids) ++begin[static_cast<size_t>(id) + 1];
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  std::vector<int32_t> pairs = counted(static_cast<int>(ids.size()));
  std::ranges::stable_sort(pairs, {}, [&](int32_t i) { return ids[static_cast<size_t>(i)]; });
  return {.num_tokens = size_.rows,
          .n_shared_experts = config.n_shared_experts,
          .experts_per_row = config.experts_per_row(),
          .expert_ids = upload(ids),
          .weights = upload(std::vector<float>(ids.size(), weight)),
          .expert_begin = upload(begin),
          .expert_pairs = upload(pairs)};
}

}  // namespace glint

#include "tests/gpu/row_rule.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/check.h"

namespace glint {
namespace {

constexpr int kPageSize = 64;

// One less, the same and one more of what pages and splits of the attention are multiples of.
std::vector<int> edge_lengths(int max_context) {
  std::vector<int> lengths = {1, 2, max_context};
  for (const int edge : {64, 128, 256, 512, 1024, 2048})
    for (const int length : {edge - 1, edge, edge + 1})
      if (length < max_context) lengths.push_back(length);
  return lengths;
}

// Of the contexts. Beyond the edges, as many short ones as long ones on a logarithmic scale.
std::vector<int> context_lengths(const RowRuleOptions& options) {
  std::mt19937_64 random(options.seed);
  std::vector<int> lengths = edge_lengths(options.max_context);
  std::uniform_real_distribution<double> exponent(0, std::log(options.max_context));
  while (std::ssize(lengths) < options.num_sequences)
    lengths.push_back(static_cast<int>(std::exp(exponent(random))));
  lengths.resize(static_cast<size_t>(options.num_sequences));
  std::ranges::shuffle(lengths, random);
  return lengths;
}

int spare_pages(const RowRuleOptions& options) {
  return pages_for(options.max_context + options.max_prompt_rows, kPageSize);
}

// Row `row` of `logits` against the one row of `expected`.
void compare(const HostLogits& expected, int expected_row, const HostLogits& logits, int row,
             const std::string& name, RowRuleResult& result) {
  const float* a = expected.row(expected_row);
  const float* b = logits.row(row);
  ++result.num_rows;
  if (std::memcmp(a, b, sizeof(float) * static_cast<size_t>(logits.cols)) == 0) return;
  if (result.num_different++ > 0) return;
  int count = 0;
  float largest = 0;
  for (int c = 0; c < logits.cols; ++c) {
    count += a[c] != b[c] ? 1 : 0;
    largest = std::max(largest, std::abs(a[c] - b[c]));
  }
  result.first = cat(name, ": ", count, " of ", logits.cols, " logits differ, by up to ", largest);
}

}  // namespace

ModelOptions row_rule_model_options(const RowRuleOptions& options) {
  int num_pages = spare_pages(options);
  for (const int length : context_lengths(options)) num_pages += pages_for(length, kPageSize);
  // Rows whose keys and values are not expanded take no step of several blocks.
  std::optional<MlaForm> prompt_form;
  if (options.max_block_rows > 0) prompt_form = MlaForm::kExpanded;
  return {.page_size = kPageSize,
          .num_pages = num_pages,
          .max_batch_tokens = options.num_sequences + options.max_prompt_rows,
          .max_block_rows = options.max_block_rows,
          .max_batch_sequences = options.num_sequences + 1,
          .max_logit_rows = options.num_sequences + 1,
          .prompt_form = prompt_form};
}

RowRule::RowRule(TestModel& model, const RowRuleOptions& options)
    : model_(model), options_(options), random_(options.seed) {
  make_contexts();
  for (const Context& context : contexts_) fill(context);
  for (const Context& context : contexts_) alone_.push_back(forward({decode_row(context)}));
}

int64_t RowRule::num_tokens() const {
  return std::accumulate(
      contexts_.begin(), contexts_.end(), int64_t{0},
      [](int64_t sum, const Context& context) { return sum + std::ssize(context.ids); });
}

void RowRule::make_contexts() {
  for (const int length : context_lengths(options_)) {
    contexts_.push_back({random_ids(length), spare_page_});
    spare_page_ += pages_for(length, kPageSize);
  }
}

std::vector<TokenId> RowRule::random_ids(int count) {
  std::uniform_int_distribution<TokenId> id(0, model_.config().vocab_size - 1);
  std::vector<TokenId> ids(static_cast<size_t>(count));
  for (TokenId& one : ids) one = id(random_);
  return ids;
}

void RowRule::fill(const Context& context) {
  for (int begin = 0; begin < context.cached_len(); begin += options_.max_prompt_rows) {
    forward({{.ids = context.ids.data() + begin,
              .count = std::min(options_.max_prompt_rows, context.cached_len() - begin),
              .cached_len = begin,
              .first_page = context.first_page,
              .form = RowForm::kPrompt,
              .num_logit_rows = 1}});
  }
}

SequenceRows RowRule::decode_row(const Context& context) const {
  return {.ids = &context.ids.back(),
          .count = 1,
          .cached_len = context.cached_len(),
          .first_page = context.first_page,
          .form = RowForm::kDecode,
          .num_logit_rows = 1};
}

HostLogits RowRule::forward(const std::vector<SequenceRows>& rows) {
  Batch batch;
  for (const SequenceRows& sequence : rows) append(batch, sequence, kPageSize);
  return model_.forward(batch);
}

RowRuleResult RowRule::together(int num_rows, int prompt_rows, int turn) {
  CHECK(num_rows <= num_sequences() && prompt_rows <= options_.max_prompt_rows, num_rows, " rows");
  std::vector<int> chosen;
  std::vector<SequenceRows> rows;
  for (int i = 0; i < num_rows; ++i) {
    chosen.push_back((turn * 37 + i) % num_sequences());
    rows.push_back(decode_row(contexts_[static_cast<size_t>(chosen.back())]));
  }
  const std::vector<TokenId> prompt = random_ids(prompt_rows);
  if (prompt_rows > 0) {
    rows.push_back({.ids = prompt.data(),
                    .count = prompt_rows,
                    .first_page = spare_page_,
                    .form = RowForm::kPrompt,
                    .num_logit_rows = 1});
  }
  const HostLogits logits = forward(rows);
  RowRuleResult result;
  for (int i = 0; i < num_rows; ++i) {
    const auto index = static_cast<size_t>(chosen[static_cast<size_t>(i)]);
    const std::string name = cat("a context of ", contexts_[index].ids.size(), " tokens");
    compare(alone_[index], 0, logits, i, name, result);
  }
  return result;
}

RowRuleResult RowRule::recomputed(int count) {
  const std::vector<TokenId> ids = random_ids(options_.max_context);
  const int begin = options_.max_context - count;
  Context context{{ids.begin(), ids.begin() + begin + 1}, spare_page_};
  fill(context);
  std::vector<HostLogits> one_by_one;
  for (int i = 0; i < count; ++i) {
    one_by_one.push_back(forward({{.ids = ids.data() + begin + i,
                                   .count = 1,
                                   .cached_len = begin + i,
                                   .first_page = spare_page_,
                                   .num_logit_rows = 1}}));
  }
  const HostLogits chunk = forward({{.ids = ids.data() + begin,
                                     .count = count,
                                     .cached_len = begin,
                                     .first_page = spare_page_,
                                     .num_logit_rows = count}});
  RowRuleResult result;
  for (int i = 0; i < count; ++i)
    compare(one_by_one[static_cast<size_t>(i)], 0, chunk, i, cat("row ", i), result);
  return result;
}

HostLogits RowRule::prompt_in_chunks(const std::vector<TokenId>& ids, int chunk) {
  HostLogits last;
  const int length = static_cast<int>(ids.size());
  for (int begin = 0; begin < length; begin += chunk) {
    last = forward({{.ids = ids.data() + begin,
                     .count = std::min(chunk, length - begin),
                     .cached_len = begin,
                     .first_page = spare_page_,
                     .form = RowForm::kPrompt,
                     .num_logit_rows = 1}});
  }
  return last;
}

RowRuleResult RowRule::in_chunks(int length, int chunk) {
  const std::vector<TokenId> ids = random_ids(length);
  const HostLogits whole = prompt_in_chunks(ids, length);
  RowRuleResult result;
  compare(whole, 0, prompt_in_chunks(ids, chunk), 0, cat("a prompt of ", length, " tokens"),
          result);
  return result;
}

}  // namespace glint

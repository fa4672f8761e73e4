#pragma once

// How well a running server's model predicts a text: teacher-forced, by the log-probabilities that
// /generate gives of a prompt (logprob_start_len 0).

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "eval/eval.h"

namespace glint {

struct PerplexityOptions {
  std::string url = "http://127.0.0.1:30000";
  std::string text_path;       // UTF-8
  size_t window_bytes = 4096;  // of text in one request at most
  int parallel = 128;
  EvalProgress on_progress{};
  // Once it is true, the windows that are left are not asked.
  const std::atomic<bool>* stop = nullptr;
};

struct PerplexityReport {
  size_t num_windows = 0;
  long num_tokens = 0;   // that were predicted: all but each window's first
  size_t num_bytes = 0;  // of their text
  double nll = 0;        // the sum of their negative log-probabilities, natural logarithm
  double latency_s = 0;  // of all requests together

  double perplexity() const;     // exp of the mean over tokens
  double bits_per_byte() const;  // comparable between tokenizers
};

// Each window is a request of its own, so its first words have little before them: perplexities
// compare only at equal window_bytes.
Result<PerplexityReport> eval_perplexity(const PerplexityOptions& options);

std::string perplexity_text(const PerplexityReport& report);
std::string perplexity_json(const PerplexityReport& report);

// `text` cut into pieces of at most `max_bytes`, before the last blank or line break that allows
// it, else between characters. Together they are `text`.
std::vector<std::string_view> text_windows(std::string_view text, size_t max_bytes);

}  // namespace glint

#include "eval/perplexity.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "eval/requests.h"

namespace glint {
namespace {

Result<std::string> read_text(const std::string& path) {
  auto text = read_file(path);
  if (!text)
    return Error{ErrorCode::kStartup, cat("cannot read ", path, ": name a file with --text")};
  if (text->empty()) return Error{ErrorCode::kStartup, cat(path, " is empty")};
  if (is_valid_utf8(*text)) return *std::move(text);
  return Error{ErrorCode::kStartup, cat(path, " is no UTF-8: convert it first")};
}

// The end of the window that begins at `begin`: it does not cut a character.
size_t window_end(std::string_view text, size_t begin, size_t max_bytes) {
  if (text.size() - begin <= max_bytes) return text.size();
  const std::string_view longest = text.substr(begin, max_bytes);
  const size_t blank = text.substr(begin, max_bytes + 1).find_last_of(" \n");
  if (blank != std::string_view::npos && blank > 0) return begin + blank;
  return begin + longest.size() - incomplete_utf8_suffix(longest);
}

// [log-probability or null, id, text or null] of each token; null is that of the first alone.
struct WindowScore {
  long tokens = 0;
  double nll = 0;
  size_t first_bytes = 0;  // of the first token's text
};

Result<WindowScore> score_of(const Json& body) {
  const auto refuse = [&](const char* what) {
    return Error{ErrorCode::kInternal,
                 cat("the answer has ", what,
                     " in meta_info.input_token_logprobs: ", to_json_text(body).substr(0, 400))};
  };
  const Json meta = body.is_object() ? body.value("meta_info", Json::object()) : Json::object();
  const Json entries = meta.value("input_token_logprobs", Json::array());
  if (!entries.is_array() || entries.empty()) return refuse("nothing");
  WindowScore score;
  for (size_t i = 0; i < entries.size(); ++i) {
    const Json& entry = entries[i];
    if (!entry.is_array() || entry.size() < 3) return refuse("an entry without three parts");
    if (i == 0) {
      if (entry[2].is_string()) score.first_bytes = entry[2].get_ref<const std::string&>().size();
      continue;
    }
    if (!entry[0].is_number()) return refuse("an entry without a number");
    score.nll -= entry[0].get<double>();
    ++score.tokens;
  }
  return score;
}

Result<WindowScore> score_window(HttpClient& client, const std::string& url,
                                 std::string_view text) {
  const Json body = {{"text", text},
                     {"return_logprob", true},
                     {"logprob_start_len", 0},
                     {"return_text_in_logprobs", true},
                     {"sampling_params", {{"max_new_tokens", 0}, {"temperature", 0}}}};
  return score_of(TRY(ask_generate(client, url, body)).body);
}

template <typename... Args>
std::string line(const char* format, Args... args) {
  char text[200];
  std::snprintf(text, sizeof text, format, args...);
  return text;
}

}  // namespace

std::vector<std::string_view> text_windows(std::string_view text, size_t max_bytes) {
  std::vector<std::string_view> windows;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = window_end(text, begin, max_bytes);
    windows.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return windows;
}

double PerplexityReport::perplexity() const {
  return std::exp(nll / static_cast<double>(std::max(num_tokens, 1L)));
}
double PerplexityReport::bits_per_byte() const {
  return nll / std::log(2.0) / static_cast<double>(std::max<size_t>(num_bytes, 1));
}

Result<PerplexityReport> eval_perplexity(const PerplexityOptions& options) {
  const std::string text = TRY(read_text(options.text_path));
  const auto windows = text_windows(text, options.window_bytes);
  std::vector<std::optional<WindowScore>> scores(windows.size());
  const auto ask = [&](HttpClient& client, size_t i) -> Result<void> {
    scores[i] = TRY(score_window(client, options.url, windows[i]));
    return {};
  };
  const double begin_s = now_s();
  TRY(ask_in_parallel(windows.size(), {options.parallel, options.on_progress, options.stop}, ask));
  const auto num_scored =
      std::ranges::count_if(scores, [](const auto& s) { return s.has_value(); });
  if (static_cast<size_t>(num_scored) < windows.size())
    return Error{ErrorCode::kCancelled,
                 cat("interrupted: ", num_scored, " of ", windows.size(),
                     " windows have been scored; the perplexity is that of all."),
                 {}};
  PerplexityReport report{.num_windows = windows.size(), .latency_s = now_s() - begin_s};
  for (size_t i = 0; i < windows.size(); ++i) {
    report.num_tokens += scores[i]->tokens;
    report.nll += scores[i]->nll;
    report.num_bytes += windows[i].size() - std::min(windows[i].size(), scores[i]->first_bytes);
  }
  return report;
}

std::string perplexity_text(const PerplexityReport& report) {
  return line("Perplexity: %.4f\n", report.perplexity()) +
         line("Bits per byte: %.4f\n", report.bits_per_byte()) +
         line("Tokens: %ld in %zu windows\n", report.num_tokens, report.num_windows) +
         line("Latency: %.3f s\n", report.latency_s);
}

std::string perplexity_json(const PerplexityReport& report) {
  return to_json_text(Json{{"task", "perplexity"},
                           {"perplexity", report.perplexity()},
                           {"bits_per_byte", report.bits_per_byte()},
                           {"nll", report.nll},
                           {"tokens", report.num_tokens},
                           {"bytes", report.num_bytes},
                           {"windows", report.num_windows},
                           {"latency_s", report.latency_s}});
}

}  // namespace glint

#pragma once

// What the client saw of one request.

#include <string>
#include <vector>

namespace glint {

// At `time_s` the answer had `num_tokens` tokens.
struct TokenTime {
  double time_s = 0;
  int num_tokens = 0;
};

struct RequestRecord {
  int prompt_len = 0;  // tokens asked for; text may be tokenized to a few more or less
  int asked_len = 0;   // tokens that the answer was to have
  double start_s = 0;  // before the connection was opened
  double end_s = 0;    // of the answer's last event
  std::vector<TokenTime> token_times{};  // in order, num_tokens growing
  int output_len = 0;
  int server_prompt_len = 0;  // tokens of the prompt as the server counts them; 0: not said
  int cached_tokens = 0;      // of those, as the server says
  double accept_length = 0;   // tokens of a speculative step, as the server says; 0: not said
  std::string text{};         // of the whole answer
  std::string error{};        // empty: the answer came, whole

  bool ok() const { return error.empty(); }
  double latency_s() const { return end_s - start_s; }
  double ttft_s() const { return token_times.empty() ? 0 : token_times[0].time_s - start_s; }
  // Seconds a token after the first; 0 for answers of one token.
  double tpot_s() const { return output_len > 1 ? (latency_s() - ttft_s()) / (output_len - 1) : 0; }
};

// Seconds from each token to the next. Tokens that came in one event share the gap before it.
std::vector<double> inter_token_latencies_s(const RequestRecord& record);

}  // namespace glint

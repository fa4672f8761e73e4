#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bench/serving/serving_bench.h"

namespace glint {

// The table that SGLang's bench_serving prints, letter for letter (0.5.7; --cache-report: newer).
std::string serving_table(const ServingReport& report);
// What it does not say, a line each: the client's own cost, cached tokens, a glint server's steps,
// where prompts came from, what failed.
std::string serving_footer(const ServingReport& report);

// Of one run's requests or several runs'.
struct FailedRequests {
  size_t count = 0, sent = 0;
  std::string first_error{};

  void add(const std::vector<RequestRecord>& records);
  std::string share_text() const;  // "2 of 10 requests"
  std::string sentence() const;    // "2 of 10 requests failed; the first: status 503: full"
};

// A bar for each second's tokens, or for several seconds' mean where there are more than 50.
std::string throughput_bars(const ServingMetrics& metrics);

// SGLang's result object; `with_details` adds a value for each request. Its text, by
// to_python_json(), may hold Infinity as Python's does.
Json serving_result(const ServingReport& report, bool with_details);
// The file that SGLang would append it to: sglang_1124_10_1000_1000.jsonl.
// Of all cells of a matrix: sglang_1124_page.jsonl.
std::string default_result_file(const ServingOptions& options, std::string_view matrix = "");

}  // namespace glint

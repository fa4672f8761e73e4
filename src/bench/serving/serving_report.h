#pragma once

#include <string>
#include <string_view>

#include "bench/serving/serving_bench.h"

namespace glint {

// The table that SGLang's bench_serving prints, letter for letter (0.5.7; --cache-report: newer).
std::string serving_table(const ServingReport& report);
// What it does not say, a line each: the client's own cost, cached tokens, a glint server's steps,
// where prompts came from, what failed.
std::string serving_footer(const ServingReport& report);

// A bar for each second's tokens, or for several seconds' mean where there are more than 50.
std::string throughput_bars(const ServingMetrics& metrics);

// SGLang's result object; `with_details` adds a value for each request. Its text, by
// to_python_json(), may hold Infinity as Python's does.
Json serving_result(const ServingReport& report, bool with_details);
// The file that SGLang would append it to: sglang_1124_10_1000_1000.jsonl.
// Of all cells of a matrix: sglang_1124_page.jsonl.
std::string default_result_file(const ServingOptions& options, std::string_view matrix = "");

}  // namespace glint

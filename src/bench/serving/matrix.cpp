#include "bench/serving/matrix.h"

#include <algorithm>

namespace glint {
namespace {

constexpr MatrixCell kPageCells[] = {
    {"chat_c1", 1000, 1000, 10, 1},
    {"chat_c16", 1000, 1000, 80, 16},
    {"chat_c100", 1000, 1000, 500, 100},
    {"reasoning_c1", 1000, 8000, 10, 1},
    {"reasoning_c16", 1000, 8000, 80, 16},
    {"reasoning_c64", 1000, 8000, 320, 64},
    {"summarization_c1", 8000, 1000, 10, 1},
    {"summarization_c16", 8000, 1000, 80, 16},
    {"summarization_c64", 8000, 1000, 320, 64},
};

constexpr MatrixCell kPeerCells[] = {
    {"chat1", 1000, 1000, 4, 1, false, 1},       {"chat16", 1000, 1000, 48, 16, false, 2},
    {"chat100", 1000, 1000, 300, 100, false, 3}, {"fix1", 512, 256, 2, 1, true, 4},
    {"fix16", 512, 256, 16, 16, true, 5},        {"fix64", 512, 256, 64, 64, true, 6},
    {"fix100", 512, 256, 100, 100, true, 7},     {"ttft1k", 1024, 2, 6, 1, true, 8},
    {"ttft8k", 8192, 2, 6, 1, true, 9},          {"ttft32k", 32768, 2, 3, 1, true, 10},
    {"summ1", 8000, 1000, 3, 1, false, 11},      {"summ16", 8000, 1000, 32, 16, false, 12},
    {"summ64", 8000, 1000, 96, 64, false, 13},   {"reason1", 1000, 8000, 1, 1, false, 14},
    {"reason16", 1000, 8000, 16, 16, false, 15}, {"reason64", 1000, 8000, 64, 64, false, 16},
};

constexpr int kWarmupLengths[] = {1,    2,    4,    8,    16,   24,   32,   48,   64,   96,  128,
                                  256,  512,  1024, 1536, 2048, 3072, 4096, 8192, 9000, 3,   5,
                                  13,   17,   33,   65,   100,  129,  201,  302,  513,  701, 1001,
                                  1501, 2049, 3001, 4097, 5003, 6001, 7001, 8001, 8191, 9001};
constexpr int kWarmupBursts[] = {4, 16, 64, 100};

// The page rounds its requests a second to two digits.
ResultSummary published(ResultSummary summary) {
  summary.request_throughput = static_cast<double>(summary.completed) / summary.duration_s;
  return summary;
}

std::vector<TokenId> random_prompt(NumpyRandom& random, int64_t length, int vocab_size) {
  std::vector<TokenId> ids;
  for (const int64_t id : random.randint(0, vocab_size, static_cast<size_t>(length)))
    ids.push_back(static_cast<TokenId>(id));
  return ids;
}

BenchRequest random_request(NumpyRandom& random, int64_t input_len, int64_t output_len,
                            int vocab_size) {
  BenchRequest request;
  request.ids = random_prompt(random, input_len, vocab_size);
  request.prompt_len = static_cast<int>(input_len);
  request.output_len = static_cast<int>(output_len);
  return request;
}

std::vector<int64_t> cell_lengths(const MatrixCell& cell, int longest, NumpyRandom& random) {
  const auto count = static_cast<size_t>(cell.num_prompts);
  if (cell.is_fixed) return std::vector<int64_t>(count, longest);
  return random_lengths(longest, /*range_ratio=*/0, count, random);
}

}  // namespace

std::span<const MatrixCell> page_cells() { return kPageCells; }
std::span<const MatrixCell> peer_cells() { return kPeerCells; }

const ResultSide& page_figures() {
  static const ResultSide figures{
      "B200, SGLang 0.5.7",
      {
          published({.name = "chat_c1",
                     .completed = 10,
                     .total_input = 6101,
                     .total_output = 4220,
                     .duration_s = 38.94,
                     .output_throughput = 108.37,
                     .total_throughput = 265.03,
                     .max_output_tokens_per_s = 125,
                     .concurrency = 1,
                     .e2e = {.mean = 3891.12, .median = 3061.48, .p90 = 7172.25, .p99 = 9042.62},
                     .ttft = {.mean = 131.36, .median = 94.55, .p99 = 435.93},
                     .tpot = {.mean = 8.75, .median = 8.82, .p99 = 9.39},
                     .itl = {.mean = 8.93, .median = 8.98, .p95 = 9.83, .p99 = 10.2, .max = 18.5}}),
          published(
              {.name = "chat_c16",
               .completed = 80,
               .total_input = 39668,
               .total_output = 40805,
               .duration_s = 52.73,
               .output_throughput = 773.83,
               .total_throughput = 1526.1,
               .max_output_tokens_per_s = 1040,
               .concurrency = 13.98,
               .e2e = {.mean = 9217.9, .median = 9642.5, .p90 = 15147.02, .p99 = 18237.06},
               .ttft = {.mean = 299.02, .median = 105.98, .p99 = 1109.29},
               .tpot = {.mean = 18.03, .median = 18, .p99 = 26.51},
               .itl = {.mean = 17.52, .median = 16.07, .p95 = 18.14, .p99 = 89.43, .max = 763.13}}),
          published(
              {.name = "chat_c100",
               .completed = 500,
               .total_input = 249831,
               .total_output = 252662,
               .duration_s = 91.48,
               .output_throughput = 2761.82,
               .total_throughput = 5492.69,
               .max_output_tokens_per_s = 4199,
               .concurrency = 90.54,
               .e2e = {.mean = 16566.04, .median = 16134.36, .p90 = 30167.6, .p99 = 34034.04},
               .ttft = {.mean = 433.94, .median = 123.26, .p99 = 1760.09},
               .tpot = {.mean = 32.26, .median = 33.56, .p99 = 38.78},
               .itl =
                   {.mean = 31.99, .median = 24.06, .p95 = 79.62, .p99 = 103.03, .max = 1369.2}}),
          published(
              {.name = "reasoning_c1",
               .completed = 10,
               .total_input = 6101,
               .total_output = 44462,
               .duration_s = 525.43,
               .output_throughput = 84.62,
               .total_throughput = 96.23,
               .max_output_tokens_per_s = 125,
               .concurrency = 1,
               .e2e = {.mean = 52540.19, .median = 53694.45, .p90 = 94742.08, .p99 = 101224.18},
               .ttft = {.mean = 97.45, .median = 95.28, .p99 = 105.64},
               .tpot = {.mean = 10.94, .median = 11.25, .p99 = 13.09},
               .itl = {.mean = 11.8, .median = 11.51, .p95 = 15.83, .p99 = 16.86, .max = 19.96}}),
          published(
              {.name = "reasoning_c16",
               .completed = 80,
               .total_input = 39668,
               .total_output = 318306,
               .duration_s = 473.92,
               .output_throughput = 671.65,
               .total_throughput = 755.35,
               .max_output_tokens_per_s = 1040,
               .concurrency = 13.8,
               .e2e = {.mean = 81746.73, .median = 78508.54, .p90 = 155292.49, .p99 = 166769.99},
               .ttft = {.mean = 117.5, .median = 101.97, .p99 = 182.88},
               .tpot = {.mean = 20.36, .median = 20.48, .p99 = 22.63},
               .itl = {.mean = 20.52, .median = 20.42, .p95 = 23.41, .p99 = 26.29, .max = 90.48}}),
          published(
              {.name = "reasoning_c64",
               .completed = 320,
               .total_input = 158939,
               .total_output = 1301025,
               .duration_s = 714.72,
               .output_throughput = 1820.33,
               .total_throughput = 2042.71,
               .max_output_tokens_per_s = 3200,
               .concurrency = 55.68,
               .e2e = {.mean = 124364.58, .median = 129250.98, .p90 = 219175.8, .p99 = 247741.77},
               .ttft = {.mean = 149.4, .median = 114.78, .p99 = 288.6},
               .tpot = {.mean = 30.51, .median = 31.75, .p99 = 33.32},
               .itl = {.mean = 30.56, .median = 30.82, .p95 = 33.2, .p99 = 80.54, .max = 117.72}}),
          published(
              {.name = "summarization_c1",
               .completed = 10,
               .total_input = 41941,
               .total_output = 4220,
               .duration_s = 58.27,
               .output_throughput = 72.42,
               .total_throughput = 792.15,
               .max_output_tokens_per_s = 112,
               .concurrency = 1,
               .e2e = {.mean = 5825.08, .median = 4624.26, .p90 = 12690.22, .p99 = 13177.96},
               .ttft = {.mean = 296.01, .median = 195.59, .p99 = 717.88},
               .tpot = {.mean = 12.63, .median = 13.07, .p99 = 16.68},
               .itl = {.mean = 13.13, .median = 13.17, .p95 = 17.02, .p99 = 17.47, .max = 19.84}}),
          published(
              {.name = "summarization_c16",
               .completed = 80,
               .total_input = 300020,
               .total_output = 41669,
               .duration_s = 89.59,
               .output_throughput = 465.1,
               .total_throughput = 3813.87,
               .max_output_tokens_per_s = 752,
               .concurrency = 14.39,
               .e2e = {.mean = 16120.74, .median = 16246.55, .p90 = 27279.72, .p99 = 34577.93},
               .ttft = {.mean = 1943.94, .median = 382.19, .p99 = 8980.41},
               .tpot = {.mean = 27.87, .median = 28.26, .p99 = 40.55},
               .itl =
                   {.mean = 27.27, .median = 21.74, .p95 = 23.32, .p99 = 232.65, .max = 4282.01}}),
          published(
              {.name = "summarization_c64",
               .completed = 320,
               .total_input = 1273893,
               .total_output = 170000,
               .duration_s = 167.01,
               .output_throughput = 1017.93,
               .total_throughput = 8645.75,
               .max_output_tokens_per_s = 1984,
               .concurrency = 59.68,
               .e2e = {.mean = 31147.52, .median = 30603.34, .p90 = 54889.44, .p99 = 67665.3},
               .ttft = {.mean = 428.87, .median = 441.69, .p99 = 1232.68},
               .tpot = {.mean = 58.06, .median = 62.79, .p99 = 82.23},
               .itl =
                   {.mean = 57.93, .median = 33.3, .p95 = 247.98, .p99 = 409.63, .max = 1421.21}}),
      }};
  return figures;
}

ResultSide page_results(const ResultSide& side) {
  ResultSide chosen{side.name, {}};
  for (const MatrixCell& cell : kPageCells) {
    const std::string untagged =
        cat("random ", cell.input_len, "/", cell.output_len, " c", cell.max_concurrency);
    const auto found =
        std::find_if(side.results.rbegin(), side.results.rend(), [&](const ResultSummary& result) {
          return result.name == cell.name || result.name == untagged;
        });
    if (found == side.results.rend()) continue;
    chosen.results.push_back(*found);
    chosen.results.back().name = cell.name;
  }
  return chosen;
}

BenchDataset peer_dataset(const MatrixCell& cell, uint32_t seed_add, int vocab_size) {
  NumpyRandom random(cell.seed + 1000 * seed_add);
  const auto input_lens = cell_lengths(cell, cell.input_len, random);
  const auto output_lens = cell_lengths(cell, cell.output_len, random);
  BenchDataset dataset;
  for (size_t i = 0; i < input_lens.size(); ++i)
    dataset.requests.push_back(random_request(random, input_lens[i], output_lens[i], vocab_size));
  return dataset;
}

std::vector<BenchDataset> peer_warmups(uint32_t seed_add, int vocab_size) {
  NumpyRandom random(900 + seed_add);
  std::vector<BenchDataset> warmups;
  for (const int length : kWarmupLengths) {
    warmups.emplace_back().requests.push_back(
        random_request(random, length, /*output_len=*/4, vocab_size));
  }
  for (const int count : kWarmupBursts) {
    BenchDataset& burst = warmups.emplace_back();
    for (int i = 0; i < count; ++i)
      burst.requests.push_back(random_request(random, 16, /*output_len=*/16, vocab_size));
  }
  return warmups;
}

ServingOptions with_cell(ServingOptions options, const MatrixCell& cell) {
  options.dataset.name = "random";
  options.dataset.num_prompts = cell.num_prompts;
  options.dataset.random_input_len = cell.input_len;
  options.dataset.random_output_len = cell.output_len;
  options.dataset.random_range_ratio = cell.is_fixed ? 1 : 0;
  options.max_concurrency = cell.max_concurrency;
  options.tag = cell.name;
  return options;
}

}  // namespace glint

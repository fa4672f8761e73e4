#pragma once

// Sets of loads that others have published figures for.

#include <span>
#include <string>
#include <vector>

#include "bench/serving/result_summary.h"
#include "bench/serving/serving_bench.h"

namespace glint {

struct MatrixCell {
  const char* name;
  int input_len, output_len;  // the longest, lengths being uniform from 1; or of all, if fixed
  int num_prompts, max_concurrency;
  bool is_fixed = false;
  uint32_t seed = 1;
};

// The nine of SGLang's page for GLM-4.7-Flash, in its order.
std::span<const MatrixCell> page_cells();
// What the page publishes: SGLang 0.5.7 on one B200, BF16, TP 1, without speculation (sgl-cookbook,
// docs/autoregressive/GLM/GLM-4.7-Flash.md).
const ResultSide& page_figures();

// The page's cells that `side` has, in its order and by its names; of several results of a cell the
// last. SGLang's own results have no name, and are known by lengths and concurrency.
ResultSide page_results(const ResultSide& side);

// Cells in which other engines were measured side by side, with random ids and no tokenizer. Each
// has a seed of its own, so that none finds another's prompts in the prefix cache.
std::span<const MatrixCell> peer_cells();
// A peer cell's requests: numpy's stream of cell.seed + 1000 * seed_add gives the lengths and then
// each prompt's ids, below vocab_size.
BenchDataset peer_dataset(const MatrixCell& cell, uint32_t seed_add, int vocab_size);
// Before them: prompts of many lengths one after the other, so that no cell meets one for the first
// time; then short requests, many at once.
std::vector<BenchDataset> peer_warmups(uint32_t seed_add, int vocab_size);

// The cell's load in place of what `options` say.
ServingOptions with_cell(ServingOptions options, const MatrixCell& cell);

}  // namespace glint

#include "bench/serving/matrix.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace glint {
namespace {

TEST(MatrixTest, EachCellOfThePageHasItsFigures) {
  ASSERT_EQ(page_cells().size(), 9u);
  for (size_t i = 0; i < 9; ++i) {
    const MatrixCell& cell = page_cells()[i];
    const ResultSummary& published = page_figures().results[i];
    EXPECT_EQ(published.name, cell.name);
    EXPECT_EQ(published.completed, cell.num_prompts);
    EXPECT_NEAR(published.output_throughput * published.duration_s,
                static_cast<double>(published.total_output),
                published.output_throughput * 0.01);  // seconds are published to 0.01
    EXPECT_LE(published.concurrency, cell.max_concurrency);
  }
}

TEST(MatrixTest, TheCellsOfThePageAreFoundInAFile) {
  ResultSide side{.name = "a.jsonl", .results = {}};
  for (const char* name : {"chat_c100", "c7", "chat_c16", "random 8000/1000 c1"})
    side.results.push_back({.name = name});
  side.results.push_back({.name = "chat_c16", .completed = 80});
  const ResultSide cells = page_results(side);
  EXPECT_EQ(cells.name, "a.jsonl");
  ASSERT_EQ(cells.results.size(), 3u);
  EXPECT_EQ(cells.results[0].name, "chat_c16");
  EXPECT_EQ(cells.results[0].completed, 80);  // the last one
  EXPECT_EQ(cells.results[1].name, "chat_c100");
  EXPECT_EQ(cells.results[2].name, "summarization_c1");
}

// The page's lengths are what its totals add up to.
TEST(MatrixTest, EachCellOfThePageSendsThePublishedTokens) {
  for (size_t i = 0; i < 9; ++i) {
    const ServingOptions options = with_cell({}, page_cells()[i]);
    NumpyRandom random(options.dataset.seed);
    const auto dataset = make_dataset(options.dataset, {nullptr, 1000}, random);
    ASSERT_TRUE(dataset);
    int64_t input = 0, output = 0;
    for (const BenchRequest& request : dataset->requests) {
      input += request.prompt_len;
      output += request.output_len;
    }
    EXPECT_EQ(input, page_figures().results[i].total_input);
    EXPECT_EQ(output, page_figures().results[i].total_output);
  }
}

const MatrixCell& peer_cell(std::string_view name) {
  for (const MatrixCell& cell : peer_cells())
    if (cell.name == name) return cell;
  ADD_FAILURE() << name;
  return peer_cells()[0];
}

// Recorded from numpy by tools/record_bench_streams.py.
TEST(MatrixTest, APeerCellIsOneStreamOfNumpys) {
  std::ifstream file(GLINT_SOURCE_DIR "/tests/data/bench/streams.json");
  const Json wanted =
      (*parse_json(std::string((std::istreambuf_iterator<char>(file)), {})))["peer_chat16_add_5"];
  const BenchDataset dataset = peer_dataset(peer_cell("chat16"), /*seed_add=*/5, 150'000);
  ASSERT_EQ(dataset.requests.size(), wanted["input_lens"].size());
  for (size_t i = 0; i < dataset.requests.size(); ++i) {
    const BenchRequest& request = dataset.requests[i];
    EXPECT_EQ(request.prompt_len, wanted["input_lens"][i]);
    EXPECT_EQ(request.output_len, wanted["output_lens"][i]);
    EXPECT_EQ(request.ids.front(), wanted["first_ids"][i]);
    EXPECT_EQ(request.ids.back(), wanted["last_ids"][i]);
  }
}

TEST(MatrixTest, AFixedPeerCellDrawsNoLengths) {
  const BenchDataset dataset = peer_dataset(peer_cell("fix16"), 0, 100);
  ASSERT_EQ(dataset.requests.size(), 16u);
  for (const BenchRequest& request : dataset.requests) {
    EXPECT_EQ(request.ids.size(), 512u);
    EXPECT_EQ(request.output_len, 256);
  }
}

TEST(MatrixTest, PeerWarmupsEndWithBursts) {
  const auto warmups = peer_warmups(0, 100);
  EXPECT_EQ(warmups.front().requests[0].prompt_len, 1);
  EXPECT_EQ(warmups.back().requests.size(), 100u);
}

}  // namespace
}  // namespace glint

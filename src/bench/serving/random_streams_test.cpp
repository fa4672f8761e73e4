#include "bench/serving/random_streams.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/json.h"

namespace glint {
namespace {

// Made with numpy and Python by tools/record_bench_streams.py.
Json recorded() {
  std::ifstream file(GLINT_SOURCE_DIR "/tests/data/bench/streams.json");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  return *parse_json(text);
}

void expect_lengths(const Json& stream) {
  NumpyRandom random(stream["seed"].get<uint32_t>());
  const auto count = stream["count"].get<size_t>();
  for (const auto& [longest, drawn] :
       {std::pair("input_len", "input_lens"), std::pair("output_len", "output_lens")}) {
    const auto high = stream[longest].get<int64_t>();
    const double low = std::max(static_cast<double>(high) * stream["ratio"].get<double>(), 1.0);
    EXPECT_EQ(random.randint(static_cast<int64_t>(low), high + 1, count),
              stream[drawn].get<std::vector<int64_t>>())
        << high << ", " << count;
  }
}

TEST(RandomStreamsTest, TheLengthsOfAllNineCellsOfThePageAreNumpys) {
  const Json streams = recorded();
  ASSERT_EQ(streams["page"].size(), 9u);
  for (const Json& stream : streams["page"]) expect_lengths(stream);
  expect_lengths(streams["with_ratio"]);
}

// The page publishes totals; so the lengths are those of the published runs.
TEST(RandomStreamsTest, TheLengthsAddUpToThePublishedTotals) {
  constexpr int64_t kTotals[][2] = {{6101, 4220},  {39668, 40805},  {249831, 252662},
                                    {6101, 44462}, {39668, 318306}, {158939, 1301025},
                                    {41941, 4220}, {300020, 41669}, {1273893, 170000}};
  const Json streams = recorded();
  for (size_t i = 0; i < 9; ++i) {
    const auto sum = [&](const char* key) {
      const auto values = streams["page"][i][key].get<std::vector<int64_t>>();
      return std::accumulate(values.begin(), values.end(), int64_t{0});
    };
    EXPECT_EQ(sum("input_lens"), kTotals[i][0]);
    EXPECT_EQ(sum("output_lens"), kTotals[i][1]);
  }
}

TEST(RandomStreamsTest, UniformsExponentialsAndOffsetsAreNumpys) {
  const Json wanted = recorded()["seed_42"];
  NumpyRandom random(42);
  for (const Json& value : wanted["uniform"]) EXPECT_EQ(random.uniform(), value.get<double>());
  for (const Json& value : wanted["exponential"])
    EXPECT_DOUBLE_EQ(random.exponential(0.25), value.get<double>());  // libm's log may differ
  EXPECT_EQ(random.randint(0, 151552, 8), wanted["offsets"].get<std::vector<int64_t>>());
}

TEST(RandomStreamsTest, ShufflesAsPythonDoes) {
  const Json wanted = recorded()["seed_42"];
  PythonRandom random(42);
  for (const Json& value : wanted["random"]) EXPECT_EQ(random.random(), value.get<double>());
  std::vector<int> order(50);
  std::iota(order.begin(), order.end(), 0);
  random.shuffle(order);
  EXPECT_EQ(order, wanted["shuffled"].get<std::vector<int>>());
}

TEST(RandomStreamsTest, ARangeOfOneDrawsNothing) {
  NumpyRandom one(3), other(3);
  EXPECT_EQ(one.randint(5, 6), 5);
  EXPECT_EQ(one.randint(0, 1000), other.randint(0, 1000));
}

}  // namespace
}  // namespace glint

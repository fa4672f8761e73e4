// Two steps in flight: what the first samples is the second's input, on a backend that has done
// neither when both are enqueued, and whose memory the host cannot read.

#include "engine/local_model_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/support/late_backend.h"
#include "tests/support/tiny_checkpoint.h"

namespace glint {
namespace {

constexpr int kSteps = 24;

ModelOptions options() {
  ModelOptions options;
  options.compute = NumberType::kF32;
  options.page_size = 16;
  options.num_pages = 16;
  options.max_batch_tokens = 40;
  options.max_batch_sequences = 3;
  options.max_logit_rows = 3;
  return options;
}

std::unique_ptr<LocalModelRunner> make_runner(Backend& backend) {
  auto model = Model::load_dummy(backend, tiny_config(), options(), /*seed=*/3);
  CHECK(model.has_value(), model.error().message);
  return std::make_unique<LocalModelRunner>(backend, *std::move(model), tiny_num_tokens());
}

// Starts at step `start` in `slot`, with a prompt of `prompt_len` ids; four pages of its own.
struct TestRequest {
  int slot = 0;
  int start = 0;
  int end = kSteps;
  int prompt_len = 0;
  SamplingParams params;
  std::vector<Trigger> triggers;
};

// The last two take over the slots of the first two while their last step is in flight.
std::vector<TestRequest> requests() {
  return {{0, 0, 10, 5, {.temperature = 0.8f, .repetition_penalty = 1.3f, .seed = 1}, {}},
          {1, 1, 15, 17, {.seed = 2, .num_logprobs = 3}, {{.after_tokens = 4, .forced_ids = {7}}}},
          {2, 0, kSteps, 1, {.seed = 3, .num_logprobs = 0, .logprob_ids = {7, 5, 7}}, {}},
          {0, 10, kSteps, 9, {.frequency_penalty = 1, .seed = 4}, {}},
          {1,
           15,
           kSteps,
           2,
           {.temperature = 0, .logit_bias = {{9, 3.0f}}, .num_logprobs = 1, .logprob_ids = {9}},
           {}}};
}

// Step `step` of all requests; known(request, i) is the id of its output token i, or
// kSampledLastStep.
StepInput make_step(int step, const std::function<TokenId(int, int)>& known) {
  StepInput input;
  const std::vector<TestRequest> all = requests();
  for (int r = 0; r < static_cast<int>(all.size()); ++r) {
    const TestRequest& request = all[static_cast<size_t>(r)];
    if (step < request.start || step >= request.end) continue;
    Batch& batch = input.batch;
    const int num_output = step - request.start;
    BatchSequence sequence;
    sequence.slot = request.slot;
    sequence.token_begin = static_cast<int>(batch.token_ids.size());
    sequence.page_begin = static_cast<int>(batch.pages.size());
    sequence.num_pages = 3;
    sequence.num_logit_rows = 1;
    for (int i = 0; i < 3; ++i) batch.pages.push_back(3 * r + i);
    if (num_output == 0) {
      sequence.extend_len = request.prompt_len;
      for (int i = 0; i < request.prompt_len; ++i) batch.token_ids.push_back((7 * r + i) % 200);
      input.new_slots.push_back(
          {request.slot, request.params, request.triggers, request.prompt_len, {}});
    } else {
      sequence.extend_len = 1;
      sequence.cached_len = request.prompt_len + num_output - 1;
      batch.token_ids.push_back(known(r, num_output - 1));
    }
    batch.sequences.push_back(sequence);
  }
  return input;
}

struct Row {
  TokenId id = 0;
  std::optional<float> logprob;
  std::vector<std::pair<TokenId, float>> top;
  std::vector<float> of_ids;
  bool operator==(const Row&) const = default;
};

Row row_of(const OutputToken& token) {
  if (!token.logprobs) return {.id = token.id, .logprob = {}, .top = {}, .of_ids = {}};
  const TokenLogprobs& logprobs = *token.logprobs;
  return {token.id, logprobs.chosen, logprobs.top, logprobs.of_ids};
}

// Appends a step's tokens to their requests' answers.
void append(const StepOutput& output, int step, std::vector<std::vector<Row>>& answers) {
  const std::vector<TestRequest> all = requests();
  size_t at = 0;
  for (size_t r = 0; r < all.size(); ++r) {
    if (step < all[r].start || step >= all[r].end) continue;
    const OutputToken& token = output.sampled.at(at++).tokens.at(0);
    answers[r].push_back(row_of(token));
  }
  ASSERT_EQ(at, output.sampled.size());
}

// One step after the other, ids handed in by the host, on the plain CPU backend.
std::vector<std::vector<Row>> step_by_step() {
  const auto backend = make_cpu_backend(2);
  const auto runner = make_runner(*backend);
  std::vector<std::vector<Row>> answers(requests().size());
  const auto known = [&](int r, int i) {
    return answers[static_cast<size_t>(r)].at(static_cast<size_t>(i)).id;
  };
  for (int step = 0; step < kSteps; ++step)
    append(runner->collect(runner->submit(make_step(step, known))), step, answers);
  return answers;
}

TEST(LocalModelRunnerTest, TwoStepsInFlightFeedEachOther) {
  const std::vector<std::vector<Row>> expected = step_by_step();
  LateBackend backend;
  const auto runner = make_runner(backend);
  std::vector<std::vector<Row>> answers(expected.size());
  const auto sampled = [](int, int) { return kSampledLastStep; };
  std::vector<Ticket> tickets = {runner->submit(make_step(0, sampled))};
  for (int step = 1; step < kSteps; ++step) {
    tickets.push_back(runner->submit(make_step(step, sampled)));
    backend.wait_for_samples(step + 1);  // now both are in flight
    append(runner->collect(tickets[static_cast<size_t>(step - 1)]), step - 1, answers);
  }
  append(runner->collect(tickets.back()), kSteps - 1, answers);
  EXPECT_EQ(answers, expected);
  EXPECT_EQ(expected[1][4].id, 7) << "its trigger";
  for (const Row& row : answers[2]) {
    ASSERT_EQ(row.of_ids.size(), 3u);
    EXPECT_EQ(row.of_ids[0], row.of_ids[2]);
    EXPECT_TRUE(row.id != 5 || row.of_ids[1] == row.logprob);
  }
  for (const Row& row : answers[4]) {
    ASSERT_EQ(row.of_ids.size(), 1u);
    EXPECT_LE(row.of_ids[0], row.top[0].second);
  }
}

// A third step waits for its place until the first is collected.
TEST(LocalModelRunnerTest, AllStepsMayBeSubmittedAtOnce) {
  LateBackend backend;
  const auto runner = make_runner(backend);
  std::vector<std::vector<Row>> answers(requests().size());
  std::vector<Ticket> tickets;
  for (int step = 0; step < kSteps; ++step)
    tickets.push_back(runner->submit(make_step(step, [](int, int) { return kSampledLastStep; })));
  for (int step = 0; step < kSteps; ++step)
    append(runner->collect(tickets[static_cast<size_t>(step)]), step, answers);
  EXPECT_EQ(answers, step_by_step());
}

// `count` requests of one id each that decode together, and what they answer.
std::vector<std::vector<Row>> decode_together(Backend& backend, int count, int num_steps,
                                              ModelOptions wide = options()) {
  wide.num_pages = wide.max_batch_tokens = wide.max_batch_sequences = wide.max_logit_rows = 40;
  auto model = Model::load_dummy(backend, tiny_config(), wide, /*seed=*/3);
  CHECK(model.has_value(), model.error().message);
  LocalModelRunner runner(backend, *std::move(model), tiny_num_tokens());
  std::vector<std::vector<Row>> answers(static_cast<size_t>(count));
  for (int step = 0; step < num_steps; ++step) {
    StepInput input;
    for (int r = 0; r < count; ++r) {
      if (step == 0) input.new_slots.push_back({r, {.num_logprobs = 2}, {}, 1, {}});
      input.batch.token_ids.push_back(step == 0 ? r : kSampledLastStep);
      input.batch.pages.push_back(r);
      input.batch.sequences.push_back({.slot = r,
                                       .cached_len = step,
                                       .extend_len = 1,
                                       .token_begin = r,
                                       .page_begin = r,
                                       .num_pages = 1,
                                       .num_logit_rows = 1});
    }
    const StepOutput output = runner.collect(runner.submit(std::move(input)));
    for (size_t r = 0; r < answers.size(); ++r) {
      answers[r].push_back(row_of(output.sampled.at(r).tokens.at(0)));
    }
  }
  return answers;
}

// 33 rows run in the recording of 36: three of no sequence fill it.
TEST(LocalModelRunnerTest, ARecordedStepIsFilledWithRowsOfNoSequence) {
  for (const int count : {1, 16, 17, 33}) {
    SCOPED_TRACE(count);
    LateBackend late;
    const auto plain = make_cpu_backend(2);
    EXPECT_EQ(decode_together(late, count, 5), decode_together(*plain, count, 5));
  }
}

// Whatever is recorded: nothing, some sizes of which some are too large, small ones only, or one
// much larger than the step.
TEST(LocalModelRunnerTest, AnAnswerDoesNotDependOnWhatIsRecorded) {
  std::vector<ModelOptions> all(5, options());
  all[0].recorded_rows.emplace();
  all[1].recorded_rows = {7, 2, 1000, 2};
  all[2].max_recorded_rows = 4;
  all[3].max_recorded_rows = 0;
  all[4].recorded_rows = {36};
  const auto plain = make_cpu_backend(2);
  const auto expected = decode_together(*plain, 5, 5);
  for (const ModelOptions& one : all) {
    LateBackend late;
    EXPECT_EQ(decode_together(late, 5, 5, one), expected);
  }
}

TEST(LocalModelRunnerTest, EndsWithStepsInFlight) {
  LateBackend backend;
  const auto runner = make_runner(backend);
  const auto sampled = [](int, int) { return kSampledLastStep; };
  for (int step = 0; step < 4; ++step) runner->submit(make_step(step, sampled));
  backend.wait_for_samples(2);
}

TEST(LateBackendDeathTest, SidesAreKeptApart) {
  LateBackend backend;
  Buffer theirs(backend, 64);
  std::vector<char> ours(64);
  const HostBuffer pinned = make_host_buffer(backend, 64);
  EXPECT_DEATH(*static_cast<volatile char*>(theirs.data()) = 1, "");
  EXPECT_DEATH(backend.upload_async(theirs.data(), ours.data(), 64), "allocate_host");
  EXPECT_DEATH(backend.upload_async(ours.data(), pinned.get(), 64), "not the backend's memory");
  const Matrix host = contiguous(ours.data(), NumberType::kF32, 1, 4);
  EXPECT_DEATH(backend.linear(host, host, host), "not the backend's memory");
}

}  // namespace
}  // namespace glint

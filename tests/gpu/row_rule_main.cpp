// row_rule FOLDER: whether a decode row has the same bits alone and beside any other rows, on a
// whole model; exits 1 if not. With --load-format dummy a config.json is enough.

#include <CLI/CLI.hpp>
#include <cstdio>

#include "tests/gpu/row_rule.h"

namespace glint {
namespace {

// Where the tiles of the backends' kernels change, and between.
constexpr int kCounts[] = {1, 2, 3, 8, 9, 16, 17, 32, 33, 64, 65, 100, 128, 192, 256};
constexpr int kMixedCounts[] = {1, 8, 33, 100, 256};
constexpr int kPromptRows[] = {1, 17, 64, 300, 2048};
constexpr int kChunks[] = {64, 100, 129, 500, 8192};
constexpr int kRecomputed[] = {2, 9, 40};

struct Flags {
  TestModelFlags model;
  RowRuleOptions rule;
  bool op_by_op = false;
};

class Report {
 public:
  void add(const std::string& what, const RowRuleResult& result) {
    if (result.ok()) {
      std::printf("%-44s %4d rows equal\n", what.c_str(), result.num_rows);
    } else {
      std::printf("%-44s %4d of %d rows DIFFER; %s\n", what.c_str(), result.num_different,
                  result.num_rows, result.first.c_str());
    }
    std::fflush(stdout);
    num_failed_ += result.ok() ? 0 : 1;
  }
  bool ok() const { return num_failed_ == 0; }

 private:
  int num_failed_ = 0;
};

void check_counts(RowRule& rule, const std::string& how, Report& report) {
  int turn = 0;
  for (const int count : kCounts) {
    if (count <= rule.num_sequences())
      report.add(cat(count, " rows", how), rule.together(count, 0, turn++));
  }
}

// Only prompts go through in blocks.
bool fits(int num_rows, const RowRuleOptions& options) {
  return options.max_block_rows == 0 || num_rows <= options.max_block_rows;
}

void check_mixed(RowRule& rule, const RowRuleOptions& options, Report& report) {
  int turn = 5;
  for (const int prompt_rows : kPromptRows) {
    for (const int count : kMixedCounts) {
      if (count > rule.num_sequences() || prompt_rows > options.max_prompt_rows) continue;
      if (!fits(count + prompt_rows, options)) continue;
      report.add(cat(count, " rows beside ", prompt_rows, " of a prompt"),
                 rule.together(count, prompt_rows, turn++));
    }
  }
}

void check_all(TestModel& model, RowRule& rule, const Flags& flags, Report& report) {
  const RowRuleOptions& options = flags.rule;
  check_counts(rule, "", report);
  check_mixed(rule, options, report);
  if (!flags.op_by_op) {
    model.set_eager(true);
    check_counts(rule, ", op by op", report);
    model.set_eager(false);
  }
  for (const int count : kRecomputed) {
    if (count <= options.num_sequences && count < options.max_context)
      report.add(cat(count, " generated rows recomputed at once"), rule.recomputed(count));
  }
  for (const int chunk : kChunks) {
    if (chunk < options.max_prompt_rows)
      report.add(cat("a prompt of ", options.max_prompt_rows, " in chunks of ", chunk),
                 rule.in_chunks(options.max_prompt_rows, chunk));
  }
}

Result<bool> run(const Flags& flags) {
  const ModelConfig config =
      TRY(load_config(std::filesystem::path(flags.model.folder) / "config.json"));
  TestModel model = TRY(
      TestModel::load(flags.model, config, row_rule_model_options(flags.rule), !flags.op_by_op));
  RowRule rule(model, flags.rule);
  std::printf("%s; %d layers, hidden size %d; %d sequences with %lld tokens\n",
              model.device().c_str(), config.num_hidden_layers, config.hidden_size,
              rule.num_sequences(), static_cast<long long>(rule.num_tokens()));
  Report report;
  check_all(model, rule, flags, report);
  return report.ok();
}

}  // namespace
}  // namespace glint

int main(int argc, char** argv) {
  glint::Flags flags;
  glint::RowRuleOptions& rule = flags.rule;
  CLI::App app("Checks that a decode row's bits do not depend on the rows beside it.");
  flags.model.add_to(app);
  app.add_option("--sequences", rule.num_sequences, "whose next token is decoded")
      ->capture_default_str()
      ->check(CLI::Range(1, 256));
  app.add_option("--max-context", rule.max_context, "tokens of the longest sequence")
      ->capture_default_str()
      ->check(CLI::Range(2, 200'000));
  app.add_option("--max-prompt-rows", rule.max_prompt_rows, "of a step")
      ->capture_default_str()
      ->check(CLI::Range(1, 131'072));
  app.add_option("--max-block-rows", rule.max_block_rows,
                 "of a step at once, attention aside; 0: all of them")
      ->capture_default_str()
      ->check(CLI::Range(0, 131'072));
  app.add_option("--seed", rule.seed)->capture_default_str();
  app.add_flag("--op-by-op", flags.op_by_op,
               "record no step: racecheck needs much memory for each recorded one");
  CLI11_PARSE(app, argc, argv);
  const auto ok = glint::run(flags);
  if (!ok) std::fprintf(stderr, "error: %s\n", ok.error().message.c_str());
  return ok && *ok ? 0 : 1;
}

#include "bench/op_bench.h"

#include <algorithm>
#include <cmath>
#include <memory>

namespace glint {
namespace {

constexpr int kMaxRecordedCalls = 512;
constexpr double kEstimate_s = 0.002;  // enough to know how many calls a batch needs

class OpTimer {
 public:
  OpTimer(Backend& backend, const Clock& clock, const OpBenchOptions& options, const OpCase& op)
      : backend_(backend),
        clock_(clock),
        options_(options),
        op_(op),
        event_(backend.make_event()) {}

  double microseconds_per_call();

 private:
  // The next `count` calls, each with the next copy.
  void call(int count) {
    for (int i = 0; i < count; ++i) op_.call(next_copy_++ % op_.num_copies);
  }
  void wait() {
    event_->record();
    event_->wait();
  }
  template <typename Work>
  double seconds(const Work& work) {
    wait();
    const double start = clock_.now_s();
    work();
    wait();
    return clock_.now_s() - start;
  }
  double estimate();
  int repeats(double one_s) const {
    return std::max(1, static_cast<int>(std::ceil(options_.batch_s / std::max(one_s, 1e-9))));
  }
  template <typename Work>
  double median(const Work& batch) {
    std::vector<double> times;
    for (int i = 0; i < options_.num_batches; ++i) times.push_back(seconds(batch));
    std::ranges::sort(times);
    return times[times.size() / 2];
  }

  Backend& backend_;
  const Clock& clock_;
  const OpBenchOptions& options_;
  const OpCase& op_;
  std::unique_ptr<Event> event_;
  int next_copy_ = 0;
};

// Seconds of one call, started singly. Also warms up, and lets scratch memory grow.
double OpTimer::estimate() {
  call(1);
  for (int calls = 1;; calls *= 2) {
    const double time = seconds([&] { call(calls); });
    if (time >= std::min(kEstimate_s, options_.batch_s) || calls >= kMaxRecordedCalls)
      return time / calls;
  }
}

double OpTimer::microseconds_per_call() {
  int calls = repeats(estimate());
  if (!backend_.can_record() || !op_.can_be_recorded)
    return 1e6 * median([&] { call(calls); }) / calls;
  calls = std::min(calls, kMaxRecordedCalls);
  const std::unique_ptr<Recording> recording = backend_.record([&] { call(calls); });
  const auto run = [&](int times) {
    for (int i = 0; i < times; ++i) recording->run();
  };
  run(1);
  const int runs = repeats(seconds([&] { run(1); }));
  const double microseconds = 1e6 * median([&] { run(runs); }) / runs / calls;
  wait();  // before the recording goes
  return microseconds;
}

std::vector<StepSize> step_sizes(const OpBenchOptions& options) {
  std::vector<StepSize> sizes;
  for (const int rows : options.decode_rows)
    sizes.push_back({StepForm::kDecode, rows, options.context});
  for (const int rows : options.prefill_rows) sizes.push_back({StepForm::kPrefill, rows, rows});
  return sizes;
}

bool is_wanted(const BenchOp& op, const OpBenchOptions& options) {
  return options.ops.empty() || std::ranges::any_of(options.ops, [&](const std::string& name) {
           return op.is_named(name);
         });
}

class OpBench {
 public:
  OpBench(Backend& backend, const ModelConfig& config, const OpBenchOptions& options,
          const Clock& clock)
      : backend_(backend), config_(config), options_(options), clock_(clock), memory_(backend) {
    for (const StepSize& size : step_sizes(options))
      steps_.push_back(std::make_unique<BenchStep>(backend, config, size));
  }

  void measure(const BenchOp& op, OpBenchReport& report) {
    for (const auto& step : steps_) {
      const StepSize& size = step->size();
      if (!op.is_in(size.form, backend_.prompt_form())) continue;
      OpCases cases(backend_, config_, *step, memory_);
      const OpCase op_case = op.make(cases);
      if (cases.out_of_memory()) {
        report.left_out.push_back(cat(op.name(), " with ", size.rows, " rows: not enough memory."));
        continue;
      }
      const double time = OpTimer(backend_, clock_, options_, op_case).microseconds_per_call();
      report.results.push_back({&op, size, op.cost(config_, size), op.calls(config_), time});
    }
  }

 private:
  Backend& backend_;
  const ModelConfig& config_;
  const OpBenchOptions& options_;
  const Clock& clock_;
  BenchMemory memory_;
  std::vector<std::unique_ptr<BenchStep>> steps_;
};

}  // namespace

OpBenchReport bench_ops(Backend& backend, const ModelConfig& config, const OpBenchOptions& options,
                        const Clock& clock,
                        const std::function<void(const std::string&)>& progress) {
  OpBenchReport report;
  report.device = backend.description();
  report.records = backend.can_record();
  report.context = options.context;
  OpBench bench(backend, config, options, clock);
  for (const BenchOp& op : all_bench_ops()) {
    if (!is_wanted(op, options)) continue;
    if (progress) progress(op.name());
    bench.measure(op, report);
  }
  report.is_whole_step = options.ops.empty() && report.left_out.empty();
  return report;
}

}  // namespace glint

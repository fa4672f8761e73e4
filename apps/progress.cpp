#include "apps/progress.h"

#include <unistd.h>

#include <cstdio>
#include <utility>

namespace glint {
namespace {

double gigabytes(int64_t bytes) { return static_cast<double>(bytes) * 1e-9; }

}  // namespace

Progress::Progress(std::string task) : task_(std::move(task)), is_terminal_(isatty(2) == 1) {}

void Progress::update(int64_t done_bytes, int64_t total_bytes) {
  const int percent = total_bytes > 0 ? static_cast<int>(done_bytes * 100 / total_bytes) : 100;
  if (is_terminal_) {
    if (percent == shown_percent_) return;
    shown_percent_ = percent;
    return draw_bar(percent, done_bytes, total_bytes);
  }
  if (percent / 10 == shown_percent_ / 10 && shown_percent_ >= 0) return;
  shown_percent_ = percent;
  std::fprintf(stderr, "%s: %d %% of %.2f GB\n", task_.c_str(), percent, gigabytes(total_bytes));
}

void Progress::draw_bar(int percent, int64_t done_bytes, int64_t total_bytes) const {
  constexpr int kWidth = 30;
  std::string bar(kWidth, ' ');
  for (int i = 0; i < percent * kWidth / 100; ++i) bar[static_cast<size_t>(i)] = '#';
  std::fprintf(stderr, "\r%s [%s] %3d %%  %.2f of %.2f GB%s", task_.c_str(), bar.c_str(), percent,
               gigabytes(done_bytes), gigabytes(total_bytes), percent == 100 ? "\n" : "");
}

}  // namespace glint

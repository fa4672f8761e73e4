#include "apps/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>

namespace glint {
namespace {

std::string size_text(int64_t bytes) {
  const double mb = static_cast<double>(bytes) * 1e-6;
  char text[32];
  std::snprintf(text, sizeof text, mb < 1000 ? "%.1f MB" : "%.2f GB", mb < 1000 ? mb : mb * 1e-3);
  return text;
}

}  // namespace

Progress::Progress(std::string task) : task_(std::move(task)), is_terminal_(isatty(2) == 1) {}

void Progress::update(int64_t done_bytes, int64_t total_bytes) {
  const int percent = total_bytes > 0 ? static_cast<int>(done_bytes * 100 / total_bytes) : 100;
  if (is_terminal_) {
    if (percent == shown_percent_) return;
    shown_percent_ = percent;
    return draw_bar(percent, done_bytes, total_bytes);
  }
  if (percent / 10 <= std::max(shown_percent_, 0) / 10) return;
  shown_percent_ = percent;
  std::fprintf(stderr, "%s: %d %% of %s\n", task_.c_str(), percent, size_text(total_bytes).c_str());
}

void Progress::draw_bar(int percent, int64_t done_bytes, int64_t total_bytes) const {
  constexpr int kWidth = 30;
  std::string bar(kWidth, ' ');
  for (int i = 0; i < percent * kWidth / 100; ++i) bar[static_cast<size_t>(i)] = '#';
  std::fprintf(stderr, "\r%s [%s] %3d %%  %s of %s%s", task_.c_str(), bar.c_str(), percent,
               size_text(done_bytes).c_str(), size_text(total_bytes).c_str(),
               percent == 100 ? "\n" : "");
}

}  // namespace glint

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

Progress::Progress(std::string task, std::string what)
    : task_(std::move(task)), what_(std::move(what)), is_terminal_(isatty(2) == 1) {}

Progress::~Progress() {
  if (is_terminal_ && shown_percent_ >= 0 && shown_percent_ < 100) std::fputc('\n', stderr);
}

void Progress::update(int64_t done, int64_t total) {
  const int percent = total > 0 ? static_cast<int>(done * 100 / total) : 100;
  if (is_terminal_) {
    const int64_t shown = what_.empty() ? percent : done;
    if (shown == shown_) return;
    shown_ = shown;
    shown_percent_ = percent;
    return draw_bar(percent, done, total);
  }
  if (percent / 10 <= std::max(shown_percent_, 0) / 10) return;
  shown_percent_ = percent;
  std::fprintf(stderr, "%s: %d %% of %s\n", task_.c_str(), percent, text(total).c_str());
}

void Progress::draw_bar(int percent, int64_t done, int64_t total) const {
  constexpr int kWidth = 30;
  std::string bar(kWidth, ' ');
  for (int i = 0; i < percent * kWidth / 100; ++i) bar[static_cast<size_t>(i)] = '#';
  const std::string so_far = what_.empty() ? text(done) : std::to_string(done);
  std::fprintf(stderr, "\r%s [%s] %3d %%  %s of %s%s", task_.c_str(), bar.c_str(), percent,
               so_far.c_str(), text(total).c_str(), percent == 100 ? "\n" : "");
}

std::string Progress::text(int64_t count) const {
  return what_.empty() ? size_text(count) : std::to_string(count) + " " + what_;
}

}  // namespace glint

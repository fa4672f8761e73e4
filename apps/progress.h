#pragma once

#include <cstdint>
#include <string>

namespace glint {

// How far a long task is, on stderr: a bar that moves where stderr is a terminal, else one line for
// each 10 %.
class Progress {
 public:
  explicit Progress(std::string task);

  void update(int64_t done_bytes, int64_t total_bytes);

 private:
  void draw_bar(int percent, int64_t done_bytes, int64_t total_bytes) const;

  std::string task_;
  bool is_terminal_;
  int shown_percent_ = -1;
};

}  // namespace glint

#pragma once

#include <cstdint>
#include <string>

namespace glint {

// How far a long task is, on stderr: a bar that moves where stderr is a terminal, else one line for
// each 10 %.
class Progress {
 public:
  // Counts bytes, or whatever is named: "questions".
  explicit Progress(std::string task, std::string what = "");
  ~Progress();  // ends the line of a bar that is not full
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(int64_t done, int64_t total);
  bool is_terminal() const { return is_terminal_; }

 private:
  void draw_bar(int percent, int64_t done, int64_t total) const;
  std::string text(int64_t count) const;

  std::string task_, what_;
  bool is_terminal_;
  int64_t shown_ = -1;
  int shown_percent_ = -1;
};

}  // namespace glint

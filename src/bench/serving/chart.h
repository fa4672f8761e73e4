#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace glint {

using Point = std::pair<double, double>;

struct ChartLine {
  std::string name;
  int color = 0;  // the class s0 … s8: what a style sheet gives it
  std::vector<Point> points{};
  bool with_dots = false;  // each point marked, its values shown when the pointer is over it; one
                           // that is alone always is
};

struct Chart {
  std::string title, x_label, y_label;
  bool log_x = false;  // then points at x <= 0 are left out
  std::vector<ChartLine> lines{};
};

// An <svg> element without a script or anything from outside.
std::string chart_svg(const Chart& chart);

// For text and attributes of HTML.
std::string html_escaped(std::string_view text);

}  // namespace glint

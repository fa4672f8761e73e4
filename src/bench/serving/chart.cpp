#include "bench/serving/chart.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace glint {
namespace {

constexpr double kWidth = 560, kHeight = 340;
constexpr double kLeft = 76, kRight = 24, kTop = 34, kBottom = 48;
constexpr int kColors = 9;

template <typename... Args>
std::string format(const char* pattern, Args... args) {
  char text[512];
  std::snprintf(text, sizeof text, pattern, args...);
  return text;
}

// 1,234 and 0.12: as few digits as tell ticks apart.
std::string tick_text(double value) { return format("%.6g", value); }

// The least of 1, 2, 5, 10, 20 … that gives at most `count` steps.
double nice_step(double range, int count) {
  const double least = range / count;
  const double power = std::pow(10, std::floor(std::log10(least)));
  for (const double factor : {1., 2., 5.})
    if (factor * power >= least) return factor * power;
  return 10 * power;
}

// Values to places along one side of the plot.
class Axis {
 public:
  Axis(double low, double high, bool is_log, double begin, double end)
      : is_log_(is_log), begin_(begin), end_(end) {
    low_ = is_log ? std::floor(std::log10(low) * 2) / 2 : low;
    high_ = is_log ? std::ceil(std::log10(high) * 2) / 2 : high;
    if (high_ <= low_) high_ = low_ + 1;
  }

  double place(double value) const {
    const double at = ((is_log_ ? std::log10(value) : value) - low_) / (high_ - low_);
    return begin_ + at * (end_ - begin_);
  }

  std::vector<double> ticks() const {
    std::vector<double> found;
    if (is_log_) {
      const bool has_room = high_ - low_ <= 4;
      for (double power = std::floor(low_); power <= high_; ++power) {
        add_if_inside(std::pow(10, power), found);
        if (has_room) add_if_inside(3 * std::pow(10, power), found);
      }
      return found;
    }
    const double step = nice_step(high_ - low_, 6);
    for (double at = std::ceil(low_ / step) * step; at <= high_ + step * 1e-6; at += step)
      found.push_back(at);
    return found;
  }

 private:
  void add_if_inside(double value, std::vector<double>& found) const {
    const double at = std::log10(value);
    if (at >= low_ - 1e-9 && at <= high_ + 1e-9) found.push_back(value);
  }

  bool is_log_;
  double low_, high_, begin_, end_;
};

struct Bounds {
  double low_x = INFINITY, high_x = -INFINITY, high_y = 0;
};

Bounds bounds_of(const Chart& chart) {
  Bounds bounds;
  for (const ChartLine& line : chart.lines) {
    for (const auto& [x, y] : line.points) {
      if (chart.log_x && x <= 0) continue;
      bounds.low_x = std::min(bounds.low_x, x);
      bounds.high_x = std::max(bounds.high_x, x);
      bounds.high_y = std::max(bounds.high_y, y);
    }
  }
  return bounds;
}

std::string grid(const Axis& x, const Axis& y) {
  std::string svg;
  for (const double tick : x.ticks()) {
    const double at = x.place(tick);
    svg += format("<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", at,
                  kTop, at, kHeight - kBottom);
    svg += format("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n", at,
                  kHeight - kBottom + 18, tick_text(tick).c_str());
  }
  for (const double tick : y.ticks()) {
    const double at = y.place(tick);
    svg += format("<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", kLeft,
                  at, kWidth - kRight, at);
    svg += format("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", kLeft - 6, at + 4,
                  tick_text(tick).c_str());
  }
  return svg;
}

std::string titles(const Chart& chart) {
  const std::string middle = format("%.1f", (kLeft + kWidth - kRight) / 2);
  return format("<text class=\"title\" x=\"%.1f\" y=\"18\">", kLeft) + html_escaped(chart.title) +
         "</text>\n<text x=\"" + middle +
         format("\" y=\"%.1f\" text-anchor=\"middle\">", kHeight - 8) +
         html_escaped(chart.x_label) + "</text>\n" +
         format("<text transform=\"rotate(-90)\" x=\"%.1f\" y=\"14\" text-anchor=\"middle\">",
                -(kTop + kHeight - kBottom) / 2) +
         html_escaped(chart.y_label) + "</text>\n";
}

std::string dot(const ChartLine& line, const Point& point, double x, double y) {
  return format("<circle class=\"s%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"><title>",
                line.color % kColors, x, y) +
         html_escaped(line.name) +
         format(": %.5g, %.5g</title></circle>\n", point.first, point.second);
}

std::string line_svg(const Chart& chart, const ChartLine& line, const Axis& x, const Axis& y) {
  const bool with_dots = line.with_dots || line.points.size() == 1;  // one makes no line
  std::string places, dots;
  for (const Point& point : line.points) {
    if (chart.log_x && point.first <= 0) continue;
    const double at_x = x.place(point.first), at_y = y.place(point.second);
    places += format("%.1f,%.1f ", at_x, at_y);
    if (with_dots) dots += dot(line, point, at_x, at_y);
  }
  return format("<polyline class=\"s%d\" points=\"", line.color % kColors) + places + "\"><title>" +
         html_escaped(line.name) + "</title></polyline>\n" + dots;
}

}  // namespace

std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string chart_svg(const Chart& chart) {
  std::string svg =
      format("<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"", kWidth, kHeight) +
      html_escaped(chart.title) + "\">\n" + titles(chart);
  const Bounds bounds = bounds_of(chart);
  if (bounds.low_x > bounds.high_x)
    return svg + format("<text x=\"%.1f\" y=\"%.1f\">nothing was measured</text>\n</svg>\n", kLeft,
                        kHeight / 2);
  const Axis x(chart.log_x ? bounds.low_x : std::min(bounds.low_x, 0.), bounds.high_x * 1.05,
               chart.log_x, kLeft, kWidth - kRight);
  const Axis y(0, bounds.high_y * 1.05, false, kHeight - kBottom, kTop);
  svg += grid(x, y);
  for (const ChartLine& line : chart.lines) svg += line_svg(chart, line, x, y);
  return svg + "</svg>\n";
}

}  // namespace glint

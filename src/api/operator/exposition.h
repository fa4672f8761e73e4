#pragma once

// Prometheus' text format, version 0.0.4, written fast: gateways read it twenty times a second.

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/histogram.h"

namespace glint {

// A label value as it stands between quotes.
std::string escaped_label(std::string_view value);

// One dialect's metrics: all names begin with `prefix`, all series have `labels`
// ("a=\"1\",b=\"2\""). Further labels of a series are given with a comma before them, as in
// `,quantity="b"`. `out` outlives this.
class Exposition {
 public:
  Exposition(std::string& out, std::string_view prefix, std::string_view labels)
      : out_(out), prefix_(prefix), labels_(labels) {}

  // A metric with one series.
  template <typename T>
  void gauge(std::string_view name, std::string_view help, T value) {
    family(name, "gauge", help);
    sample(name, value);
  }
  template <typename T>
  void counter(std::string_view name, std::string_view help, T value) {
    family(name, "counter", help);
    sample(name, value);
  }
  void histogram(std::string_view name, std::string_view help, const HistogramCounts& counts) {
    family(name, "histogram", help);
    buckets(name, counts);
  }

  // With more of them: family() once, then its series.
  void family(std::string_view name, std::string_view type, std::string_view help);
  template <std::integral T>
  void sample(std::string_view name, T value, std::string_view more_labels = "") {
    integer_sample(name, static_cast<int64_t>(value), more_labels);
  }
  void sample(std::string_view name, double value, std::string_view more_labels = "");
  void buckets(std::string_view name, const HistogramCounts& counts,
               std::string_view more_labels = "");

 private:
  void integer_sample(std::string_view name, int64_t value, std::string_view more_labels);
  void begin_sample(std::string_view name, std::string_view suffix, std::string_view more_labels);
  void put(double value);
  void put(int64_t value);
  void put_bound(double bound);

  std::string& out_;
  std::string_view prefix_;
  std::string_view labels_;
};

}  // namespace glint

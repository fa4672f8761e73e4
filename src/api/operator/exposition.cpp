#include "api/operator/exposition.h"

#include <charconv>
#include <cmath>

namespace glint {

std::string escaped_label(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

void Exposition::family(std::string_view name, std::string_view type, std::string_view help) {
  out_.append("# HELP ").append(prefix_).append(name).append(" ").append(help);
  out_.append("\n# TYPE ").append(prefix_).append(name).append(" ").append(type).append("\n");
}

void Exposition::sample(std::string_view name, double value, std::string_view more_labels) {
  begin_sample(name, "", more_labels);
  out_ += "} ";
  put(value);
  out_ += '\n';
}

void Exposition::integer_sample(std::string_view name, int64_t value,
                                std::string_view more_labels) {
  begin_sample(name, "", more_labels);
  out_ += "} ";
  put(value);
  out_ += '\n';
}

void Exposition::buckets(std::string_view name, const HistogramCounts& counts,
                         std::string_view more_labels) {
  uint64_t total = 0;
  for (size_t i = 0; i <= counts.bounds.size(); ++i) {
    total += counts.counts[i];
    begin_sample(name, "_bucket", more_labels);
    out_ += ",le=\"";
    i < counts.bounds.size() ? put_bound(counts.bounds[i]) : void(out_ += "+Inf");
    out_ += "\"} ";
    put(static_cast<int64_t>(total));
    out_ += '\n';
  }
  begin_sample(name, "_sum", more_labels);
  out_ += "} ";
  put(counts.sum);
  out_ += '\n';
  begin_sample(name, "_count", more_labels);
  out_ += "} ";
  put(static_cast<int64_t>(total));
  out_ += '\n';
}

void Exposition::begin_sample(std::string_view name, std::string_view suffix,
                              std::string_view more_labels) {
  out_.append(prefix_).append(name).append(suffix).append("{");
  out_.append(labels_).append(more_labels);
}

void Exposition::put(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  out_.append(text, end);
}

void Exposition::put(int64_t value) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  out_.append(text, end);
}

// As Python's client writes it, SGLang's and vLLM's: 1.0, so that rules which name a bucket find
// it.
void Exposition::put_bound(double bound) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), bound, std::chars_format::fixed).ptr;
  out_.append(text, end);
  if (bound == std::floor(bound)) out_ += ".0";
}

}  // namespace glint

#include "model/safetensors_header.h"

#include <nlohmann/json.hpp>
#include <set>

namespace glint {
namespace {

// Where in the grammar the reader stands.
enum class Place {
  kBeforeHeader,
  kHeader,    // between tensors
  kMetadata,  // in "__metadata__"
  kTensor,    // in a tensor's object
  kDtype,     // a value is next
  kShape,     // its array is next, or its numbers
  kOffsets,
  kAfterHeader,
};

// nlohmann's SAX events. A DOM would drop the first of two equal names, and a hostile header of
// brackets would cost it a hundred times its size in memory. Returning false stops the parser.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::vector<HeaderEntry> take_entries() { return std::move(entries_); }
  const std::string& problem() const { return problem_; }

  bool start_object(std::size_t) override {
    if (place_ == Place::kBeforeHeader) return go(Place::kHeader);
    if (place_ != Place::kHeader) return fail("found an object");
    if (name_ == "__metadata__") return go(Place::kMetadata);
    entries_.push_back({.name = name_, .dtype = {}, .shape = {}});
    fields_.clear();
    return go(Place::kTensor);
  }

  bool end_object() override {
    if (place_ == Place::kHeader) return go(Place::kAfterHeader);
    if (place_ == Place::kTensor && fields_.size() != 3) {
      return fail("found " + list(fields_) + "; expected dtype, shape and data_offsets");
    }
    return go(Place::kHeader);
  }

  bool key(std::string& key) override {
    if (place_ == Place::kMetadata) return true;
    if (place_ == Place::kHeader) {
      name_ = key;
      return names_.insert(key).second || fail("found twice");
    }
    if (!fields_.insert(key).second) return fail(key + " found twice");
    if (key == "dtype") return go(Place::kDtype);
    if (key == "shape") return go(Place::kShape);
    if (key == "data_offsets") return go(Place::kOffsets);
    return fail("found \"" + key + "\"; expected dtype, shape and data_offsets");
  }

  bool string(std::string& value) override {
    if (place_ == Place::kMetadata) return true;
    if (place_ != Place::kDtype) return fail("found a string");
    entries_.back().dtype = value;
    return go(Place::kTensor);
  }

  bool start_array(std::size_t) override {
    if (in_array_ || (place_ != Place::kShape && place_ != Place::kOffsets)) {
      return fail("found an array");
    }
    in_array_ = true;
    offsets_.clear();
    return true;
  }

  bool number_unsigned(uint64_t value) override {
    if (!in_array_) return fail("found a number");
    (place_ == Place::kShape ? entries_.back().shape : offsets_).push_back(value);
    return true;
  }

  bool end_array() override {
    in_array_ = false;
    if (place_ == Place::kOffsets) {
      if (offsets_.size() != 2) return fail("data_offsets needs two numbers");
      entries_.back().begin = offsets_[0];
      entries_.back().end = offsets_[1];
    }
    return go(Place::kTensor);
  }

  bool number_integer(int64_t value) override { return fail("found " + std::to_string(value)); }
  bool number_float(double, const std::string& text) override { return fail("found " + text); }
  bool null() override { return fail("found null"); }
  bool boolean(bool) override { return fail("found a boolean"); }
  bool binary(binary_t&) override { return fail("found binary"); }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    problem_ = cat("not valid JSON at byte ", position, " of the header");
    return false;
  }

 private:
  bool go(Place place) {
    place_ = place;
    return true;
  }

  bool fail(const std::string& what) {
    problem_ = name_.empty() ? what : cat("tensor ", name_, ": ", what);
    return false;
  }

  static std::string list(const std::set<std::string>& fields) {
    std::string text;
    for (const std::string& field : fields) text += (text.empty() ? "" : ", ") + field;
    return text.empty() ? "no fields" : "only " + text;
  }

  Place place_ = Place::kBeforeHeader;
  bool in_array_ = false;
  std::string name_;  // of the tensor that is being read
  std::set<std::string> names_, fields_;
  std::vector<uint64_t> offsets_;
  std::vector<HeaderEntry> entries_;
  std::string problem_;
};

}  // namespace

Result<std::vector<HeaderEntry>> parse_header_json(std::string_view json, std::string_view file) {
  HeaderReader reader;
  if (!nlohmann::json::sax_parse(json, &reader)) {
    return Error{ErrorCode::kStartup, cat(file, ": the header is wrong: ", reader.problem(), ".")};
  }
  return reader.take_entries();
}

}  // namespace glint

#include "base/json.h"

#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/planted_bug.h"
namespace glint {
namespace {

using Members = std::vector<std::pair<std::string, Json>>;

// Objects are small as a rule: up to this many members a key is looked for one by one, beyond it in
// a hash table, so that an object with a million keys does not cost a million squared.
constexpr size_t kMaxScannedMembers = 16;

// An array or object that is not closed yet.
class OpenContainer {
 public:
  explicit OpenContainer(bool is_object) : is_object_(is_object) {}

  // Of a key that comes twice the last value counts, in the place of the first, as in Python.
  void set_key(std::string key) {
    at_ = find_or_append(key);
    if (at_ == members_.size()) members_.emplace_back(std::move(key), Json());
  }

  void add(Json value) {
    if (is_object_) {
      members_[at_].second = std::move(value);
    } else {
      items_.push_back(std::move(value));
    }
  }

  // Members move into a table of the right size at once: ordered_json's own growth copies all
  // values, because its keys are const.
  Json close() && {
    if (!is_object_) return Json(std::move(items_));
    Json::object_t object;
    object.reserve(members_.size());
    for (auto& [key, value] : members_) object.emplace_back(std::move(key), std::move(value));
    return Json(std::move(object));
  }

 private:
  size_t find_or_append(const std::string& key) {
    if (members_.size() < kMaxScannedMembers) {
      size_t at = 0;
      while (at < members_.size() && members_[at].first != key) ++at;
      return at;
    }
    if (index_.empty()) {
      for (size_t i = 0; i < members_.size(); ++i) index_.emplace(members_[i].first, i);
    }
    if (planted(PlantedBug::kRepeatedKeyAdded)) return members_.size();
    return index_.try_emplace(key, members_.size()).first->second;
  }

  bool is_object_;
  Json::array_t items_;
  Members members_;
  size_t at_ = 0;  // the member whose value comes next
  std::unordered_map<std::string, size_t> index_;
};

bool is_integer_token(const std::string& token) {
  return token.find_first_of(".eE") == std::string::npos;
}

// nlohmann's SAX events to a value. An event that returns false ends the parse.
class JsonBuilder {
 public:
  explicit JsonBuilder(int max_depth) : max_depth_(max_depth) {}

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(Json::number_integer_t value) { return add(value); }
  bool number_unsigned(Json::number_unsigned_t value) { return add(value); }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(Json::binary_t&) { return false; }  // JSON text has none

  // Also called for an integer that does not fit 64 bits, with its digits in `token`.
  bool number_float(double value, const std::string& token) {
    if (!is_integer_token(token)) return add(value);
    return add(Json::binary(Json::binary_t::container_type(token.begin(), token.end())));
  }

  bool start_object(size_t) { return open(/*is_object=*/true); }
  bool start_array(size_t) { return open(/*is_object=*/false); }
  bool key(std::string& key) {
    open_.back().set_key(std::move(key));
    return true;
  }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool parse_error(size_t num_read, const std::string& token, const Json::exception& problem) {
    error_at_ = num_read == 0 ? 0 : num_read - 1;
    error_ = describe(token, problem);
    return false;
  }

  bool too_deep() const { return too_deep_; }
  size_t error_at() const { return error_at_; }
  const std::string& error() const { return error_; }
  Json take() { return std::move(root_); }

 private:
  static constexpr int kNumberOutOfRange = 406;  // nlohmann's id

  // nlohmann's sentence without its prefix and without the token, which may be megabytes long and
  // hold invalid bytes.
  static std::string describe(const std::string& token, const Json::exception& problem) {
    if (problem.id == kNumberOutOfRange) return "number out of range: " + token.substr(0, 40);
    std::string text = problem.what();
    if (const size_t start = text.find("syntax error"); start != std::string::npos) {
      text.erase(0, start);
    }
    const std::string last_read = "; last read: '" + token + "'";
    if (const size_t at = text.find(last_read); at != std::string::npos) {
      text.erase(at, last_read.size());
    }
    return text;
  }

  bool open(bool is_object) {
    if (open_.size() >= static_cast<size_t>(max_depth_)) {
      too_deep_ = true;
      return false;
    }
    open_.emplace_back(is_object);
    return true;
  }

  bool close() {
    Json closed = std::move(open_.back()).close();
    open_.pop_back();
    return add(std::move(closed));
  }

  bool add(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else {
      open_.back().add(std::move(value));
    }
    return true;
  }

  int max_depth_;
  std::vector<OpenContainer> open_;
  Json root_;
  bool too_deep_ = false;
  size_t error_at_ = 0;
  std::string error_;
};

// Where the first bracket beyond max_depth stands; the SAX events carry no place.
size_t find_too_deep(std::string_view text, int max_depth) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > max_depth) return i;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return text.size();
}

Error malformed(size_t at, const std::string& problem) {
  return {ErrorCode::kInvalidRequest, cat("invalid JSON at byte ", at, ": ", problem)};
}

}  // namespace

Result<Json> parse_json(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    return Error{ErrorCode::kTooLarge,
                 cat("JSON of ", text.size(), " bytes; the limit is ", limits.max_bytes, " bytes")};
  }
  // nlohmann takes a zero byte for the end of the text.
  if (const size_t zero = text.find('\0'); zero != std::string_view::npos) {
    return malformed(zero, "a zero byte");
  }
  JsonBuilder builder(limits.max_depth);
  if (Json::sax_parse(text.begin(), text.end(), &builder)) return builder.take();
  if (builder.too_deep()) {
    return malformed(find_too_deep(text, limits.max_depth),
                     cat("nested deeper than ", limits.max_depth, " levels"));
  }
  return malformed(builder.error_at(), builder.error());
}

std::optional<std::string> big_integer(const Json& value) {
  if (!value.is_binary()) return std::nullopt;
  const Json::binary_t& digits = value.get_binary();
  return std::string(digits.begin(), digits.end());
}

}  // namespace glint

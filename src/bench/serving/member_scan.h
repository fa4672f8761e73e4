#pragma once

// The members of a JSON object, found without building it: a load of many tokens brings an event
// for each, of several kilobytes where a server repeats the whole answer in every one.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace glint {

// Walks over one object's members: for (MemberScan member(text); member.next();) … Names and values
// are slices of `text` as they stand there, names without their quotes and with their escapes. What
// is malformed ends the walk, possibly late: a value is skipped, not checked.
class MemberScan {
 public:
  explicit MemberScan(std::string_view object);

  bool next();
  std::string_view name() const { return name_; }
  std::string_view value() const { return value_; }

 private:
  std::string_view text_;
  size_t at_ = 0;
  std::string_view name_, value_;
};

// The value of the member `name`; empty if there is none.
std::string_view find_member(std::string_view object, std::string_view name);
// The first value of an array; empty if there is none.
std::string_view first_element(std::string_view array);
// Between a string's quotes, with its escapes; empty for every other value.
std::string_view string_body(std::string_view value);
std::optional<double> number_value(std::string_view value);

// What a string's body says. Pieces of a string that were escaped one by one may be joined before.
std::string unescaped(std::string_view body);

}  // namespace glint

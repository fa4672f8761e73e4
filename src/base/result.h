#pragma once

// Result<T>: a value or an Error, and TRY to pass the Error on. We throw nothing of our own.
//
// The names are std::expected's. nvcc 13 stops at C++20, so headers that .cu files include cannot
// use <expected>; when it takes C++23 this becomes an alias.

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/check.h"

namespace glint {

// What went wrong, in terms a caller can act on. api/errors maps a code to an HTTP status.
enum class ErrorCode {
  kInvalidRequest,  // 400: the request itself is wrong; retrying it cannot help
  kNotFound,        // 404
  kTooLarge,        // 413
  kOverloaded,      // 503: try again later
  kCancelled,       // 499: the client went away
  kInternal,        // 500: ours
  kStartup,         // the process cannot start: printed by main(), never sent
};

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;  // a sentence for the person who can mend it
  std::string param{};  // the request's field, where there is one
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& operator*() & { return checked(); }
  const T& operator*() const& { return const_cast<Result*>(this)->checked(); }
  T&& operator*() && { return std::move(checked()); }
  T* operator->() { return &checked(); }
  const T* operator->() const { return &const_cast<Result*>(this)->checked(); }

  Error& error() { return std::get<1>(state_); }
  const Error& error() const { return std::get<1>(state_); }

 private:
  T& checked() {
    CHECK(has_value(), "value of a failed Result read: ", error().message);
    return std::get<0>(state_);
  }

  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }
  void operator*() const {
    CHECK(has_value(), "a failed Result was read: ", error_->message);
  }
  Error& error() { return *error_; }
  const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

template <typename T>
T take(Result<T>&& result) {
  return *std::move(result);
}

}  // namespace glint

// The value of `expr`, or its Error returned from this function: auto page = TRY(pool.acquire());
#define TRY(expr)                             \
  __extension__({                             \
    auto&& try_result = (expr);               \
    if (!try_result.has_value()) [[unlikely]] \
      return std::move(try_result.error());   \
    ::glint::take(std::move(try_result));     \
  })

// Result<T> and Status: a value or an Error, with std::expected's member names in C++20.
//
// Thread-safety: that of T. Ownership: a Result owns its value or its error.
#pragma once

#include <concepts>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "holdall/base/error.h"

namespace holdall {

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(const T& value) : state_(std::in_place_index<0>, value) {}
  Result(T&& value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
  template <class U>
    requires(std::constructible_from<T, U &&> && std::convertible_to<U &&, T> &&
             !std::same_as<std::remove_cvref_t<U>, Result> && !std::same_as<std::remove_cvref_t<U>, Error>)
  Result(U&& value) : state_(std::in_place_index<0>, std::forward<U>(value)) {}

  bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  // Precondition of the accessors: has_value(), or !has_value() for error().
  T& operator*() & noexcept { return *std::get_if<0>(&state_); }
  const T& operator*() const& noexcept { return *std::get_if<0>(&state_); }
  T&& operator*() && noexcept { return std::move(*std::get_if<0>(&state_)); }
  T* operator->() noexcept { return std::get_if<0>(&state_); }
  const T* operator->() const noexcept { return std::get_if<0>(&state_); }
  T& value() & noexcept { return **this; }
  const T& value() const& noexcept { return **this; }
  T&& value() && noexcept { return std::move(**this); }
  Error& error() & noexcept { return *std::get_if<1>(&state_); }
  const Error& error() const& noexcept { return *std::get_if<1>(&state_); }
  Error&& error() && noexcept { return std::move(*std::get_if<1>(&state_)); }

  template <class U>
  T value_or(U&& fallback) const& {
    return has_value() ? **this : static_cast<T>(std::forward<U>(fallback));
  }

 private:
  std::variant<T, Error> state_;
};

// Success, or an Error. `return {};` is success.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)) {}

  bool has_value() const noexcept { return !error_; }
  explicit operator bool() const noexcept { return has_value(); }
  Error& error() & noexcept { return *error_; }
  const Error& error() const& noexcept { return *error_; }
  Error&& error() && noexcept { return std::move(*error_); }

 private:
  std::optional<Error> error_;
};

}  // namespace holdall

#define HOLDALL_JOIN_(a, b) a##b
#define HOLDALL_JOIN(a, b) HOLDALL_JOIN_(a, b)

// HOLDALL_ASSIGN(auto size, file.size());  declares or assigns, or returns the error.
#define HOLDALL_ASSIGN(target, expression) HOLDALL_ASSIGN_(HOLDALL_JOIN(holdall_result_, __COUNTER__), target, expression)
#define HOLDALL_ASSIGN_(name, target, expression)        \
  auto name = (expression);                              \
  if (!name.has_value()) return std::move(name).error(); \
  target = std::move(*name)

// HOLDALL_TRY(file.read_at(0, out));  returns the error of a Status or Result, if any.
#define HOLDALL_TRY(expression) HOLDALL_TRY_(HOLDALL_JOIN(holdall_status_, __COUNTER__), expression)
#define HOLDALL_TRY_(name, expression)                     \
  do {                                                     \
    auto name = (expression);                              \
    if (!name.has_value()) return std::move(name).error(); \
  } while (false)

// Shape: the sizes of a tensor, outermost first: [vocab, hidden]. Up to two need no memory of their own: a model may have
// millions of tensors.
//
// Thread-safety: that of a container. Ownership: owns its sizes.
#pragma once

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

namespace holdall {

class Shape {
 public:
  using value_type = std::uint64_t;
  using size_type = std::size_t;
  using iterator = std::uint64_t*;
  using const_iterator = const std::uint64_t*;
  using reference = std::uint64_t&;
  using const_reference = const std::uint64_t&;
  using difference_type = std::ptrdiff_t;

  Shape() = default;
  explicit Shape(std::size_t rank) {
    for (std::size_t i = 0; i < rank; ++i) push_back(0);
  }
  Shape(std::initializer_list<std::uint64_t> sizes) : Shape(sizes.begin(), sizes.end()) {}
  Shape(const std::vector<std::uint64_t>& sizes) : Shape(sizes.begin(), sizes.end()) {}
  template <std::input_iterator Iterator>
  Shape(Iterator first, Iterator last) {
    assign(first, last);
  }
  Shape(const Shape& other) : Shape(other.begin(), other.end()) {}
  Shape(Shape&& other) noexcept { swap(other); }
  Shape& operator=(Shape other) noexcept {
    swap(other);
    return *this;
  }
  ~Shape() { release(); }

  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  std::uint64_t* data() noexcept { return is_apart() ? held_.apart : held_.within; }
  const std::uint64_t* data() const noexcept { return is_apart() ? held_.apart : held_.within; }
  iterator begin() noexcept { return data(); }
  iterator end() noexcept { return data() + size_; }
  const_iterator begin() const noexcept { return data(); }
  const_iterator end() const noexcept { return data() + size_; }
  std::uint64_t& operator[](std::size_t i) noexcept { return data()[i]; }
  const std::uint64_t& operator[](std::size_t i) const noexcept { return data()[i]; }
  std::uint64_t& front() noexcept { return data()[0]; }
  const std::uint64_t& front() const noexcept { return data()[0]; }
  std::uint64_t& back() noexcept { return data()[size_ - 1]; }
  const std::uint64_t& back() const noexcept { return data()[size_ - 1]; }

  void push_back(std::uint64_t size) {
    if (size_ == capacity_) reserve(2 * std::size_t{capacity_});
    data()[size_++] = size;
  }
  void pop_back() noexcept { --size_; }
  template <std::input_iterator Iterator>
  void assign(Iterator first, Iterator last) {
    size_ = 0;
    if constexpr (std::forward_iterator<Iterator>) reserve(static_cast<std::size_t>(std::distance(first, last)));
    for (; first != last; ++first) push_back(static_cast<std::uint64_t>(*first));
  }

  friend bool operator==(const Shape& a, const Shape& b) noexcept { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }
  friend auto operator<=>(const Shape& a, const Shape& b) noexcept {
    return std::lexicographical_compare_three_way(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  static constexpr std::uint32_t kWithin = 2;
  bool is_apart() const noexcept { return capacity_ > kWithin; }
  void release() noexcept {
    if (is_apart()) delete[] held_.apart;
  }
  void reserve(std::size_t capacity) {
    if (capacity <= capacity_) return;
    auto* const sizes = new std::uint64_t[capacity];
    std::copy(begin(), end(), sizes);
    release();
    held_.apart = sizes;
    capacity_ = static_cast<std::uint32_t>(capacity);
  }
  void swap(Shape& other) noexcept {
    std::swap(held_, other.held_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

  union Held {
    std::uint64_t within[kWithin];
    std::uint64_t* apart;
  };
  Held held_{};
  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = kWithin;
};

}  // namespace holdall

// PlainVector: a growing row of plain things (numbers, small structs without owners). It takes one pointer while it is empty
// and grows in place where it can: a long one is never in memory twice, as a std::vector is while it moves.
//
// Thread-safety: that of a container. Ownership: owns its memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace holdall {

template <class T>
class PlainVector {
  static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= 2 * sizeof(std::size_t));

 public:
  using value_type = T;

  PlainVector() = default;
  PlainVector(std::initializer_list<T> items) { append({items.begin(), items.size()}); }
  PlainVector(const PlainVector& other) { append({other.begin(), other.size()}); }
  PlainVector(PlainVector&& other) noexcept { swap(other); }
  PlainVector& operator=(PlainVector other) noexcept {
    swap(other);
    return *this;
  }
  ~PlainVector() { std::free(head_); }

  std::size_t size() const noexcept { return head_ == nullptr ? 0 : head_->size; }
  std::size_t capacity() const noexcept { return head_ == nullptr ? 0 : head_->capacity; }
  bool empty() const noexcept { return size() == 0; }
  // Null without room for anything.
  T* data() noexcept { return head_ == nullptr ? nullptr : items(); }
  const T* data() const noexcept { return head_ == nullptr ? nullptr : items(); }
  T* begin() noexcept { return data(); }
  const T* begin() const noexcept { return data(); }
  T* end() noexcept { return begin() + size(); }
  const T* end() const noexcept { return begin() + size(); }
  T& operator[](std::size_t i) noexcept { return items()[i]; }
  const T& operator[](std::size_t i) const noexcept { return items()[i]; }
  T& back() noexcept { return items()[head_->size - 1]; }
  const T& back() const noexcept { return items()[head_->size - 1]; }

  void push_back(T item) {
    if (size() == capacity()) grow(size() + 1);
    items()[head_->size++] = item;
  }
  // `items` may lie within this row.
  void append(std::span<const T> items) {
    if (items.empty()) return;
    const bool own = std::greater_equal<const T*>()(items.data(), begin()) && std::less<const T*>()(items.data(), end());
    const std::ptrdiff_t at = own ? items.data() - begin() : 0;
    if (items.size() > capacity() - size()) grow(size() + items.size());
    std::memcpy(static_cast<void*>(end()), own ? begin() + at : items.data(), items.size() * sizeof(T));
    head_->size += items.size();
  }
  // New items are zero.
  void resize(std::size_t size) {
    if (size > capacity()) grow(size);
    if (size > this->size()) std::memset(static_cast<void*>(end()), 0, (size - this->size()) * sizeof(T));
    if (head_ != nullptr) head_->size = size;
  }
  void swap(PlainVector& other) noexcept { std::swap(head_, other.head_); }

 private:
  struct Head {
    std::size_t size;
    std::size_t capacity;
  };

  // Precondition: there is room for something.
  T* items() noexcept { return reinterpret_cast<T*>(head_ + 1); }
  const T* items() const noexcept { return reinterpret_cast<const T*>(head_ + 1); }

  // Memory that was never written costs nothing, so doubling does not show in what a process takes.
  void grow(std::size_t least) {
    constexpr std::size_t kMost = (static_cast<std::size_t>(PTRDIFF_MAX) - sizeof(Head)) / sizeof(T);
    if (least > kMost) throw std::bad_alloc();
    const std::size_t doubled = capacity() > kMost / 2 ? kMost : 2 * capacity();
    const std::size_t wanted = least > doubled ? least : doubled;
    const std::size_t kept = size();
    void* const grown = std::realloc(static_cast<void*>(head_), sizeof(Head) + wanted * sizeof(T));
    if (grown == nullptr) throw std::bad_alloc();
    head_ = static_cast<Head*>(grown);
    *head_ = {kept, wanted};
  }

  Head* head_ = nullptr;
};

}  // namespace holdall

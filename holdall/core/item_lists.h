// ItemLists: the lists of an arena's containers, numbered: sixteen bytes a list beside its items, however many there are.
//
// Thread-safety: that of a container. Ownership: owns the items; a span of them is valid until its list grows.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "holdall/base/plain_vector.h"

namespace holdall {

class ItemLists {
 public:
  using Item = std::uint32_t;

  ItemLists() = default;
  ItemLists(const ItemLists& other);
  ItemLists& operator=(const ItemLists&) = delete;
  ~ItemLists();

  std::size_t size() const noexcept { return lists_.size(); }
  // Adds a list and returns its number.
  std::uint32_t add(std::span<const Item> items);
  void push_back(std::uint32_t list, Item item);
  std::span<const Item> operator[](std::uint32_t list) const noexcept { return {lists_[list].items, lists_[list].size}; }
  std::span<Item> operator[](std::uint32_t list) noexcept { return {lists_[list].items, lists_[list].size}; }
  std::uint64_t memory() const noexcept { return lists_.size() * sizeof(List) + item_bytes_; }

  // A moment in the life of the lists, to go back to.
  struct Mark {
    std::uint32_t lists = 0;
    std::uint32_t blocks = 0;
    std::uint32_t block_size = 0;
    std::uint32_t used = 0;
    std::uint64_t item_bytes = 0;
  };
  Mark mark() const noexcept;
  // Takes away the lists made since. Precondition: none of the others has grown since.
  void rewind(const Mark& mark) noexcept;

 private:
  struct List {
    Item* items;
    std::uint32_t size;
    std::uint32_t capacity;  // above kMostTogether: the items have memory of their own
  };
  static constexpr std::uint32_t kMostTogether = 512;
  static constexpr std::uint32_t kLeastBlock = 64;
  static constexpr std::uint32_t kMostBlock = 16'384;
  Item* take(std::uint32_t count);
  void grow(List& list);

  PlainVector<List> lists_;
  std::vector<std::unique_ptr<Item[]>> blocks_;  // for short lists
  std::uint32_t block_size_ = 0;                 // of the last block, in items
  std::uint32_t used_ = 0;                       // likewise
  std::uint64_t item_bytes_ = 0;
};

}  // namespace holdall

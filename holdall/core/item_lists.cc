#include "holdall/core/item_lists.h"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace holdall {

ItemLists::ItemLists(const ItemLists& other) {
  for (std::uint32_t i = 0; i < other.size(); ++i) add(other[i]);
}

ItemLists::~ItemLists() {
  for (const List& list : lists_)
    if (list.capacity > kMostTogether) std::free(list.items);
}

ItemLists::Item* ItemLists::take(std::uint32_t count) {
  if (count > block_size_ - used_) {
    block_size_ = blocks_.empty() ? kLeastBlock : std::min(2 * block_size_, kMostBlock);
    if (block_size_ < count) block_size_ = kMostBlock;
    blocks_.push_back(std::make_unique_for_overwrite<Item[]>(block_size_));
    used_ = 0;
  }
  used_ += count;
  item_bytes_ += count * sizeof(Item);
  return blocks_.back().get() + (used_ - count);
}

ItemLists::Mark ItemLists::mark() const noexcept {
  return {static_cast<std::uint32_t>(lists_.size()), static_cast<std::uint32_t>(blocks_.size()), block_size_, used_,
          item_bytes_};
}

void ItemLists::rewind(const Mark& mark) noexcept {
  for (std::size_t i = mark.lists; i < lists_.size(); ++i)
    if (lists_[i].capacity > kMostTogether) std::free(lists_[i].items);
  lists_.resize(mark.lists);
  // A block begun since is kept, or lists that come and go at a block's end would have one allocated each time.
  if (blocks_.size() == mark.blocks + 1u) {
    used_ = 0;
  } else {
    blocks_.resize(mark.blocks);
    block_size_ = mark.block_size;
    used_ = mark.used;
  }
  item_bytes_ = mark.item_bytes;
}

std::uint32_t ItemLists::add(std::span<const Item> items) {
  if (items.size() > UINT32_MAX) throw std::bad_alloc();
  const auto size = static_cast<std::uint32_t>(items.size());
  List list{nullptr, size, size};
  if (size > kMostTogether) {
    list.items = static_cast<Item*>(std::malloc(size * sizeof(Item)));
    if (list.items == nullptr) throw std::bad_alloc();
    item_bytes_ += size * sizeof(Item);
  } else if (size > 0) {
    list.items = take(size);
  }
  std::copy(items.begin(), items.end(), list.items);
  lists_.push_back(list);
  return static_cast<std::uint32_t>(lists_.size() - 1);
}

void ItemLists::push_back(std::uint32_t list, Item item) {
  List& grown = lists_[list];
  if (grown.size == grown.capacity) grow(grown);
  grown.items[grown.size++] = item;
}

// A short list moves to where it fits, unless it is the last of its block, which has room behind it.
void ItemLists::grow(List& list) {
  if (list.capacity > UINT32_MAX / 2) throw std::bad_alloc();
  const std::uint32_t capacity = std::max<std::uint32_t>(2, 2 * list.capacity);
  if (capacity <= kMostTogether) {
    const bool is_last = list.capacity > 0 && list.items + list.capacity == blocks_.back().get() + used_;
    if (is_last && capacity - list.capacity <= block_size_ - used_) {
      take(capacity - list.capacity);
    } else {
      Item* const items = take(capacity);
      std::copy_n(list.items, list.size, items);
      list.items = items;
    }
  } else {
    const bool apart = list.capacity > kMostTogether;
    auto* const items = static_cast<Item*>(std::realloc(apart ? list.items : nullptr, std::size_t{capacity} * sizeof(Item)));
    if (items == nullptr) throw std::bad_alloc();
    if (!apart) std::copy_n(list.items, list.size, items);
    list.items = items;
    item_bytes_ += std::uint64_t{capacity - (apart ? list.capacity : 0)} * sizeof(Item);
  }
  list.capacity = capacity;
}

}  // namespace holdall

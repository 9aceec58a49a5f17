#include "holdall/formats/onnx/rewrite.h"

#include <algorithm>

namespace holdall::onnx {

std::uint64_t Edit::size() const noexcept {
  std::uint64_t size = 0;
  for (const Blob& piece : pieces) size += piece.size();
  return size;
}

std::string field_head(std::uint32_t number, std::uint64_t size) {
  std::string head;
  append_varint(head, std::uint64_t{number} << 3 | static_cast<std::uint64_t>(ProtoWire::kBytes));
  append_varint(head, size);
  return head;
}

Blob literal(std::string text) { return Blob::memory(Bytes::adopt(std::move(text)), "new"); }

void Rewrite::replace(std::uint32_t message, std::uint64_t begin, std::uint64_t end, std::vector<Blob> pieces) {
  edits_.push_back({message, begin, end, std::move(pieces)});
}

void Rewrite::append(std::uint32_t message, std::vector<Blob> pieces) {
  const std::uint64_t end = messages_[message].begin + messages_[message].size;
  replace(message, end, end, std::move(pieces));
}

// A message's number is larger than that of the one around it: from the last to the first, each is done before its parent.
void Rewrite::follow_lengths() {
  std::vector<std::int64_t> grown(messages_.size(), 0);
  for (const Edit& edit : edits_)
    grown[edit.message] += static_cast<std::int64_t>(edit.size()) - static_cast<std::int64_t>(edit.end - edit.begin);
  for (std::uint32_t i = static_cast<std::uint32_t>(messages_.size()); i-- > 1;) {
    if (grown[i] == 0) continue;
    const Message& message = messages_[i];
    std::string head = field_head(message.number, message.size + static_cast<std::uint64_t>(grown[i]));
    const auto before = static_cast<std::int64_t>(message.begin - message.key);
    grown[message.parent] += grown[i] + static_cast<std::int64_t>(head.size()) - before;
    edits_.push_back({message.parent, message.key, message.begin, {literal(std::move(head))}});
  }
}

Status Rewrite::add_to(PlannedFile& into, const Blob& file) && {
  follow_lengths();
  // What is put in at a place stands before what is exchanged from there on.
  std::stable_sort(edits_.begin(), edits_.end(), [](const Edit& a, const Edit& b) {
    return a.begin != b.begin ? a.begin < b.begin : (a.begin == a.end) && (b.begin != b.end);
  });
  std::uint64_t done = 0;
  for (Edit& edit : edits_) {
    if (edit.begin > done) {
      HOLDALL_ASSIGN(Blob before, file.slice(done, edit.begin - done));
      into.add(std::move(before));
    }
    done = edit.end;
    for (Blob& piece : edit.pieces)
      if (piece.size() != 0) into.add(std::move(piece));
  }
  if (done < file.size() || edits_.empty()) {
    HOLDALL_ASSIGN(Blob rest, file.slice(done, file.size() - done));
    into.add(std::move(rest));
  }
  return {};
}

}  // namespace holdall::onnx

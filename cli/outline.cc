#include "cli/outline.h"

#include <algorithm>
#include <ranges>
#include <unordered_set>

#include "cli/style.h"
#include "holdall/base/text.h"
#include "holdall/core/children.h"

namespace holdall::cli {
namespace {

constexpr std::size_t kMostNodes = 100'000;  // of a walk that only counts
constexpr std::size_t kMostEntries = 24;     // of one level of an outline
constexpr std::size_t kMostTensors = 4;      // of one level, one by one
constexpr unsigned kMostLevels = 4;
constexpr unsigned kShort = 28;       // of a value among others on a line
constexpr unsigned kMostNesting = 8;  // within one line

bool is_dict_like(Value value) noexcept {
  if (value.is(ValueKind::kDict)) return true;
  return value.is(ValueKind::kObject) && (!value.as_object().pairs.empty() || value.as_object().state != kNoNode);
}

// An OrderedDict's attributes (torch's `_metadata`) are beside the point of a dict.
NodeId shown_state(const ObjectParts& parts) noexcept { return parts.pairs.empty() ? parts.state : kNoNode; }

void push_children(Value value, std::vector<Value>& out) {
  if (value.is(ValueKind::kDict)) {
    for (std::size_t i = 0; i < value.size(); ++i) out.push_back(value.mapped(i));
  } else if (is_sequence(value.kind())) {
    for (std::size_t i = 0; i < value.size(); ++i) out.push_back(value.item(i));
  } else if (value.is(ValueKind::kObject)) {
    const ObjectParts& parts = value.as_object();
    const Value args = value.of(parts.args);
    for (std::size_t i = 0; args && is_sequence(args.kind()) && i < args.size(); ++i) out.push_back(args.item(i));
    for (const NodeId id : {parts.kwargs, shown_state(parts)}) {
      if (id != kNoNode) out.push_back(value.of(id));
    }
    for (const NodeId id : parts.items) out.push_back(value.of(id));
    for (std::size_t i = 1; i < parts.pairs.size(); i += 2) out.push_back(value.of(parts.pairs[i]));
  }
}

std::size_t most_children(Value value) {
  if (!value.is(ValueKind::kObject)) return value.size();
  return value.as_object().items.size() + value.as_object().pairs.size() / 2;
}

struct Census {
  std::uint64_t tensors = 0;
  bool plain = false;    // something that is neither tensor nor container
  bool complete = true;  // false: too many nodes to see them all
};

Census census(Value root) {
  Census found;
  std::vector<Value> open{root};
  std::unordered_set<NodeId> seen;
  while (!open.empty()) {
    const Value value = open.back();
    open.pop_back();
    if (!seen.insert(value.id()).second) continue;
    if (seen.size() > kMostNodes) {
      found.complete = false;
      break;
    }
    const std::size_t before = open.size();
    if (is_container(value.kind()) && !value.is(ValueKind::kTensor) && most_children(value) > kMostNodes) {
      found.complete = false;
      break;
    }
    push_children(value, open);
    if (value.is(ValueKind::kTensor)) {
      ++found.tensors;
    } else if (open.size() == before && !is_sequence(value.kind()) && !value.is(ValueKind::kDict)) {
      // An object without parts is a plain value; an empty OrderedDict is a container like any other.
      found.plain = found.plain || !value.is(ValueKind::kObject);
    }
  }
  return found;
}

std::string callee_name(Value object) {
  const Value callee = object.of(object.as_object().callee);
  if (!callee.is(ValueKind::kGlobal)) return "object";
  return printable(text("{}.{}", callee.global_module(), callee.global_name()));
}

std::string quoted(std::string_view content, std::size_t room) {
  const std::string_view start = content.substr(0, 4 * room + 8);
  return "\"" + printable(start) + (start.size() < content.size() ? "…" : "\"");
}

std::string key_text(Value key, std::size_t room);

// Writes one line, and stops growing once it is longer than anyone will show.
class Line {
 public:
  explicit Line(std::size_t room) : room_(room) {}

  void value(Value value, unsigned nesting) {
    switch (value.kind()) {
      case ValueKind::kNull:
        out_ += "null";
        return;
      case ValueKind::kBool:
        out_ += value.as_bool() ? "true" : "false";
        return;
      case ValueKind::kInt:
        out_ += text("{}", value.as_int());
        return;
      case ValueKind::kBigInt:
        out_ += value.as_big_int().substr(0, room_ + 1);
        return;
      case ValueKind::kFloat:
        out_ += value.float_spelling().empty() ? text("{}", value.as_float()) : std::string(value.float_spelling());
        return;
      case ValueKind::kComplex:
        out_ += text("{}{:+}j", value.as_complex().real(), value.as_complex().imag());
        return;
      case ValueKind::kString:
        out_ += quoted(value.as_string(), room_);
        return;
      case ValueKind::kBytes:
        out_ += text("bytes ({})", human_bytes(value.bytes_size()));
        return;
      case ValueKind::kTensor:
        out_ += "tensor";
        return;
      case ValueKind::kGlobal:
        out_ += printable(text("{}.{}", value.global_module(), value.global_name()));
        return;
      case ValueKind::kList:
        sequence(value, nesting, "[", "]");
        return;
      case ValueKind::kTuple:
        sequence(value, nesting, "(", ")");
        return;
      case ValueKind::kSet:
      case ValueKind::kFrozenSet:
        sequence(value, nesting, "{", "}");
        return;
      case ValueKind::kDict:
        dict(value, nesting);
        return;
      case ValueKind::kObject:
        object(value, nesting);
        return;
    }
  }

  std::string take() && { return std::move(out_); }

 private:
  bool full() const noexcept { return out_.size() > 4 * room_; }

  bool only_tensors(Value value) {
    const Census found = census(value);
    if (found.tensors == 0 || found.plain || !found.complete) return false;
    out_ += counted(found.tensors, "tensor", "tensors");
    return true;
  }

  void sequence(Value value, unsigned nesting, std::string_view open, std::string_view close) {
    if (nesting == 0) {
      out_ += "…";
      return;
    }
    if (value.size() > 1 && only_tensors(value)) return;
    out_ += open;
    // A line that is too long ends in the number of items, which says more than the next one.
    const std::size_t begin = out_.size();
    const std::string end = text(", … {} items{}", grouped(value.size()), close);
    for (std::size_t i = 0; i < value.size() && !full(); ++i) {
      const std::size_t before = out_.size();
      if (i != 0) out_ += ", ";
      this->value(value.item(i), nesting - 1);
      if (i > 0 && i + 1 < value.size() && out_.size() + end.size() > std::max<std::size_t>(room_, begin + 24)) {
        out_.resize(before);
        out_ += end;
        return;
      }
    }
    out_ += close;
  }

  void dict(Value value, unsigned nesting) {
    if (nesting == 0) {
      out_ += "{…}";
      return;
    }
    if (value.size() != 0 && only_tensors(value)) return;
    out_ += '{';
    for (std::size_t i = 0; i < value.size() && !full(); ++i) {
      if (i != 0) out_ += ", ";
      out_ += key_text(value.key(i), room_) + ": ";
      this->value(value.mapped(i), nesting - 1);
    }
    out_ += '}';
  }

  void object(Value value, unsigned nesting) {
    if (nesting != 0 && is_dict_like(value) && only_tensors(value)) return;
    out_ += callee_name(value);
    if (nesting == 0) return;
    out_ += '(';
    bool first = true;
    for (const Entry& entry : entries(value, 16)) {
      if (full()) break;
      if (!std::exchange(first, false)) out_ += ", ";
      if (!entry.key.starts_with('#')) out_ += entry.key + ": ";
      this->value(entry.value, nesting - 1);
    }
    out_ += ')';
  }

  std::size_t room_;
  std::string out_;
};

std::string key_text(Value key, std::size_t room) {
  if (key.is(ValueKind::kString)) return printable(key.as_string().substr(0, 4 * room + 8));
  Line line(room);
  line.value(key, 2);
  return std::move(line).take();
}

class Outline {
 public:
  Outline(Console& console, unsigned indent) : console_(console), indent_(indent) {}

  void print(Value value, unsigned level) {
    std::vector<Entry> shown = level_entries(value);
    const std::size_t all = shown.size();
    const std::uint64_t tensors = fold_tensors(shown);
    const std::size_t left = shown.size() - std::min(shown.size(), kMostEntries);
    shown.resize(shown.size() - left);
    std::size_t widest = 0;
    for (const Entry& entry : shown) widest = std::max<std::size_t>(widest, display_width(entry.key));
    const unsigned indent = indent_ + 2 * level;
    const auto column = static_cast<unsigned>(std::min<std::size_t>(widest, 28));
    for (const Entry& entry : shown) print_entry(entry, level, indent, column);
    if (tensors != 0) print_faint(indent, counted(tensors, "tensor", "tensors"));
    if (left != 0) print_faint(indent, text("… {} more", grouped(left)));
    if (all == kMostNodes) print_faint(indent, "… and more");
  }

 private:
  void print_faint(unsigned indent, std::string_view line) {
    console_.line(std::string(indent, ' ') + console_.paint(Ink::kFaint, line));
  }

  static std::vector<Entry> level_entries(Value value) {
    if (!is_sequence(value.kind())) return entries(value, kMostNodes);
    std::vector<Entry> out;
    for (std::size_t i = 0; i < value.size() && i < kMostNodes; ++i) out.push_back({text("{}", i), value.item(i)});
    return out;
  }

  // Many tensors of one level are a number; they have their own section.
  static std::uint64_t fold_tensors(std::vector<Entry>& entries) {
    const auto is_tensor = [](const Entry& entry) { return entry.value.is(ValueKind::kTensor); };
    const auto tensors = static_cast<std::size_t>(std::ranges::count_if(entries, is_tensor));
    if (tensors <= kMostTensors) return 0;
    std::erase_if(entries, is_tensor);
    return tensors;
  }

  // Keys and values of a small dict one behind another, when each is short.
  bool print_flow(std::string lead, Value value, unsigned used, unsigned room) {
    struct Unit {
      std::string key, value;
    };
    std::vector<Unit> units;
    if (!is_dict_like(value)) return false;
    for (const Entry& entry : entries(value, kMostEntries + 1)) {
      const bool list = is_sequence(entry.value.kind()) && !opens(entry.value);
      units.push_back({cut_end(entry.key, 30), brief(entry.value, list ? kShort : 2 * kShort)});
      const unsigned width = display_width(units.back().value);
      if (width > kShort || display_width(units.back().key) + 1 + width > room || units.size() > kMostEntries) return false;
    }
    unsigned filled = 0;
    for (const Unit& unit : units) {
      const unsigned width = display_width(unit.key) + 1 + display_width(unit.value);
      if (filled != 0 && filled + 3 + width > room) {
        console_.line(lead);
        lead.assign(used, ' ');
        filled = 0;
      }
      if (filled != 0) lead += "   ";
      lead += console_.paint(Ink::kFaint, unit.key) + " " + unit.value;
      filled += width + (filled != 0 ? 3 : 0);
    }
    console_.line(lead);
    return true;
  }

  // Opening a level pays where its own entries are containers or too many for a line.
  static bool opens(Value value) {
    if (is_dict_like(value)) return true;
    if (!is_sequence(value.kind())) return false;
    for (std::size_t i = 0; i < value.size() && i < 4; ++i) {
      if (is_dict_like(value.item(i))) return true;
    }
    return false;
  }

  void print_entry(const Entry& entry, unsigned level, unsigned indent, unsigned column) {
    const std::string key = cut_end(entry.key, 40);
    const unsigned used = indent + std::max(column, display_width(key)) + 2;
    const unsigned room = console_.width() > used + 12 ? console_.width() - used : 12;
    const std::string line = brief(entry.value, 4 * room);
    const std::string head = std::string(indent, ' ') + console_.paint(Ink::kAccent, key);
    const std::string filler(used - indent - display_width(key), ' ');
    if (display_width(line) <= room || level + 1 >= kMostLevels || !opens(entry.value)) {
      console_.line(head + filler + (display_width(line) <= room ? line : brief(entry.value, room)));
      return;
    }
    if (print_flow(head + filler, entry.value, used, room)) return;
    const bool named = entry.value.is(ValueKind::kObject);
    console_.line(named ? head + filler + console_.paint(Ink::kFaint, cut_end(callee_name(entry.value), room)) : head);
    print(entry.value, level + 1);
  }

  Console& console_;
  unsigned indent_;
};

// An attribute that holds nothing: an object has dozens of them (a module's hooks).
bool is_hollow(Value value) {
  std::vector<Value> children;
  push_children(value, children);
  if (!children.empty()) return false;
  return value.is(ValueKind::kDict) || is_sequence(value.kind()) ||
         (value.is(ValueKind::kObject) && value.as_object().callee != kNoNode);
}

std::string pointer_part(std::string_view key) {
  std::string out;
  for (const char c : key) out.append(c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c));
  return out;
}

}  // namespace

std::vector<Entry> entries(Value value, std::size_t most) {
  std::vector<Entry> out;
  const auto add_dict = [&](Value dict) {
    for (std::size_t i = 0; i < dict.size() && out.size() < most; ++i)
      out.push_back({key_text(dict.key(i), 200), dict.mapped(i)});
  };
  if (value.is(ValueKind::kDict)) add_dict(value);
  if (!value.is(ValueKind::kObject)) return out;
  const ObjectParts& parts = value.as_object();
  const Value args = value.of(parts.args);
  for (std::size_t i = 0; args && is_sequence(args.kind()) && i < args.size() && out.size() < most; ++i) {
    out.push_back({text("#{}", i), args.item(i)});
  }
  if (const Value kwargs = value.of(parts.kwargs); kwargs && kwargs.is(ValueKind::kDict)) add_dict(kwargs);
  for (std::size_t i = 0; i + 1 < parts.pairs.size() && out.size() < most; i += 2) {
    out.push_back({key_text(value.of(parts.pairs[i]), 200), value.of(parts.pairs[i + 1])});
  }
  for (std::size_t i = 0; i < parts.items.size() && out.size() < most; ++i)
    out.push_back({text("#{}", i), value.of(parts.items[i])});
  if (const Value state = value.of(shown_state(parts)); state && state.is(ValueKind::kDict)) {
    for (std::size_t i = 0; i < state.size() && out.size() < most; ++i) {
      if (!is_hollow(state.mapped(i))) out.push_back({key_text(state.key(i), 200), state.mapped(i)});
    }
  } else if (state && out.size() < most) {
    out.push_back({"#state", state});
  }
  return out;
}

bool holds_plain_values(Value value) {
  const Census found = census(value);
  return found.plain || !found.complete;
}

std::string brief(Value value, unsigned columns) {
  Line line(columns);
  line.value(value, kMostNesting);
  return cut_end(std::move(line).take(), columns);
}

void print_outline(Console& console, Value value, unsigned indent) {
  if (is_dict_like(value) || (is_sequence(value.kind()) && value.size() != 0)) {
    Outline(console, indent).print(value, 0);
  } else {
    console.line(std::string(indent, ' ') + brief(value, console.width() > indent + 12 ? console.width() - indent : 12));
  }
}

void for_each_leaf(Value root, const std::function<void(std::string_view pointer, Value leaf)>& use) {
  // A dict at a time, its entries one by one: pointers may be long and entries many.
  struct Open {
    Value dict;
    std::size_t next;
    std::size_t length;  // of its own pointer
  };
  std::string pointer;
  std::vector<Open> open;
  std::unordered_set<NodeId> seen;  // a dict met again is not opened again
  const auto visit = [&](Value value) {
    if (!value.is(ValueKind::kDict) || value.size() == 0) {
      if (!value.is(ValueKind::kTensor)) use(pointer, value);
    } else if (seen.insert(value.id()).second) {
      open.push_back({value, 0, pointer.size()});
    }
  };
  visit(root);
  while (!open.empty()) {
    Open& inner = open.back();
    pointer.resize(inner.length);
    if (inner.next == inner.dict.size()) {
      open.pop_back();
      continue;
    }
    const std::size_t i = inner.next++;
    const Value value = inner.dict.mapped(i);
    pointer += "/" + pointer_part(key_text(inner.dict.key(i), 200));
    visit(value);
  }
}

}  // namespace holdall::cli

// The pieces of interpret(), one a family of globals. Each gives one object a meaning, or leaves it as it is.
//
// Thread-safety: one thread an arena. Ownership: refers to the caller's arena and options.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/base/keyed_hash.h"
#include "holdall/objects/globals.h"
#include "holdall/objects/interpret.h"

namespace holdall {

// What one run has made already, so that a program that asks for it again and again costs no more.
struct Made {
  NumberMap<NodeId> encoded;  // bytes, by the text that they encode; kNoNode: it has no bytes
  // Storages of files that the pickle holds as bytes: by the bytes, and by the call that loads them, each of which makes its
  // own.
  NumberMap<std::optional<TypedStorage>> loaded;
  NumberMap<std::optional<TypedStorage>> by_call;
};

struct Interpretation {
  Arena& arena;
  const InterpretOptions& options;
  Made& made;
};

// Errors of all: corrupt, unsupported, limit for an object that claims what cannot be.
Status interpret_object(const Interpretation& context, NodeId object);
Status interpret_python(const Interpretation& context, NodeId object, Builder builder);
Status interpret_torch(const Interpretation& context, NodeId object, Builder builder);
Status interpret_numpy(const Interpretation& context, NodeId object, Builder builder);
// A storage that stands on its own, not within a tensor.
Status interpret_storage(const Interpretation& context, NodeId object);

// The builder of an object's callee; kObject when it is not a listed global.
Builder builder_of(Value object) noexcept;
// The arguments of an object; an empty list where it has none or they are no tuple.
std::vector<Value> arguments(Value object);
// The bytes of a bytes value, of a text in Latin-1 that _codecs.encode would make them of, or of a Python 2 string. Empty when
// `value` is none of them.
std::optional<Blob> bytes_of(Value value);
// The same in memory, for names and codes.
std::optional<std::string> short_text(Value value);
// Whether this names Latin-1 as picklers name it for _codecs.encode.
bool is_latin1(Value encoding) noexcept;
// A list or tuple of integers, or a torch.Size of one; empty for anything else.
std::optional<std::vector<std::int64_t>> integers(Value value);
// Sets `key` in the attributes of a tensor node.
void set_attribute(Arena& arena, TensorNode& tensor, std::string_view key, NodeId value);

}  // namespace holdall

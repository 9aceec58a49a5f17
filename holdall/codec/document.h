// The document form of a value tree: JSON, as surface.md defines it. It is what `inspect --json` shows as "tree" and what
// travels as `holdall.tree` in containers that have no tree of their own.
//
// null, booleans, integers, finite floats, texts     as they are (bytes of a text that are not UTF-8 as \udc80 to \udcff)
// {"$float":"nan"} "inf" "-inf"                       with "bits":"<16 hex digits>" for a NaN other than Python's
// {"$complex":[re,im]}  {"$bytes":"base64"}  {"$bytes_omitted":N}
// [v, …]  {"$tuple":[v, …]}  {"$set":[v, …]}  {"$frozenset":[v, …]}
// {"key":v, …}                                        a dict whose keys are all texts that do not start with '$'
// {"$dict":[[key, v], …]}                             any other dict
// {"$tensor":"name","parameter":true,"requires_grad":true,"attributes":{…}}
// {"$global":"module.name"}                           with "module":"…" where the name itself has a dot
// {"$object":"module.Class","module":"…","new":true,"args":[…],"kwargs":{…},"state":v,"items":[…],"pairs":[[key, v], …]}
//                                                     "$object":[v] where what is called is no global, null where nothing is;
//                                                     "new" where the class's __new__ is called and not the class itself
//
// Only what is there is written. A list, tuple, set, dict, tensor or object that is met twice (sharing, cycles) carries "id":N
// the first time, which a list and a dict do in the forms {"$list":[v, …],"id":N} and {"$dict":[[key, v], …],"id":N}, and is
// {"$ref":N} afterwards; so does a text, bytes, a global or an integer of more than 128 bytes: {"$text":"…","id":N},
// {"$bytes":"…","id":N}, {"$global":"…","id":N}, {"$int":…,"id":N}. Arguments that are no tuple, or a shared one, stand as
// "args":v in their `$` form; a key and a callee that are shared themselves stand in "$dict" and in "$object":[v].
//
// Neither direction recurses: depth is bounded by Limits::depth, not by the stack.
#pragma once

#include <functional>
#include <string>

#include "holdall/codec/json.h"
#include "holdall/core/value.h"

namespace holdall {

struct DocumentOptions {
  // Bytes values longer than this are cut in the document as {"$bytes_omitted":N}; 0: never (holdall.tree).
  std::uint64_t most_bytes = 0;
};

// JSON levels that one level of values takes at most in its document.
inline constexpr std::uint32_t kDocumentLevels = 4;

// Writes the tree of `root`. `tensor_name` gives the name for a TensorNode::index. Errors: those of reading bytes on disk.
Status write_document(JsonWriter& writer, Value root, const std::function<std::string_view(std::uint32_t)>& tensor_name,
                      const DocumentOptions& options = {});

// Reads such a document (already parsed as plain JSON in `arena`, with JsonOptions::Surrogates::kBytes) back into values.
// `tensor_index` gives the index of a tensor name. Errors: corrupt for an unknown `$` key, a dangling `$ref` or tensor name,
// bytes that were cut; limit for more than `depth` levels.
Result<NodeId> read_document(Arena& arena, Value json,
                             const std::function<Result<std::uint32_t>(std::string_view)>& tensor_index, std::uint32_t depth);

}  // namespace holdall

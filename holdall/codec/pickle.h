// Pickle, protocols 0 to 5 (CPython's pickletools is the specification): a complete machine whose calls are recorded and never
// made. And a writer of protocols 2 and 4.
//
// What Python would import becomes a kGlobal; what it would call becomes a kObject with callee, arguments, state, items and
// pairs. Plain values become plain values. A persistent id becomes a kObject whose callee is the global ("", "persistent_id")
// and whose args hold the id; an extension code one whose callee is the global ("copyreg", "extension"); an out-of-band buffer
// one whose callee is ("", "next_buffer") and whose args hold its number, made read-only by ("", "readonly_buffer"). A
// bytearray is a call of ("builtins", "bytearray") with bytes. Computed arguments of a call are the only item of `args`, or the
// value of the key
// "**" of `kwargs`. Names that Python 2 wrote (protocols below 3) are those that Python 3 imports: __builtin__ is builtins.
//
// Python 2's byte strings (STRING, BINSTRING, SHORT_BINSTRING) are strings where they are UTF-8 without NUL, else bytes.
// The meaning of objects is given afterwards, by objects/.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>
#include <variant>
#include <vector>

#include "holdall/base/limits.h"
#include "holdall/codec/pickle_emitter.h"
#include "holdall/core/value.h"

namespace holdall {

struct PickleImport {
  NodeId global = kNoNode;
  std::uint64_t offset = 0;  // of the opcode in the source
  bool computed = false;     // the names did not come from constants pushed for it
};

enum class PickleCallKind : std::uint8_t {
  kReduce,
  kNewObject,
  kInstance,
  kBuild,
  kSetItems,
  kAppend,
  kExtension,
  kPersistent
};

struct PickleCall {
  PickleCallKind kind = PickleCallKind::kReduce;
  NodeId object = kNoNode;  // the kObject (or, for kBuild, kSetItems, kAppend on an import, the kGlobal) concerned
  std::uint64_t offset = 0;
  NodeId state = kNoNode;  // kBuild: what is given, whichever state the object has in the end
};

struct PickleOptions {
  Limits limits;
  // Bytes that are read at first: few where many small pickles lie between other data.
  std::uint64_t read_first = 64u << 10;
  // Bytes from this size on stay on disk as blobs of the source. Text is always in memory.
  std::uint64_t keep_on_disk_from = 4096;
  // Integers of more than 1,024 bytes become a large one of other digits instead of a failure: for those who judge alone.
  bool shorten_integers = false;
  // Called after a BUILD whose object is complete, with the offset behind it: a container that puts raw data there (joblib)
  // returns how many bytes to pass over.
  std::function<Result<std::uint64_t>(NodeId object, std::uint64_t offset)> after_build = {};
  // The node that a persistent id stands for, the same for the same id, where the caller knows them before. Absent: each is an
  // object, as above. Its error is the run's.
  std::function<Result<NodeId>(Value id)> persistent = {};
  // Called for every call as it is made, for those who are done with it then: may give the object another content, and returns
  // whether that is now a tensor that refers to nothing. What was made for the call alone is then forgotten: `calls`, the last
  // of which is this one, and the nodes of their arguments. None: it is not known to be alone, and nothing is forgotten.
  // See PickleProgram::forgot_too_much.
  std::function<bool(NodeId object, std::span<const PickleCall> calls)> settle = {};
};

// What no pickler writes by itself.
struct PickleOddity {
  enum class Kind : std::uint8_t {
    kFrame,      // an opcode straddles the end of its frame, or a frame begins inside another: also the run's error
    kProtocol,   // an opcode of a higher protocol than the declared one
    kBuild,      // a second BUILD replaced an object's state
    kArguments,  // a call whose arguments are computed
    kBuffer,     // data outside of the file (out-of-band buffers)
    kCost,       // Python takes time or memory without bounds for it
    kReplaced,   // an entry of a dict was replaced, so that what a call was given before is no longer to be seen
  } kind = Kind::kFrame;
  std::uint64_t offset = 0;  // of the opcode in the source
  std::string what;
};

// What a run of the machine gave. When `error` is set, everything up to the failing opcode is still here: a scanner judges
// the prefix too.
struct PickleProgram {
  NodeId root = kNoNode;  // what STOP returned
  std::uint64_t end = 0;  // offset behind STOP (or of the failing opcode)
  std::uint64_t opcodes = 0;
  int protocol = 0;  // the highest that an opcode or PROTO asked for
  PlainVector<PickleImport> imports;
  PlainVector<PickleCall> calls;
  std::uint64_t forgotten = 0;         // calls that PickleOptions::settle let go
  std::vector<PickleOddity> oddities;  // at most a hundred, or one of each kind beyond
  std::unordered_set<NodeId> passed;   // imports that became part of a value: an argument, an item, a key, a state
  std::optional<Error> error;
  bool cut_short = false;  // the error is that bytes are missing
  // The error is one that readers of pickle differ in: the one written in Python, which joblib takes, goes on, or the one in C.
  bool is_read_otherwise = false;
  // The error is that an opcode wants what PickleOptions::settle let go: the program must be run without it, in a new arena. No
  // pickler writes such programs.
  bool forgot_too_much = false;
};

// Runs one pickle that starts at `offset` of `source`. Memory: a window of the source and the values made.
PickleProgram run_pickle(Arena& arena, const SourceRef& source, std::uint64_t offset, const PickleOptions& options = {});

// Whether a byte is an opcode of some protocol; the highest protocol there is.
bool is_pickle_opcode(unsigned char byte) noexcept;
inline constexpr int kHighestPickleProtocol = 5;

// A pickle in pieces: bytes that are in memory, or a blob.
using PicklePiece = std::variant<std::string, Blob>;

struct PickleWriteOptions {
  int protocol = 2;  // 2 or 4; only 4 says globals whose names have dots
  // Writes a tensor node in place (torch's persistent ids, NumPy's _reconstruct): returns a node to write instead, made in
  // `scratch`, whose globals and objects are written as such. A persistent id is an object with the callee ("",
  // "persistent_id").
  std::function<Result<NodeId>(Arena& scratch, Value tensor)> tensor = {};
  // Beside `tensor`: what stands raw behind the finished object that it made, given the offset in the file at which that
  // begins, as joblib has its arrays. The object goes into the memo behind it, where joblib has put the array in its place.
  std::function<std::vector<PicklePiece>(NodeId made, std::uint64_t offset)> behind = {};
  // Instead: emits a tensor node's opcodes, which must leave one value; globals, keys and shapes are fetched from the memo
  // where they repeat. It is called once for a node that is met several times.
  std::function<Status(PickleEmitter&, Value tensor)> spell = {};
  // Called for a value that pickle's opcodes cannot say (a call with keyword arguments, a text that is not UTF-8), before
  // anything is written: None takes its place. `where` is its path of keys, as in a tensor's name. Absent: it is an error.
  std::function<void(std::string where, std::string what)> lost = {};
  // Protocol 4: bytes from this size on become pieces of their own, which are not read. Below 4: nothing does.
  std::uint64_t apart_from = UINT64_MAX;
};

// Writes `root` (plain values, globals, objects; shared nodes are memoised, cycles through containers kept) as one pickle.
// Errors: unsupported for what pickle's opcodes cannot say, unless it may be lost, and for a cycle that no container closes;
// those of reading bytes that are on disk.
Result<std::vector<PicklePiece>> write_pickle_pieces(Value root, const PickleWriteOptions& options);
// The same in memory, bytes on disk read.
Result<std::string> write_pickle(Value root, PickleWriteOptions options);

}  // namespace holdall

// judge(): what Python's own unpickler would do with a pickle program, told from the record of the machine that ran it here.
//
// Every import is judged by its exact (module, name) pair at the opcode that makes it, whether or not its result survives on
// the stack; so are names that were computed, extension codes, and BUILD, SETITEM or APPEND on something imported.
// torch.storage._load_from_bytes, which has torch.load open a file that the program itself holds, does what that file does:
// called with constant bytes alone, and passed to nobody who could call it with others, it is as inert as they are. So are
// Keras' models (judge_keras.h).
// Thread-safety: pure. Ownership: findings own their texts.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "holdall/codec/pickle.h"
#include "holdall/objects/verdict.h"

namespace holdall {

// Judges a file that a program holds as bytes and has a format's own loader open ("pytorch", "keras"); `where` is the call that
// loads it ("model.pkl@1042").
using JudgeNested =
    std::function<void(std::string_view format, const Blob& file, const std::string& where, Findings& findings)>;

// Lets go of torch's dense tensors as the pickle machine makes them (its PickleOptions::settle), where judge() would have
// nothing to say about any call that goes with them: a rebuild function given a storage by its persistent id, numbers and
// empty OrderedDicts, all made for it alone. Their imports are judged as ever. A file of very many small tensors would
// otherwise have all their arguments in memory at once.
class HarmlessTensors {
 public:
  // `storage` is told the persistent ids that go. Refers to the arena, which must outlive it.
  HarmlessTensors(Arena& arena, std::function<void(Value id)> storage) : arena_(arena), storage_(std::move(storage)) {}
  bool operator()(NodeId object, std::span<const PickleCall> calls);

 private:
  Arena& arena_;
  std::function<void(Value id)> storage_;
};

// Appends what was found; nothing for a program that is inert and understood to its end. `where` is the place of the program
// ("model.pt!archive/data.pkl"). A program with an error is unreadable beside whatever its prefix does. Without `nested` what
// loads bytes is code.
void judge(const Arena& arena, const PickleProgram& program, std::string_view where, Findings& findings,
           const JudgeNested& nested = {});

}  // namespace holdall

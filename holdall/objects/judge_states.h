// What objects that are known to be inert are given after they were made: BUILD's states, SETITEM's and APPEND's items.
//
// A state becomes attributes, and an object's own attributes come before the methods of its class: what loading calls by name
// would be what the file put there. So a state is a dict by plain names; what stands under the names of methods, of hooks and
// of Python's own protocols ("__array_interface__" has NumPy read and write wherever it says) is no function and no object;
// and nothing changes an object behind its state, by which picklers end it.
// Thread-safety: one thread. Ownership: refers to the caller's arena.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "holdall/codec/pickle.h"
#include "holdall/objects/clean_nodes.h"
#include "holdall/objects/globals.h"

namespace holdall {

class StateJudge {
 public:
  using Offence =
      std::optional<std::string>;  // what an object is given: "a state that is an object of collections.OrderedDict"

  explicit StateJudge(const Arena& arena) : arena_(arena) {}

  // Calls in the order of the program. What a BUILD gives, or a call that gives a state by itself: those may be followed by
  // one.
  Offence build(Value object, NodeId state);
  Offence given_by_call(Value object, NodeId state);
  // What copyreg makes an object of, where that becomes attributes.
  Offence entries_of_call(Value object, Value value);
  // SETITEM(S) or APPEND(S) on an object.
  Offence items(Value object, PickleCallKind kind);

 private:
  Offence partial(Value state);
  Offence for_function(Value value);
  Offence entries(const GlobalRow& row, Value object);
  Offence attributes(const GlobalRow& row, Value state);
  Offence sequence(const GlobalRow& row, Value state);
  Offence attribute(const GlobalRow& row, Value key, Value value);
  Offence zones(Value value);
  Offence hooks(Value hooks) const;
  Offence held(Value value);

  const Arena& arena_;
  CleanNodes clean_;  // nodes that hold no function that only picklers call
  CleanNodes zones_;  // nodes that name no file
  CleanNodes data_;   // nodes that hold data and what computes
  std::unordered_set<NodeId> built_;
  std::unordered_map<NodeId, std::size_t> looked_;  // how many of an object's keys and values entries() has seen
};

}  // namespace holdall

// The writer of pickles: pickle_writer.cc walks the values, pickle_faults.cc tells what cannot be said, PickleEmitter spells.
//
// Thread-safety: one thread. Ownership: refers to the caller's options and arena; owns what it has written.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "holdall/codec/pickle.h"
#include "holdall/codec/pickle_emitter.h"

namespace holdall {

class PickleWriter {
 public:
  PickleWriter(Value root, const PickleWriteOptions& options)
      : options_(options), code_(options.protocol), arenas_{&root.arena(), &scratch_}, root_(spot(0, root.id())) {}

  Result<std::vector<PicklePiece>> write();

 private:
  // A node of the model's arena or of the scratch arena in which tensors are spelled out.
  struct Spot {
    std::uint8_t arena = 0;
    NodeId node = kNoNode;
  };

  // What is known of a node.
  struct Note {
    std::uint32_t memo = kNoNode;     // its memo slot once written
    std::uint32_t entered = kNoNode;  // size of the memo when its writing last began, while it is being written
    NodeId instead = kNoNode;         // of the scratch arena, for a tensor and for what cannot be said
    enum class Walk : std::uint8_t { kNew, kOpen, kDone } walk = Walk::kNew;
    bool shared = false;
  };

  // A value whose children are being counted; `next` is behind the child at hand.
  struct Place {
    Spot spot;
    std::size_t next;
    std::size_t count;
  };

  // How a frame's children are written.
  enum class Stage : std::uint8_t { kParts, kItems, kPairs, kState };
  struct Frame {
    Spot spot;
    Stage stage = Stage::kParts;
    std::size_t next = 0;
  };

  static Spot spot(std::uint8_t arena, NodeId node) { return {arena, node}; }
  Value value(Spot at) const { return arenas_[at.arena]->at(at.node); }
  Note& note(Spot at) {
    std::vector<Note>& notes = notes_[at.arena];
    if (at.node >= notes.size()) notes.resize(arenas_[at.arena]->size());
    return notes[at.node];
  }
  // The node to write for a node that has been met: what stands in for it, if anything does.
  Spot resolved(Spot at) {
    const NodeId instead = note(at).instead;
    return instead == kNoNode ? at : spot(1, instead);
  }
  Status stand_in(Spot at, const std::vector<Place>& open);
  // An object that an opcode of its own makes from its arguments; its callee only says which.
  static bool is_opcode(const Value& object);
  std::string fault_of(const Value& of) const;
  std::string object_fault_of(const Value& of) const;
  std::string path_of(const std::vector<Place>& open) const;
  Spot child(Spot parent, const Value& of, std::size_t i) const;
  static bool has_children(ValueKind kind) {
    return kind >= ValueKind::kList && kind != ValueKind::kGlobal && kind != ValueKind::kTensor;
  }
  // Always written in place, and always sayable: nothing is noted about them.
  static bool is_plain(ValueKind kind) { return kind <= ValueKind::kInt || kind == ValueKind::kFloat; }

  Status count();
  Status meet(Spot raw, std::vector<Place>& open);
  Status begin(Spot at);
  void plain(const Value& of);
  Status begin_container(Spot at, const Value& of);
  Status resume();
  Status resume_batches(Frame& frame, const Value& of, std::size_t count, std::size_t unit, char one, char many);
  Status resume_parts(Frame& frame, const Value& of);
  Status resume_object(Frame& frame, const Value& of);
  Status resume_call(Frame& frame, const Value& of);
  Status finish_object(Frame& frame, const Value& of);
  bool finish(Spot at);
  void leave(Spot at);

  Status bytes(const Value& of);
  void memoise_if_shared(Spot at);
  bool has_behind(Spot at) const { return at.arena == 1 && behind_.contains(at.node); }
  void put_behind(Spot at);
  void add_piece(PicklePiece piece);

  const PickleWriteOptions& options_;
  PickleEmitter code_;
  Arena scratch_;
  std::array<const Arena*, 2> arenas_;
  Spot root_;
  std::array<std::vector<Note>, 2> notes_;
  std::vector<Frame> frames_;
  std::vector<PicklePiece> pieces_;    // finished ones
  std::uint64_t written_ = 0;          // bytes in them
  std::unordered_set<NodeId> behind_;  // objects of the scratch arena that something stands raw behind
  bool memoise_all_ = false;
};

}  // namespace holdall

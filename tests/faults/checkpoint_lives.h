// The lives of Checkpointers on a simulated file system, which the fault tests cut short in every way: what was there before,
// what is saved, and what must be found afterwards.
#pragma once

#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "holdall/checkpoint/checkpointer.h"
#include "tests/faults/simulated_system.h"

namespace holdall {

constexpr const char* kRunFolder = "/runs/bert";

struct CheckpointLife {
  struct Save {
    std::int64_t step = 0;
    std::int64_t state = 0;  // which one: a step may be saved again with another state
    double loss = 0;
  };
  std::string name;
  std::vector<Save> before = {};  // by an earlier process that ended well
  std::vector<Save> saves = {};   // by this one
  CheckpointerOptions options = {};
  std::string to = {};      // id of the format, where the name has no extension
  std::string damage = {};  // what the journal ends in before this one opens it
  bool retains = false;     // whether the rules remove anything
};

std::vector<CheckpointLife> checkpoint_lives();
// For GoogleTest's messages, and a name for a test made of its letters.
void PrintTo(const CheckpointLife& life, std::ostream* out);
std::string test_name(const CheckpointLife& life);

// What a life has been told, as an outsider would have written it down.
struct Reported {
  std::vector<CheckpointLife::Save> begun;  // with those of before
  std::size_t done = 0;                     // of `begun`, the first so many were reported as on disk
  int errors = 0;
};

// The file system before the life, with what earlier processes reported.
Reported set_up(const CheckpointLife& life, SimulatedSystem& system);
// Opens, saves, waits for each and closes. Stops at the first save that fails; `reported` is kept up to date all the time.
Status live(const CheckpointLife& life, System& system, Reported& reported);

// What must hold of a folder at every moment, whatever happened: every entry listed as complete holds, bit for bit, the state
// that its label says; the newest of them is nothing older than what was reported; the best by loss nothing worse. Fails the
// test.
void check_folder(System& system, const Reported& reported);

// A later process opens the folder, saves one more state and closes: what must hold holds on, and nothing is left beside it.
void check_next_life(const CheckpointLife& life, SimulatedSystem& system, Reported reported);

std::size_t temporaries(const SimulatedSystem& system);

}  // namespace holdall

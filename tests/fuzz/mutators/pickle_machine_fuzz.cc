#include "tests/fuzz/mutators/hook.h"
#include "tests/fuzz/mutators/pickle_program.h"

HOLDALL_MUTATORS(holdall::fuzz::mutate_pickle, holdall::fuzz::cross_pickles)

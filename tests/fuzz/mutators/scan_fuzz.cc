#include "tests/fuzz/mutators/containers.h"
#include "tests/fuzz/mutators/hook.h"

HOLDALL_MUTATORS(holdall::fuzz::mutate_file, holdall::fuzz::cross_files)

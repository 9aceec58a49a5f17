// How the loops over blocks are compiled: once for the processor that everything runs on, once for the wider one of most.
//
// Thread-safety and ownership: macros alone. No contraction: neither target has fused multiplications, so results are the same.
#pragma once

// Into functions of every target.
#define HOLDALL_INLINE __attribute__((always_inline)) inline
#ifdef __x86_64__
#define HOLDALL_WIDE_LANES __attribute__((target_clones("avx2", "default")))
#else
#define HOLDALL_WIDE_LANES
#endif

// How we use Highway: its headers alone, and the instruction sets worth their code.
//
// To be included before any header of Highway. Nothing of libhwy.so may be needed, because the
// preloaded libraries that contain this code may need libc and libm only: so the choice at run time
// is ours (targets.cpp), and its debug assertions, which call the library, are off.
#pragma once

#define HWY_IS_DEBUG_BUILD 0

// What these targets would demand of a processor beyond the vectors: we use none of it.
#define HWY_DISABLE_PCLMUL_AES
#define HWY_DISABLE_BMI2_FMA

// SSSE3 alone and AVX-512's later additions gain nothing here; scalable vectors (SVE) would need
// another loop, and NEON is there on every 64-bit Arm. GCC 12 miscompiles the emulated target, so
// the baseline is the same one-lane target with every compiler.
#define HWY_DISABLED_TARGETS \
    (HWY_SSSE3 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#define HWY_BROKEN_EMU128 1

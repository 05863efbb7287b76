/* The header is C: this file only has to compile as C and hand its answer to the C++ tests. */
#include "onecopy/onecopy.h"

int onecopy_test_flags_in_c(void);

int onecopy_test_flags_in_c(void) {
    struct onecopy_remote remote = {0, 0};
    return (int)(ONECOPY_SUM | ONECOPY_FLOAT64) + (int)remote.bytes;
}

/* onecopy_window.h alone, for the strictest of compilers: C99 and C++98, pedantic, no warning. */
#include "onecopy/onecopy_window.h"

int onecopy_test_window_header(onecopy_window* window);

int onecopy_test_window_header(onecopy_window* window) {
    onecopy_run run = {0, 0};
    return onecopy_putv(window, NULL, 0, 0, &run, 1) + onecopy_lock(window, ONECOPY_LOCK_SHARED, 0);
}

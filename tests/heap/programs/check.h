/* For the test programs: the first thing that is wrong ends the program with a line. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            _Exit(1);                                                               \
        }                                                                           \
    } while (0)

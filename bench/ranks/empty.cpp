// A C++ program with nothing in it, for `onecopy bench ranks`: what every process costs.
//
//   onecopy-ranks-empty /proc/PID/fd/N
#include <cstdio>
#include <exception>
#include <string>

#include "own_memory.hpp"

int main(int count, char** arguments) {
    if (count != 2) {
        std::fprintf(stderr, "usage: %s /proc/PID/fd/N; `onecopy bench ranks` starts it\n",
                     arguments[0]);
        return 2;
    }
    try {
        const onecopy::cli::BoardMapping board(arguments[1]);
        onecopy::cli::BoardLine& line = board->lines[0];
        line.memory = onecopy::bench::own_private_memory();
        line.say(onecopy::cli::Seen::memory);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}

// refused CALL PROGRAM ARGUMENTS...: runs the program where the kernel does not know that call.
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>

#include "support/rights.hpp"

int main(int count, char** arguments) {
    if (count < 3 || std::string_view(arguments[1]) != "memfd_create") return 2;
    const std::array calls{onecopy::test::Refusal{SYS_memfd_create, ENOSYS}};
    if (onecopy::test::refuse(calls) != 0) return 77;
    ::execv(arguments[2], arguments + 2);
    return 127;
}

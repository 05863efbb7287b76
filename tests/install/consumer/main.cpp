// A stranger's program: reads and reduces its own child, by C++ and by C, through the installed
// library.
#include <onecopy/onecopy.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <onecopy/reduce.hpp>
#include <onecopy/transfer.hpp>
#include <onecopy/version.hpp>

namespace {
double there[4] = {1, 2, 3, 4};
}

int main() {
    const pid_t child = fork();
    if (child == 0) {
        for (;;) pause();
    }
    double here[4] = {};
    const auto address = reinterpret_cast<std::uint64_t>(&there);
    const onecopy::Process process(child);
    const onecopy::Segment local(reinterpret_cast<std::byte*>(here), sizeof here);
    const onecopy::RemoteSegment remote{address, sizeof here};
    bool good = onecopy::read(process, address, local).or_throw() == sizeof here;
    good = good && onecopy::reduce(process, {&local, 1}, {&remote, 1}, onecopy::Op::sum,
                                   onecopy::Type::float64)
                           .or_throw() == sizeof here;
    const iovec near{here, sizeof here};
    const iovec far{there, sizeof there};
    good = good &&
           onecopy_readv(child, &near, 1, &far, 1, ONECOPY_SUM | ONECOPY_FLOAT64) == sizeof here;
    good = good && here[3] == 12 && std::strcmp(onecopy_version(), ONECOPY_VERSION) == 0;
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    return good ? 0 : 1;
}

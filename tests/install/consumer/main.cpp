// A stranger's program: reads and reduces its own child, by C++ and by C, through the installed
// library.
#include <onecopy/onecopy.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <memory_resource>
#include <onecopy/arena.hpp>
#include <onecopy/attachment.hpp>
#include <onecopy/reduce.hpp>
#include <onecopy/transfer.hpp>
#include <onecopy/version.hpp>
#include <vector>

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
    onecopy::Arena arena;
    std::pmr::vector<int> block(100000, 7, &arena);
    const onecopy::Windows windows;
    const onecopy::Attachment own(windows, dup(arena.fd()),
                                  reinterpret_cast<std::uint64_t>(arena.range().data()));
    std::error_code error;
    const onecopy::View view =
        own.reach(reinterpret_cast<std::uint64_t>(block.data()), 4 * block.size(), error);
    good = good && !error && *reinterpret_cast<const int*>(view.bytes().data()) == 7;
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    return good ? 0 : 1;
}

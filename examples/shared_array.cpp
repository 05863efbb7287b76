// Reads another process's array in place, without copying it: the array lies in an arena.
//
// The two processes here are parent and child; they could be strangers that know the door's name
// and the job's secret.
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <memory_resource>
#include <numeric>
#include <onecopy/arena.hpp>
#include <onecopy/attachment.hpp>
#include <onecopy/handover.hpp>
#include <string>
#include <vector>

namespace {

struct Offer {
    char door[64];
    std::uint64_t address, bytes;
};

/// Has an array in an arena, and lets one peer in.
int own(int pipe_to_reader, const onecopy::JobSecret& secret) {
    onecopy::Arena arena;
    std::pmr::vector<double> numbers(1 << 20, &arena);
    std::iota(numbers.begin(), numbers.end(), 0.0);
    onecopy::ArenaDoor door(arena, secret);
    Offer offer{
        {}, reinterpret_cast<std::uint64_t>(numbers.data()), numbers.size() * sizeof(double)};
    door.name().copy(offer.door, sizeof offer.door - 1);
    if (write(pipe_to_reader, &offer, sizeof offer) != sizeof offer) return 1;
    while (door.answer() == 0) {
        pollfd waiting{door.fd(), POLLIN, 0};
        poll(&waiting, 1, -1);
    }
    return 0;  // the reader keeps the memory for as long as it needs it
}

int read_in_place(int pipe_from_owner, const onecopy::JobSecret& secret) {
    Offer offer{};
    if (read(pipe_from_owner, &offer, sizeof offer) != sizeof offer) return 1;
    const onecopy::Windows windows;
    const onecopy::Attachment peer = onecopy::knock(windows, offer.door, secret);
    double sum = 0;
    for (std::uint64_t done = 0; done < offer.bytes;) {  // window by window
        std::error_code error;
        const onecopy::View view = peer.reach(offer.address + done, offer.bytes - done, error);
        if (error) return 1;
        const auto* const numbers = reinterpret_cast<const double*>(view.bytes().data());
        sum = std::accumulate(numbers, numbers + view.bytes().size() / sizeof(double), sum);
        done += view.bytes().size();
    }
    std::printf("sum of %llu numbers of the other process: %.0f\n",
                static_cast<unsigned long long>(offer.bytes / sizeof(double)), sum);
    return sum == 549755289600.0 ? 0 : 1;
}

}  // namespace

int main() {
    const onecopy::JobSecret secret = onecopy::make_job_secret();
    int ends[2];
    if (pipe(ends) != 0) return 1;
    const pid_t owner = fork();
    if (owner == 0) return own(ends[1], secret);
    close(ends[1]);
    const int result = read_in_place(ends[0], secret);
    waitpid(owner, nullptr, 0);
    return result;
}

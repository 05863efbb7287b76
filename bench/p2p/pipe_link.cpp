// Pipes: one for each direction of each pair of ranks, 1 MiB each where that is allowed. They have
// names (mkfifo) only because the ranks are no children of each other.
//
// With a core for every rank nobody sleeps; with more ranks than cores who waits sleeps in poll().
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "copying_link.hpp"
#include "os/fd.hpp"
#include "stepwise_link.hpp"

namespace onecopy::p2p {
namespace {

class PipeLink final : public StepwiseLink<OrdinaryLink> {
public:
    explicit PipeLink(const Setup& setup) : StepwiseLink(setup), setup_(setup) {
        for (int peer = 0; peer < setup.ranks; ++peer) {
            to_.push_back(open_pipe(setup.rank, peer));
            from_.push_back(open_pipe(peer, setup.rank));
        }
    }

    [[nodiscard]] int rank() const override { return setup_.rank; }

private:
    /// Whoever comes first makes it. For reading and writing, so that opening waits for nobody.
    [[nodiscard]] os::Fd open_pipe(int from, int to) const {
        if (!talk(from, to)) return os::Fd();
        const std::string path =
            setup_.folder + "/" + std::to_string(from) + "-" + std::to_string(to);
        if (::mkfifo(path.c_str(), 0600) != 0 && errno != EEXIST) fail(path);
        os::Fd pipe(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
        if (!pipe) fail(path);
        ::fcntl(pipe.get(), F_SETPIPE_SZ, 1 << 20);
        return pipe;
    }

    std::size_t push(const Operation& one) override {
        const std::byte* data = outgoing(one.peer, one.slot, one.bytes) + one.done;
        return moved(::write(end_of(to_, one), data, one.bytes - one.done));
    }
    std::size_t pull(const Operation& one) override {
        std::byte* data = landing(one.slot, one.bytes) + one.done;
        return moved(::read(end_of(from_, one), data, one.bytes - one.done));
    }

    void wait_for_more() override {
        if (!setup_.crowded) return relax(false);
        std::vector<pollfd> polls;
        for (const Lane& lane : lanes()) {
            if (lane.idle()) continue;
            const short what = lane.sends ? POLLOUT : POLLIN;
            polls.push_back({end_of(lane.sends ? to_ : from_, lane), what, 0});
        }
        ::poll(polls.data(), polls.size(), -1);
    }

    template <class WithPeer>
    static int end_of(const std::vector<os::Fd>& pipes, const WithPeer& one) {
        return pipes[static_cast<std::size_t>(one.peer)].get();
    }

    static std::size_t moved(ssize_t count) {
        if (count >= 0) return static_cast<std::size_t>(count);
        if (errno == EAGAIN || errno == EINTR) return 0;
        fail("move bytes");
    }

    [[noreturn]] static void fail(const std::string& what) {
        throw Unusable(what + ": " + std::strerror(errno));
    }

    Setup setup_;
    std::vector<os::Fd> to_;
    std::vector<os::Fd> from_;
};

}  // namespace

std::string library() { return "pipe"; }

std::unique_ptr<Link> make_link(const Setup& setup) { return std::make_unique<PipeLink>(setup); }

}  // namespace onecopy::p2p

// Properties: for any two lists, every way leaves the bytes, the count and the errno of a plain
// loop over the bare system call; and engines that give up in the middle change nothing of it.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "contract.hpp"
#include "failing_engine.hpp"

namespace onecopy::test {
namespace {

/// Cases of each property, unless the environment asks for others. Read at the first one.
const bool many_cases = ::setenv("RC_PARAMS", "max_success=400", 0) == 0;

constexpr std::size_t pages = 6;

/// Memory of either side. The target's is shared with us, and only the target's view of it has bad
/// pages: so it can be filled and looked at without any engine.
struct Sides {
    Sides()
        : near({Page::writable, Page::writable, Page::hole, Page::writable, Page::read_only,
                Page::no_access},
               1),
          far(pages * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1) {
        const Job restrict_view = [](const Words& w) -> std::int64_t {
            auto* const base = reinterpret_cast<std::byte*>(w[0]);
            return ::munmap(base + page, page) + ::mprotect(base + 3 * page, page, PROT_READ);
        };
        if (child.run(restrict_view, far.data()) != 0) throw std::runtime_error("no layout");
    }
    Memory near, far;
    Child child;
};

Sides& sides() {
    static Sides both;
    return both;
}

void reset() {
    fill(sides().far.span(), 2);
    for (const std::size_t i : {0U, 1U, 3U}) fill(sides().near.span(i * page, page), 1, i * page);
}

/// All that can have changed: our pages that can be written, and the target's memory.
std::vector<std::byte> snapshot() {
    std::vector<std::byte> all(sides().far.span().begin(), sides().far.span().end());
    for (const std::size_t i : {0U, 1U, 3U}) {
        const auto one = sides().near.span(i * page, page);
        all.insert(all.end(), one.begin(), one.end());
    }
    return all;
}

/// The reference: the system call, again and again on what is left, until it moves nothing.
Transfer plain_loop(Direction direction, int pid, std::vector<iovec> local,
                    std::vector<iovec> remote) {
    const auto drop = [](std::vector<iovec>& list, std::size_t bytes) {
        while (!list.empty() && list.front().iov_len <= bytes) {
            bytes -= list.front().iov_len;
            list.erase(list.begin());
        }
        if (list.empty()) return;
        list.front().iov_base = static_cast<char*>(list.front().iov_base) + bytes;
        list.front().iov_len -= bytes;
    };
    Transfer result;
    drop(local, 0);
    drop(remote, 0);
    while (!local.empty() && !remote.empty()) {
        const auto call = direction == Direction::read ? ::process_vm_readv : ::process_vm_writev;
        const ssize_t moved =
            call(pid, local.data(), local.size(), remote.data(), remote.size(), 0);
        if (moved <= 0) {
            result.error.assign(moved < 0 ? errno : 0, std::system_category());
            return result;
        }
        result.bytes += static_cast<std::uint64_t>(moved);
        drop(local, static_cast<std::size_t>(moved));
        drop(remote, static_cast<std::size_t>(moved));
    }
    return result;
}

struct Lists {
    std::vector<Segment> local;
    std::vector<RemoteSegment> remote;
};

/// Offsets favour the borders of pages; lengths favour small ones, and none.
rc::Gen<std::pair<std::size_t, std::size_t>> some_run() {
    const auto offset =
        rc::gen::oneOf(rc::gen::inRange<std::size_t>(0, pages * page),
                       rc::gen::map(rc::gen::pair(rc::gen::inRange<std::size_t>(0, pages),
                                                  rc::gen::inRange<std::size_t>(0, 20)),
                                    [](const auto& at) { return at.first * page + at.second; }),
                       rc::gen::map(rc::gen::pair(rc::gen::inRange<std::size_t>(1, pages),
                                                  rc::gen::inRange<std::size_t>(1, 20)),
                                    [](const auto& at) { return at.first * page - at.second; }));
    const auto bytes =
        rc::gen::oneOf(rc::gen::inRange<std::size_t>(0, 40),
                       rc::gen::inRange<std::size_t>(0, 2 * page), rc::gen::just<std::size_t>(0));
    return rc::gen::map(rc::gen::pair(offset, bytes), [](std::pair<std::size_t, std::size_t> run) {
        run.second = std::min(run.second, pages * page - run.first);
        return run;
    });
}

/// With `good`, only pages that are good on both sides: then lists get long.
Lists some_lists(bool good) {
    const auto place = [good](std::pair<std::size_t, std::size_t>& run, bool near) {
        if (!good) return;
        // Two good pages on either side: 0 and 1 here, 4 and 5 there.
        run.second = std::min<std::size_t>(run.second, page);
        run.first = run.first % page + (near ? 0 : 4 * page);
    };
    Lists lists;
    for (auto& run :
         *rc::gen::container<std::vector<std::pair<std::size_t, std::size_t>>>(some_run())) {
        place(run, true);
        lists.local.push_back(sides().near.span(run.first, run.second));
    }
    for (auto& run :
         *rc::gen::container<std::vector<std::pair<std::size_t, std::size_t>>>(some_run())) {
        place(run, false);
        lists.remote.push_back({sides().far.address(run.first), run.second});
    }
    return lists;
}

Transfer reference(Direction direction, const Lists& lists) {
    std::vector<iovec> local;
    std::vector<iovec> remote;
    for (const Segment& s : lists.local) local.push_back({s.data(), s.size()});
    for (const RemoteSegment& s : lists.remote) {
        remote.push_back({reinterpret_cast<void*>(static_cast<std::uintptr_t>(s.address)),
                          static_cast<std::size_t>(s.bytes)});
    }
    return plain_loop(direction, sides().child.pid(), local, remote);
}

void compare(const Way& way, Direction direction, const Lists& lists) {
    reset();
    const Transfer wanted = reference(direction, lists);
    const std::vector<std::byte> wanted_bytes = snapshot();
    reset();
    const Process process(sides().child.pid(), {false, way.held});
    const Transfer got = transfer(way, direction, process, lists.local, lists.remote);
    RC_ASSERT(got.bytes == wanted.bytes);
    RC_ASSERT(got.error.value() == wanted.error.value());
    RC_ASSERT(snapshot() == wanted_bytes);
}

RC_GTEST_PROP(Differential, AnyListsGiveWhatALoopOverTheSystemCallGives, ()) {
    const Lists lists = some_lists(*rc::gen::arbitrary<bool>());
    for (const Way& way : ways()) {
        for (const Direction direction : {Direction::read, Direction::write})
            compare(way, direction, lists);
    }
}

RC_GTEST_PROP(Differential, EnginesThatGiveUpAnywhereChangeNothing, ()) {
    const Lists lists = some_lists(*rc::gen::arbitrary<bool>());
    const auto direction = *rc::gen::element(Direction::read, Direction::write);
    reset();
    const Transfer wanted = reference(direction, lists);
    const std::vector<std::byte> wanted_bytes = snapshot();
    reset();
    std::vector<std::unique_ptr<FailingEngine>> failing;
    std::vector<const Engine*> engines;
    for (int left = *rc::gen::inRange(0, 4); left > 0; --left) {
        const auto at = *rc::gen::inRange<std::uint64_t>(0, wanted.bytes + 2);
        failing.push_back(std::make_unique<FailingEngine>(
            at, *rc::gen::element(EPERM, EACCES, ENOSYS, EOPNOTSUPP)));
        engines.push_back(failing.back().get());
    }
    engines.push_back(*rc::gen::element(&attach::process_vm_engine(), &attach::proc_mem_engine()));
    const Process process(sides().child.pid(), {false, true});
    const std::vector<ConstSegment> source(lists.local.begin(), lists.local.end());
    const Transfer got = direction == Direction::read
                             ? attach::read(process.target(), lists.remote, lists.local, engines)
                             : attach::write(process.target(), source, lists.remote, engines);
    RC_ASSERT(got.bytes == wanted.bytes);
    RC_ASSERT(got.error.value() == wanted.error.value());
    RC_ASSERT(snapshot() == wanted_bytes);
}

RC_GTEST_PROP(Differential, WithinOneProcessEveryPairIsAMemmove, ()) {
    // One memory on both sides, pairs of any overlap.
    static const Memory memory(40000);
    static const Process self = Process::self();
    const auto spans =
        *rc::gen::container<std::vector<std::tuple<std::size_t, std::size_t, std::size_t>>>(
            rc::gen::tuple(rc::gen::inRange<std::size_t>(0, 20000),
                           rc::gen::inRange<std::size_t>(0, 20000),
                           rc::gen::oneOf(rc::gen::inRange<std::size_t>(0, 20000),
                                          rc::gen::inRange<std::size_t>(0, 50))));
    const auto direction = *rc::gen::element(Direction::read, Direction::write);
    const auto way = *rc::gen::element(0U, 1U, 2U, 3U);
    fill(memory.span(), 3);
    std::vector<std::byte> wanted(memory.span().begin(), memory.span().end());
    std::vector<Segment> local;
    std::vector<RemoteSegment> remote;
    std::uint64_t total = 0;
    for (const auto& [a, b, bytes] : spans) {
        local.push_back(memory.span(a, bytes));
        remote.push_back({memory.address(b), bytes});
        direction == Direction::read ? std::memmove(wanted.data() + a, wanted.data() + b, bytes)
                                     : std::memmove(wanted.data() + b, wanted.data() + a, bytes);
        total += bytes;
    }
    const Transfer got = transfer(ways()[way], direction, self, local, remote);
    RC_ASSERT(!got.error);
    RC_ASSERT(got.bytes == total);
    RC_ASSERT(std::memcmp(memory.data(), wanted.data(), wanted.size()) == 0);
}

}  // namespace
}  // namespace onecopy::test

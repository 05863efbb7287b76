#include "cli/bench_lanes.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <span>

#include "cli/bench_cooperative.hpp"
#include "cli/errors.hpp"

namespace onecopy::cli {
namespace {

constexpr std::size_t page = 4096;

}  // namespace

Lanes::Lanes(std::string_view asked, std::size_t count, std::size_t bytes)
    : stride_((bytes + page - 1) / page * page),
      source_(count * stride_, Memory::Kind::is_private),
      destination_(count * stride_, Memory::Kind::is_private),
      whole_(count * stride_, Memory::Kind::is_private),
      shared_(count * stride_, Memory::Kind::is_shared),
      rings_(count * sizeof(Ring), Memory::Kind::is_shared),
      meetings_(count * sizeof(ArenaMeeting), Memory::Kind::is_shared),
      together_(count * sizeof(CooperativeMessage), Memory::Kind::is_shared),
      pipes_(count),
      lanes_(count) {
    for (std::size_t i = 0; i < count; ++i) {
        const auto part = [&](const Memory& memory) {
            return std::span(memory.data() + i * stride_, bytes);
        };
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
            throw Failure(fmt::format("{}: no pipe: {}; raise the limit of open files", asked,
                                      std::strerror(errno)));
        }
        pipes_[i] = {os::Fd(ends[0]), os::Fd(ends[1])};
        // What a caller may have without privilege; a smaller pipe works as well.
        ::fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
        Ring* ring = new (rings_.data() + i * sizeof(Ring)) Ring;
        auto* meeting = new (meetings_.data() + i * sizeof(ArenaMeeting)) ArenaMeeting;
        meeting->secret = make_job_secret();
        auto* together = new (together_.data() + i * sizeof(CooperativeMessage)) CooperativeMessage;
        lanes_[i] = {part(source_),
                     part(destination_),
                     part(whole_),
                     part(shared_),
                     ring,
                     &pipes_[i][0],
                     &pipes_[i][1],
                     &arenas_.emplace_back(*meeting, bytes),
                     together,
                     0,
                     0};
    }
}

}  // namespace onecopy::cli

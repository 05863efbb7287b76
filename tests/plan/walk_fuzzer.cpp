// libFuzzer target: bytes become two lists, limits and short counts; any broken promise aborts.
#include <cstdio>

#include "walk_reference.hpp"

namespace {

/// Takes numbers off the front of the input; zeros when it is used up.
class Input {
public:
    Input(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}
    std::uint8_t byte() { return at_ == end_ ? std::uint8_t{0} : *at_++; }

    std::vector<onecopy::plan::Run> list() {
        std::vector<onecopy::plan::Run> runs(byte() % 24);
        // The base puts some lists at the top of the address space, where an end wraps to 0.
        const std::uint64_t base = byte() % 4 == 0 ? ~0ULL - 127 : 4096;
        std::uint64_t end = base;
        for (auto& run : runs) {
            const std::uint8_t choice = byte();
            run = {choice < 64 ? end : base + choice % 160, byte() % 20ULL};
            end = run.address + run.bytes;
            if (run.address + run.bytes < run.address) run.bytes = 0 - run.address;
        }
        return runs;
    }

private:
    const std::uint8_t* at_;
    const std::uint8_t* end_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input input(data, size);
    const auto local = input.list();
    const auto remote = input.list();
    const onecopy::plan::Limits limits{1U + input.byte() % 8, 1U + input.byte() % 8,
                                       1U + input.byte() % 64};
    const char* breaks = onecopy::test::walk_breaks(
        local, remote, limits, [&](std::uint64_t bytes) { return 1 + input.byte() % bytes; });
    if (breaks != nullptr) {
        std::fprintf(stderr, "broken promise: %s\n", breaks);
        std::abort();
    }
    return 0;
}

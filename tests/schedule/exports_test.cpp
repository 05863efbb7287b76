#include "schedule/exports.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "schedule/domains.hpp"
#include "schedule/forms.hpp"
#include "simulator.hpp"

namespace onecopy::schedule::test {
namespace {

/// Byte by byte what others read of, and write into, the memory of each rank; and who.
struct Touched {
    using Bytes = std::map<std::pair<Buffer, int>, std::set<std::uint64_t>>;
    Bytes read, written;
    std::set<int> touchers;
};

std::vector<Touched> by_bytes(const Call& call) {
    std::vector<Touched> touched(static_cast<std::size_t>(call.ranks));
    const std::vector<Steps> all = all_steps(call);
    for (int rank = 0; rank < call.ranks; ++rank) {
        const auto note = [&](const Place& place, std::uint64_t bytes,
                              Touched::Bytes Touched::*what) {
            if (place.rank == rank) return;
            Touched& other = touched[static_cast<std::size_t>(place.rank)];
            other.touchers.insert(rank);
            for (std::uint64_t i = 0; i < bytes; ++i) {
                (other.*what)[{place.buffer, place.block}].insert(place.offset + i);
            }
        };
        for (const Step& step : all[static_cast<std::size_t>(rank)].list) {
            for (const Source& source : step.sources)
                note(source.place, step.bytes, &Touched::read);
            for (const Place& target : step.targets) note(target, step.bytes, &Touched::written);
        }
    }
    return touched;
}

/// The same as ranges: sorted, and with a gap between any two.
std::vector<Range> ranges(const Touched::Bytes& bytes) {
    std::vector<Range> all;
    for (const auto& [where, offsets] : bytes) {
        bool first = true;
        for (const std::uint64_t offset : offsets) {
            if (!first && all.back().offset + all.back().bytes == offset) {
                ++all.back().bytes;
            } else {
                all.push_back({where.first, where.second, offset, 1});
            }
            first = false;
        }
    }
    return all;
}

TEST(Exports, AreWhatOthersTouchByteByByte) {
    std::vector<Where> places;
    for (int rank = 0; rank < 11; ++rank) places.push_back({rank / 6, rank / 3, rank / 2});
    const Domains domains(places);
    for (int what = 0; what <= static_cast<int>(Collective::exscan); ++what) {
        for (const Form form : {Form::pull, Form::push, Form::redundant, Form::domains}) {
            for (const int ranks : {1, 2, 3, 11}) {
                const Call call{static_cast<Collective>(what),
                                form,
                                ranks,
                                ranks / 2,
                                36,
                                4,
                                ranks == domains.ranks() ? &domains : nullptr};
                const std::vector<Touched> touched = by_bytes(call);
                for (int rank = 0; rank < ranks; ++rank) {
                    const Touched& expected = touched[static_cast<std::size_t>(rank)];
                    const Exports exports = exports_of(call, rank);
                    EXPECT_EQ(exports.read, ranges(expected.read)) << text(call);
                    EXPECT_EQ(exports.written, ranges(expected.written)) << text(call);
                    EXPECT_EQ(exports.touchers,
                              std::vector<int>(expected.touchers.begin(), expected.touchers.end()))
                        << text(call);
                }
            }
        }
    }
}

TEST(Exports, OfAChainGoToTheNextOneAlone) {
    const Call chain{Collective::scan, Form::pull, 9, 0, 4096, 8, nullptr};
    EXPECT_EQ(exports_of(chain, 5).touchers, std::vector{6});
    EXPECT_EQ(exports_of(chain, 8).touchers, std::vector<int>{});
}

}  // namespace
}  // namespace onecopy::schedule::test

// The ring of small messages (src/node/ring.hpp): a writer and a reader, eight lines.
#include "model/expect.hpp"
#include "model/messages.hpp"

namespace onecopy::model {
namespace {

using node::RingReader;
using node::RingWriter;
using Sizes = std::vector<std::size_t>;

constexpr std::size_t one_line = 8;
constexpr std::size_t two_lines = node::ring_message_bytes;

/// Messages of these sizes through a ring that begins `start` lines after its first. `asks`: the
/// reader may give lines back after each message.
Program messages(std::size_t start, Sizes sizes, bool asks = false) {
    return [=](Execution& run) {
        RingWriter* writer = nullptr;
        RingReader* reader = nullptr;
        used_ring(run, start, writer, reader);
        run.thread("writer", [=] {
            for (std::size_t i = 0; i < sizes.size(); ++i) {
                wait_until([&] { return push(*writer, static_cast<int>(i), sizes[i]); });
            }
        });
        run.thread("reader", [=] {
            for (std::size_t i = 0; i < sizes.size(); ++i) {
                wait_until([&] { return pop(*reader, static_cast<int>(i), sizes[i]); });
                if (asks && choose(2) == 1) reader->give_back();
            }
            check(!reader->peek(), "nothing comes that was not sent");
        });
    };
}

/// Fillers at the end, and so many that lines are used again.
const Program long_stream =
    messages(6, {one_line, two_lines, two_lines, one_line, two_lines, two_lines, one_line});

TEST(RingModel, MessagesComeWholeAndInOrderWhereverTheRingBegins) {
    std::uint64_t executions = 0;
    for (std::size_t start = 0; start < 2 * node::ring_lines; ++start) {
        for (const Sizes& sizes :
             {Sizes(10, one_line), Sizes(6, two_lines),
              Sizes{one_line, two_lines, one_line, one_line, two_lines, two_lines, one_line}}) {
            const Result result = explore(messages(start, sizes));
            ASSERT_FALSE(result.failed) << result.why << "\n" << result.trace;
            executions += result.executions;
        }
    }
    std::printf("model: ring, 48 streams: %llu executions\n",
                static_cast<unsigned long long>(executions));
}

TEST(RingModel, TheReaderMayGiveLinesBackAfterAnyMessage) {
    holds("ring, 7 messages, lines given back at any time",
          messages(6, {one_line, two_lines, two_lines, one_line, two_lines, two_lines, one_line},
                   true));
}

TEST(RingModel, EveryOrderIsNeededExceptWhereItIsForSleeping) {
    holds("ring, 7 messages", long_stream);
    EXPECT_EQ(orders_not_needed("node/ring.hpp", {long_stream}),
              (std::set<std::string>{"put: store stamp release", "give_back: store head release"}));
}

TEST(RingModel, WhatIsWrongIsFound) {
    using Kind = Mutation::Kind;
    is_found("a message announced before it is written", long_stream,
             {.function = "put", .location = "stamp"}, "data race");
    is_found("lines given back before they are read", long_stream,
             {.function = "give_back", .location = "head"}, "data race");
    is_found("lines that are not given back", long_stream,
             {.kind = Kind::skip, .function = "give_back"}, "deadlock");
    is_found("more lines given back than were read", long_stream,
             {.kind = Kind::value, .function = "give_back", .change = [](std::uint64_t head) {
                  return head + 1;
              }});
    is_found("a message that is not announced", long_stream,
             {.kind = Kind::skip, .function = "put"}, "deadlock");
    is_found(
        "the stamp of the line's last use", long_stream,
        {.kind = Kind::value,
         .function = "put",
         .change = [](std::uint64_t) { return node::stamp_of(ring_key, node::ring_lines - 1); }},
        "");
}

}  // namespace
}  // namespace onecopy::model

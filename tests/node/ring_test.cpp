#include "node/ring.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <cstring>
#include <deque>
#include <memory>
#include <random>
#include <thread>
#include <vector>

namespace onecopy::node {
namespace {

/// As the job's memory: zeros. Behind it is a page that nobody may touch: who does not turn back at
/// the ring's end is ended by a signal.
class ZeroedRing {
public:
    static constexpr std::uint64_t key = 0x1234'5678'9abc'def1;
    ZeroedRing()
        : pages_(static_cast<std::byte*>(::mmap(nullptr, bytes + page, PROT_READ | PROT_WRITE,
                                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))),
          memory_(reinterpret_cast<RingMemory*>(pages_ + bytes - sizeof(RingMemory))) {
        ::mprotect(pages_ + bytes, page, PROT_NONE);
        memory_->key = key;
    }
    ~ZeroedRing() { ::munmap(pages_, bytes + page); }
    ZeroedRing(const ZeroedRing&) = delete;
    ZeroedRing& operator=(const ZeroedRing&) = delete;
    RingMemory& operator*() { return *memory_; }

private:
    static constexpr std::size_t page = 4096;
    static constexpr std::size_t bytes = (sizeof(RingMemory) + page - 1) / page * page;
    static_assert(sizeof(RingMemory) % alignof(RingMemory) == 0);
    static_assert(offsetof(RingMemory, lines) + sizeof(RingMemory::lines) == sizeof(RingMemory));

    std::byte* pages_;
    RingMemory* memory_;
};

/// Bytes that are stamps, of places before `end`, which the reader has passed.
std::vector<std::byte> sly_bytes(std::size_t count, std::uint64_t end) {
    std::vector<std::byte> bytes(count);
    for (std::size_t i = 0; i + 8 <= count && i / 8 < end; i += 8) {
        const std::uint64_t value = stamp_of(ZeroedRing::key, end - 1 - i / 8);
        std::memcpy(bytes.data() + i, &value, 8);
    }
    return bytes;
}

bool push(RingWriter& writer, const std::vector<std::byte>& bytes, int tag) {
    std::byte* const place = writer.reserve(bytes.size());
    if (place == nullptr) return false;
    if (!bytes.empty()) std::memcpy(place, bytes.data(), bytes.size());
    Envelope envelope;
    envelope.bytes = static_cast<std::uint32_t>(bytes.size());
    envelope.tag = tag;
    writer.publish(envelope);
    return true;
}

TEST(Ring, EightBytesAndTheirEnvelopeAreOneLine) {
    EXPECT_EQ(lines_for(0), 1U);
    EXPECT_EQ(lines_for(8), 1U);
    EXPECT_EQ(lines_for(sizeof(RingLine::first_bytes)), 1U);
    EXPECT_EQ(lines_for(sizeof(RingLine::first_bytes) + 1), 2U);
    EXPECT_EQ(lines_for(ring_message_bytes), ring_kept_lines);
}

TEST(Ring, MessagesOfAllSizesComeOutAsTheyWentInWhateverTheirBytesAre) {
    ZeroedRing memory;
    RingWriter writer(*memory);
    RingReader reader(*memory);
    struct Sent {
        std::vector<std::byte> bytes;
        int tag;
    };
    std::deque<Sent> sent;
    std::mt19937 random(7);
    int tag = 0;
    for (int step = 0; step < 200'000; ++step) {
        if (random() % 2 == 0) {
            const std::size_t bytes =
                random() % 4 == 0 ? random() % (ring_message_bytes + 1) : random() % 200;
            Sent one{sly_bytes(bytes, static_cast<std::uint64_t>(tag)), tag};
            if (!push(writer, one.bytes, tag)) continue;
            ++tag;
            sent.push_back(std::move(one));
        } else {
            const RingReader::Message message = reader.peek();
            ASSERT_EQ(static_cast<bool>(message), !sent.empty()) << step;
            if (!message) continue;
            ASSERT_EQ(message.envelope->tag, sent.front().tag);
            ASSERT_TRUE(std::equal(message.bytes.begin(), message.bytes.end(),
                                   sent.front().bytes.begin(), sent.front().bytes.end()));
            reader.pop();
            sent.pop_front();
        }
    }
    EXPECT_GT(tag, 1000);
}

TEST(Ring, AnEmptyOneAlwaysHasRoomForTheLongestMessage) {
    const std::vector<std::byte> longest(ring_message_bytes, std::byte{1});
    // From every position, and without the reader being asked to give anything back.
    for (std::size_t start = 0; start < 2 * ring_lines; ++start) {
        ZeroedRing memory;
        RingWriter writer(*memory);
        RingReader reader(*memory);
        for (std::size_t i = 0; i < start; ++i) {
            ASSERT_TRUE(push(writer, {}, 0));
            ASSERT_TRUE(reader.peek());
            reader.pop();
        }
        ASSERT_TRUE(push(writer, longest, 1)) << start;
    }
}

TEST(Ring, AFullOneTakesNothingAndGoesOnWhenItIsRead) {
    ZeroedRing memory;
    RingWriter writer(*memory);
    RingReader reader(*memory);
    int sent = 0;
    while (push(writer, {}, sent)) ++sent;
    EXPECT_EQ(sent, static_cast<int>(ring_lines));
    for (int i = 0; i < sent; ++i) {
        const auto message = reader.peek();
        ASSERT_TRUE(message);
        EXPECT_EQ(message.envelope->tag, i);
        reader.pop();
    }
    EXPECT_FALSE(reader.peek());
    EXPECT_TRUE(push(writer, {}, sent));
}

TEST(Ring, LinesThatWereReadAreGivenBackInOneGoOrWhenAsked) {
    ZeroedRing memory;
    RingWriter writer(*memory);
    RingReader reader(*memory);
    int given = 0;
    for (std::size_t i = 0; i < ring_kept_lines; ++i) {
        push(writer, {}, 0);
        EXPECT_TRUE(reader.peek());
        given += reader.pop() ? 1 : 0;
    }
    EXPECT_EQ(given, 1);
    EXPECT_FALSE(reader.give_back());
    push(writer, {}, 0);
    EXPECT_TRUE(reader.peek());
    EXPECT_FALSE(reader.pop());
    EXPECT_TRUE(reader.give_back());
}

TEST(Ring, TwoThreadsAsWriterAndReaderLoseNothing) {
    ZeroedRing memory;
    constexpr int count = 100'000;
    std::thread writing([&] {
        RingWriter writer(*memory);
        std::mt19937 random(3);
        for (int i = 0; i < count; ++i) {
            const auto bytes = sly_bytes(random() % 8 == 0 ? random() % 4096 : random() % 64,
                                         static_cast<std::uint64_t>(i));
            while (!push(writer, bytes, i)) std::this_thread::yield();
        }
    });
    RingReader reader(*memory);
    std::mt19937 random(3);
    bool right = true;
    for (int i = 0; i < count; ++i) {
        RingReader::Message message;
        while (!(message = reader.peek())) std::this_thread::yield();
        const auto expected = sly_bytes(random() % 8 == 0 ? random() % 4096 : random() % 64,
                                        static_cast<std::uint64_t>(i));
        right = right && message.envelope->tag == i &&
                std::equal(message.bytes.begin(), message.bytes.end(), expected.begin(),
                           expected.end());
        reader.pop();
    }
    writing.join();
    EXPECT_TRUE(right);
}

}  // namespace
}  // namespace onecopy::node

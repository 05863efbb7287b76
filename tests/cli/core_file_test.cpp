#include "cli/core_file.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstring>
#include <stdexcept>

#include "core_reader.hpp"

namespace onecopy::cli {
namespace {

using test::CoreReader;

constexpr CoreKind kind64{true, EM_X86_64};
constexpr CoreKind kind32{false, EM_386};

CoreProcess process() {
    CoreProcess core;
    core.pid = 4711;
    core.parent = 1;
    core.uid = core.gid = 1000;
    core.state = 'S';
    core.name = "program-with-a-long-name";
    core.command = "program --with arguments";
    core.auxv = std::string(32, '\1');
    core.files = {{0x400000, 0x401000, 0x2000, "/usr/bin/program"}};
    return core;
}

TEST(CoreFile, SegmentsKeepAddressLengthAndPermissions) {
    for (const CoreKind kind : {kind64, kind32}) {
        std::vector<CoreSegment> segments{{0x400000, 0x1000, true, false, true, 0},
                                          {0x600000, 0x3000, true, true, false, 0}};
        const CoreLayout layout = layout_core(kind, process(), segments);
        const CoreReader core(layout.headers);
        EXPECT_EQ(core.type(), ET_CORE);
        EXPECT_EQ(core.machine(), kind.machine);
        EXPECT_EQ(core.wide(), kind.wide);
        ASSERT_EQ(core.segments().size(), 3U);
        EXPECT_EQ(core.segments()[0].type, static_cast<std::uint32_t>(PT_NOTE));
        const CoreReader::Segment* code = core.find(0x400fff);
        ASSERT_NE(code, nullptr);
        EXPECT_EQ(code->flags, static_cast<std::uint32_t>(PF_R | PF_X));
        EXPECT_EQ(code->offset, segments[0].file_offset);
        const CoreReader::Segment* data = core.find(0x602fff);
        ASSERT_NE(data, nullptr);
        EXPECT_EQ(data->flags, static_cast<std::uint32_t>(PF_R | PF_W));
        EXPECT_EQ(data->file_bytes, 0x3000U);
        EXPECT_EQ(core.find(0x603000), nullptr);
        EXPECT_EQ(layout.total_bytes, segments[1].file_offset + 0x3000);
    }
}

TEST(CoreFile, NotesNameTheProcessItsFilesAndItsAuxiliaryVector) {
    for (const CoreKind kind : {kind64, kind32}) {
        std::vector<CoreSegment> segments{{0x400000, 0x1000, true, true, false, 0}};
        const CoreReader core(layout_core(kind, process(), segments).headers);
        const std::vector<CoreReader::Note> notes = core.notes();
        ASSERT_EQ(notes.size(), 3U);
        EXPECT_EQ(notes[0].type, static_cast<std::uint32_t>(NT_PRPSINFO));
        EXPECT_NE(notes[0].contents.find("program-with-a-"), std::string::npos);
        EXPECT_NE(notes[0].contents.find("program --with arguments"), std::string::npos);
        EXPECT_EQ(notes[1].type, static_cast<std::uint32_t>(NT_AUXV));
        EXPECT_EQ(notes[1].contents, std::string(32, '\1'));
        EXPECT_EQ(notes[2].type, static_cast<std::uint32_t>(NT_FILE));
        const std::size_t word = kind.wide ? 8 : 4;
        EXPECT_EQ(notes[2].contents.size(), 5 * word + sizeof "/usr/bin/program");
        std::uint64_t begin = 0;
        std::memcpy(&begin, notes[2].contents.data() + 2 * word, word);
        EXPECT_EQ(begin, 0x400000U);
        std::uint64_t pages = 0;
        std::memcpy(&pages, notes[2].contents.data() + 4 * word, word);
        EXPECT_EQ(pages, 2U);
    }
}

TEST(CoreFile, MoreSegmentsThanItsHeaderCanCountAreCountedInASection) {
    std::vector<CoreSegment> segments(70000);
    for (std::size_t i = 0; i < segments.size(); ++i) {
        segments[i].address = 0x10000 + i * 0x2000;
        segments[i].bytes = 0x1000;
    }
    const CoreReader core(layout_core(kind64, process(), segments).headers);
    EXPECT_EQ(core.segments().size(), segments.size() + 1);
    EXPECT_EQ(core.segments().back().address, segments.back().address);
}

TEST(CoreFile, A32BitCoreBeyond4GiBIsRefused) {
    std::vector<CoreSegment> segments{{0x1000, 0xffffe000, true, true, false, 0}};
    EXPECT_NO_THROW(layout_core(kind64, process(), segments));
    segments.push_back({0xfffff000, 0x1000, true, true, false, 0});
    EXPECT_THROW(layout_core(kind32, process(), segments), std::length_error);
}

RC_GTEST_PROP(CoreFile, EverySegmentHasAPlaceOfItsOwnBehindTheHeaders, ()) {
    const auto pages =
        *rc::gen::container<std::vector<std::uint64_t>>(rc::gen::inRange<std::uint64_t>(0, 5000));
    std::vector<CoreSegment> segments;
    std::uint64_t address = 0x1000;
    for (const std::uint64_t count : pages) {
        segments.push_back({address, count * 0x1000, true, true, false, 0});
        address += (count + 1) * 0x1000;
    }
    const CoreLayout layout = layout_core(kind64, process(), segments);
    std::uint64_t end = layout.headers.size();
    for (const CoreSegment& segment : segments) {
        RC_ASSERT(segment.file_offset % 0x1000 == 0U);
        RC_ASSERT(segment.file_offset >= end);
        end = segment.file_offset + segment.bytes;
    }
    RC_ASSERT(segments.empty() || layout.total_bytes == end);
}

}  // namespace
}  // namespace onecopy::cli

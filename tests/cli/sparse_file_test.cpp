#include "cli/sparse_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "cli/errors.hpp"
#include "run_onecopy.hpp"

namespace onecopy::cli {
namespace {

using test::file_text;
using test::ScratchDirectory;

std::span<const std::byte> bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

void make_file(const std::string& path, const std::string& text) {
    std::FILE* file = std::fopen(path.c_str(), "w");
    std::fwrite(text.data(), 1, text.size(), file);
    std::fclose(file);
}

TEST(SparseFile, PagesOfZerosTakeNoRoom) {
    const ScratchDirectory scratch;
    std::string contents(1 << 20, '\0');
    contents[500000] = 'x';
    SparseFile file("dump", scratch / "core", contents.size());
    EXPECT_EQ(file.write_sparse(bytes(contents), 0), 4096U);
    file.keep();
    EXPECT_EQ(file_text(scratch / "core"), contents);
    struct stat status {};
    ASSERT_EQ(::stat((scratch / "core").c_str(), &status), 0);
    EXPECT_LE(status.st_blocks * 512, 65536);
    EXPECT_EQ(status.st_mode & 0777, 0600U) << "memory holds secrets";
}

TEST(SparseFile, WithoutKeepNothingIsLeftAndAnOlderFileStays) {
    const ScratchDirectory scratch;
    make_file(scratch / "core", "older");
    {
        SparseFile file("dump", scratch / "core", 4096);
        file.write(bytes(std::string(4096, 'n')), 0);
        EXPECT_TRUE(exists(scratch / "core.partial"));
    }
    EXPECT_FALSE(exists(scratch / "core.partial"));
    EXPECT_EQ(file_text(scratch / "core"), "older");
}

TEST(SparseFile, ALinkInItsWayIsNotFollowed) {
    const ScratchDirectory scratch;
    make_file(scratch / "victim", "untouched");
    ASSERT_EQ(::symlink((scratch / "victim").c_str(), (scratch / "core.partial").c_str()), 0);
    SparseFile file("dump", scratch / "core", 4096);
    file.write(bytes("overwritten"), 0);
    file.keep();
    EXPECT_EQ(file_text(scratch / "victim"), "untouched");
    EXPECT_EQ(file_text(scratch / "core").substr(0, 11), "overwritten");
}

TEST(SparseFile, PlacesWhereNoFileCanBeAreWrongInput) {
    const ScratchDirectory scratch;
    EXPECT_THROW(SparseFile("dump", scratch.path(), 1), WrongInput);
    EXPECT_THROW(SparseFile("dump", "/dev/null", 1), WrongInput);
    EXPECT_THROW(SparseFile("dump", scratch / "no/such/directory", 1), WrongInput);
    EXPECT_THROW(SparseFile("dump", scratch / "core", std::uint64_t{1} << 62), Failure);
    EXPECT_FALSE(exists(scratch / "core.partial"));
}

}  // namespace
}  // namespace onecopy::cli

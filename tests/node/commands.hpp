// Running commands to their end, and what the ranks say that a launcher starts.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <string>
#include <vector>

namespace onecopy::test {

using Arguments = std::vector<std::string>;

Arguments operator+(Arguments left, const Arguments& right);

inline const std::string rank_program = ONECOPY_LAUNCHED_RANK;
inline constexpr int rank_wrong = 9;  ///< what it ends with when something throws

/// How a command ended, and what it and all that it started have said.
struct Ended {
    int status = -1;  ///< of its exit; -1: it was killed, perhaps because it did not end
    std::string out, err;

    /// "rank 0 of 2" and so on, sorted.
    [[nodiscard]] Arguments ranks() const;
};

/// All lines that jobs of these sizes say, each `times` times, sorted.
Arguments lines_of(const std::vector<int>& sizes, int times = 1);

/// A directory that ends with this object, and what is in it.
class Folder {
public:
    Folder();
    ~Folder();
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
    std::string path_ = "/tmp/onecopy-launched-XXXXXX";
};

/// A command in a process group of its own. Its end is this object's, at the latest.
class Command {
public:
    /// `environment`: "NAME=value", besides ours without onecopy's and PMIx's variables.
    explicit Command(Arguments words, const Arguments& environment = {});
    ~Command();
    Command(const Command&) = delete;
    Command& operator=(const Command&) = delete;

    [[nodiscard]] std::string out() const;
    [[nodiscard]] std::string err() const;

    /// Under the deadlock guard.
    Ended wait();

private:
    void end() const;

    Folder folder_;  // for its files alone: an mpirun that aborts may take others' with it
    int out_, err_;
    pid_t pid_ = -1;
};

Ended run(Arguments words, const Arguments& environment = {});

bool is_installed(const char* program);

#define EXPECT_SUCCESS(result, lines)       \
    do {                                    \
        EXPECT_EQ((result).status, 0);      \
        EXPECT_EQ((result).ranks(), lines); \
        EXPECT_EQ((result).err, "");        \
    } while (false)

}  // namespace onecopy::test

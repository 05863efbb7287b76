// A rank for the tests of launchers: does what its arguments say, one after the other.
//
//     node            is a rank for a while, and exchanges a number with its neighbours
//     keep            the same, and stays a rank until the process ends
//     mpi_init, mpi_sum, mpi_finalize    what their names say, if built with an MPI
//     one_thread      fails if this process has another thread
//     timeout=MS      for the joins that follow
//     exit=STATUS     by exit(3), with whatever is still alive
//     die             as by kill -9
//     nap=MS          lets the others go first
//     pause           until it is killed
//
// "R:word" is for the launcher's rank R alone. What throws is said, and ends it with status 9.
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <list>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

#include "onecopy/node.hpp"

#ifdef ONECOPY_TEST_MPI
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>
#endif

namespace {

constexpr int wrong = 9;

int number(std::string_view text) {
    int value = -1;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

void exchange(onecopy::Node& node) {
    onecopy::Communicator& world = node.world();
    const int right = (world.rank() + 1) % world.size();
    const int left = (world.rank() + world.size() - 1) % world.size();
    const int mine = world.rank();
    int theirs = -1;
    onecopy::Request sending = world.isend(std::span(&mine, 1), right, 7);
    world.recv(std::span(&theirs, 1), left, 7);
    sending.wait();
    world.barrier();
    if (theirs != left) std::_Exit(wrong);
    // One call, so that the lines of several ranks do not mix.
    const std::string line =
        "rank " + std::to_string(world.rank()) + " of " + std::to_string(world.size()) + "\n";
    if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) std::_Exit(wrong);
}

void do_mpi([[maybe_unused]] std::string_view word) {
#ifdef ONECOPY_TEST_MPI
    if (word == "mpi_init") MPI_Init(nullptr, nullptr);
    if (word == "mpi_finalize") MPI_Finalize();
    if (word == "mpi_sum") {
        const int one = 1;
        int sum = 0;
        int size = 0;
        MPI_Comm_size(MPI_COMM_WORLD, &size);
        MPI_Allreduce(&one, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
        if (sum != size) std::_Exit(wrong);
    }
#else
    std::fprintf(stderr, "this program has no MPI\n");
    std::_Exit(wrong);
#endif
}

std::list<onecopy::Node>& kept() {
    static std::list<onecopy::Node> nodes;
    return nodes;
}

void run(std::string_view word, onecopy::NodeOptions& options) {
    const std::size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    const int value = equals == std::string_view::npos ? -1 : number(word.substr(equals + 1));
    if (name == "node") {
        onecopy::Node node(options);
        exchange(node);
    } else if (name == "keep") {
        exchange(kept().emplace_back(options));
    } else if (name.starts_with("mpi_")) {
        do_mpi(name);
    } else if (name == "one_thread") {
        const auto threads = std::filesystem::directory_iterator("/proc/self/task");
        if (std::distance(begin(threads), end(threads)) != 1) {
            std::fprintf(stderr, "there is more than one thread\n");
            std::_Exit(wrong);
        }
    } else if (name == "timeout") {
        options.timeout = std::chrono::milliseconds(value);
    } else if (name == "exit") {
        std::exit(value);
    } else if (name == "die") {
        ::raise(SIGKILL);
    } else if (name == "nap") {
        std::this_thread::sleep_for(std::chrono::milliseconds(value));
    } else if (name == "pause") {
        for (;;) ::pause();
    } else {
        std::fprintf(stderr, "no such word: %s\n", std::string(word).c_str());
        std::_Exit(wrong);
    }
}

}  // namespace

int main(int count, char** words) {
    const char* const own = std::getenv("PMIX_RANK");
    onecopy::NodeOptions options;
    for (std::string_view word : std::span(words, static_cast<std::size_t>(count)).subspan(1)) {
        const std::size_t colon = word.find(':');
        if (colon != std::string_view::npos) {
            if (own == nullptr || word.substr(0, colon) != own) continue;
            word.remove_prefix(colon + 1);
        }
        try {
            run(word, options);
        } catch (const std::system_error& error) {
            std::fprintf(stderr, "%s %d %s\n", error.code().category().name(), error.code().value(),
                         error.what());
            return wrong;
        }
    }
    return 0;
}

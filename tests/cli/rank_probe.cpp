// A rank for the tests of `onecopy run`: tells what it was given, or writes much.
//
//   rank_probe facts        one line: rank, size, the job's memory, the processors it may use
//   rank_probe lines COUNT  lines "RANK INDEX xxx...", cut into writes wherever it comes
//   rank_probe count FILE   counts SIGINTs until SIGUSR1, and tells; its number is in FILE and RANK
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <string_view>

namespace {

const char* given(const char* name) {
    const char* const value = std::getenv(name);
    return value != nullptr ? value : "-";
}

int tell_facts() {
    const std::string_view job = given("ONECOPY_JOB");
    const int fd = job.starts_with("fd:") ? std::atoi(job.data() + 3) : -1;
    struct stat facts {};
    ::fstat(fd, &facts);
    const int seals = ::fcntl(fd, F_GET_SEALS);
    const bool sealed = seals >= 0 && (seals & F_SEAL_SHRINK) != 0 && (seals & F_SEAL_GROW) != 0 &&
                        (seals & F_SEAL_SEAL) != 0;
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    ::sched_getaffinity(0, sizeof cpus, &cpus);
    std::string list;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &cpus)) list += (list.empty() ? "" : ",") + std::to_string(cpu);
    }
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    std::printf("rank=%s size=%s job=%.*s %s inode=%llu cpus=%s nofile=%llu\n",
                given("ONECOPY_RANK"), given("ONECOPY_SIZE"), static_cast<int>(job.size()),
                job.data(), sealed ? "sealed" : "not-sealed",
                static_cast<unsigned long long>(facts.st_ino), list.c_str(),
                static_cast<unsigned long long>(files.rlim_cur));
    return 0;
}

bool write_all(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
        if (written <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

int write_lines(int count) {
    const std::string rank = given("ONECOPY_RANK");
    std::minstd_rand random(static_cast<unsigned>(std::atoi(rank.c_str())) + 1);
    std::string text;
    for (int line = 0; line < count; ++line) {
        text += rank + " " + std::to_string(line) + " " +
                std::string(random() % 200, static_cast<char>('a' + std::atoi(rank.c_str()))) +
                "\n";
        while (text.size() > 4096) {
            const std::size_t piece = 1 + random() % 4096;
            if (!write_all(std::string_view(text).substr(0, piece))) return 1;
            text.erase(0, piece);
        }
    }
    return write_all(text) ? 0 : 1;
}

volatile sig_atomic_t interrupts = 0;
volatile sig_atomic_t told_to_end = 0;

/// A signal that arrives between two looks is seen at the next one.
int count_interrupts(std::string path) {
    ::signal(SIGINT, [](int) { interrupts = interrupts + 1; });
    ::signal(SIGUSR1, [](int) { told_to_end = 1; });
    path += given("ONECOPY_RANK");
    std::FILE* const file = std::fopen(path.c_str(), "w");
    if (file == nullptr) return 1;
    std::fprintf(file, "%d\n", static_cast<int>(::getpid()));
    std::fclose(file);
    while (told_to_end == 0) ::usleep(1000);
    std::printf("rank %s: %d\n", given("ONECOPY_RANK"), static_cast<int>(interrupts));
    return 0;
}

}  // namespace

int main(int count, char** arguments) {
    const std::string_view mode = count > 1 ? arguments[1] : "";
    if (mode == "facts") return tell_facts();
    if (mode == "lines" && count > 2) return write_lines(std::atoi(arguments[2]));
    if (mode == "count" && count > 2) return count_interrupts(arguments[2]);
    std::fprintf(stderr, "usage: rank_probe facts|lines COUNT|count FILE\n");
    return 2;
}

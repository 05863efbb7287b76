#include "node/pmix.hpp"

#include <dlfcn.h>
#include <link.h>
#include <pmix.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "node/meeting.hpp"
#include "onecopy/error.hpp"

namespace onecopy::node {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr const char* library = "libpmix.so.2";
constexpr const char* key_name = "onecopy.key";
constexpr const char* asked = "onecopy: join a job by PMIx: ";
constexpr const char* way_out = "give all ranks a key, or start them with `onecopy run`";

[[noreturn]] void refuse(const std::string& why) {
    throw std::system_error(Errc::no_job, asked + why);
}
[[noreturn]] void run_out_of_time(const std::string& why) {
    throw std::system_error(ETIMEDOUT, std::system_category(), asked + why);
}

/// The functions of libpmix that are called here.
class Library {
public:
    /// It stays loaded: its threads and handlers do not reckon with being taken away.
    Library() : handle_(::dlopen(library, RTLD_NOW | RTLD_LOCAL)) {
        if (handle_ == nullptr) {
            refuse(std::string(::dlerror()) + "; install libpmix2, or give all ranks a key");
        }
        find(init, "PMIx_Init");
        find(finalize, "PMIx_Finalize");
        find(initialized, "PMIx_Initialized");
        find(put, "PMIx_Put");
        find(commit, "PMIx_Commit");
        find(get, "PMIx_Get");
        find(error_string, "PMIx_Error_string");
    }

    decltype(&PMIx_Init) init = nullptr;
    decltype(&PMIx_Finalize) finalize = nullptr;
    decltype(&PMIx_Initialized) initialized = nullptr;
    decltype(&PMIx_Put) put = nullptr;
    decltype(&PMIx_Commit) commit = nullptr;
    decltype(&PMIx_Get) get = nullptr;
    decltype(&PMIx_Error_string) error_string = nullptr;

private:
    template <class Function>
    void find(Function& function, const char* name) {
        function = reinterpret_cast<Function>(::dlsym(handle_, name));
        if (function == nullptr) {
            refuse(std::string(library) + " has no " + name + "; install PMIx 4 or newer");
        }
    }

    void* handle_;
};

const Library& pmix() {
    static const Library loaded;
    return loaded;
}

[[noreturn]] void refuse(const char* call, pmix_status_t status, const char* what_to_do) {
    refuse(std::string(call) + ": " + pmix().error_string(status) + "; " + what_to_do);
}

/// Closes the connection when the process exits, in which it was opened: a fork has no part in it.
class OpenUntilExit {
public:
    OpenUntilExit() noexcept : pid_(::getpid()) {}
    OpenUntilExit(const OpenUntilExit&) = delete;
    OpenUntilExit& operator=(const OpenUntilExit&) = delete;
    ~OpenUntilExit() {
        if (::getpid() == pid_) pmix().finalize(nullptr, 0);
    }

private:
    pid_t pid_;
};

/// Whether this process has an MPI, however it came here.
bool has_mpi() noexcept {
    const auto is_mpi = [](dl_phdr_info* object, std::size_t, void*) {
        const std::string_view path = object->dlpi_name;
        return path.substr(path.rfind('/') + 1).starts_with("libmpi") ? 1 : 0;
    };
    return ::dl_iterate_phdr(is_mpi, nullptr) != 0;
}

/// Counted in libpmix, which may have been opened by an MPI before.
class Connection {
public:
    Connection() : others_(pmix().initialized() != 0) {
        const pmix_status_t status = pmix().init(&self_, nullptr, 0);
        // Not closed then: libpmix 4.2 crashes when what could not be opened is closed.
        if (status != PMIX_SUCCESS) {
            refuse("PMIx_Init", status, "the launcher that PMIX_NAMESPACE names may have ended");
        }
    }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() {
        // Open MPI 4.1's server forgets all about a rank that closes, and MPI_Init then fails.
        if (!others_ && has_mpi()) {
            static const OpenUntilExit open;
        } else {
            pmix().finalize(nullptr, 0);
        }
    }

    [[nodiscard]] const pmix_proc_t& self() const noexcept { return self_; }

private:
    bool others_;
    pmix_proc_t self_{};
};

pmix_info_t directive(const char* name) noexcept {
    pmix_info_t info{};
    std::strncpy(info.key, name, PMIX_MAX_KEYLEN);
    return info;
}

/// A text that PMIx has about a process. `status` says why there is none.
std::string get_text(const pmix_proc_t& about, const char* name, const pmix_info_t* how,
                     pmix_status_t& status) {
    pmix_value_t* value = nullptr;
    status = pmix().get(&about, name, how, how != nullptr ? 1 : 0, &value);
    if (status != PMIX_SUCCESS) return {};
    const std::unique_ptr<pmix_value_t, decltype(&std::free)> owner(value, &std::free);
    if (value->type != PMIX_STRING || value->data.string == nullptr) {
        status = PMIX_ERR_TYPE_MISMATCH;
        return {};
    }
    std::string text = value->data.string;
    std::free(value->data.string);
    return text;
}

/// The ranks of this process's job on this machine, ascending.
std::vector<pmix_rank_t> local_ranks(const pmix_proc_t& self) {
    pmix_proc_t job = self;
    job.rank = PMIX_RANK_WILDCARD;
    pmix_status_t status = PMIX_SUCCESS;
    const std::string text = get_text(job, PMIX_LOCAL_PEERS, nullptr, status);
    if (status != PMIX_SUCCESS) refuse("ask which ranks are on this machine", status, way_out);
    std::vector<pmix_rank_t> ranks;
    const char* at = text.c_str();
    const char* const end = at + text.size();
    while (at != end) {
        pmix_rank_t rank = 0;
        const auto [next, error] = std::from_chars(at, end, rank);
        if (error != std::errc() || (next != end && *next != ',')) break;
        ranks.push_back(rank);
        at = next != end ? next + 1 : end;
    }
    std::sort(ranks.begin(), ranks.end());
    if (at != end || !std::binary_search(ranks.begin(), ranks.end(), self.rank)) {
        refuse("\"" + text + "\" are to be the ranks of this machine, and this one is " +
               std::to_string(self.rank) + "; " + way_out);
    }
    return ranks;
}

std::string draw_key() {
    std::array<unsigned char, 32> drawn;
    if (::getrandom(drawn.data(), drawn.size(), 0) != static_cast<ssize_t>(drawn.size())) {
        throw std::system_error(errno, std::system_category(), "onecopy: join a job by PMIx");
    }
    std::string text;
    for (const unsigned char byte : drawn) {
        constexpr const char* digits = "0123456789abcdef";
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

/// By the lowest rank. What it has put before, for an earlier Node, stays: a peer might get that.
std::string put_key(const pmix_proc_t& self) {
    pmix_info_t at_once = directive(PMIX_IMMEDIATE);
    at_once.value.type = PMIX_BOOL;
    at_once.value.data.flag = true;
    pmix_status_t status = PMIX_SUCCESS;
    std::string key = get_text(self, key_name, &at_once, status);
    if (status == PMIX_SUCCESS) return key;
    key = draw_key();
    pmix_value_t value{};
    value.type = PMIX_STRING;
    value.data.string = key.data();  // copied
    status = pmix().put(PMIX_LOCAL, key_name, &value);
    if (status == PMIX_SUCCESS) status = pmix().commit();
    if (status != PMIX_SUCCESS) refuse("give the key to the server", status, "start the job again");
    return key;
}

/// Asked for again and again: the server of Open MPI 4.1 forgets who waits for a key of a rank when
/// that rank closes its connection, as MPI_Finalize does, before it comes here.
std::string get_key(const pmix_proc_t& lowest, Clock::time_point end) {
    pmix_info_t limit = directive(PMIX_TIMEOUT);
    limit.value.type = PMIX_INT;
    limit.value.data.integer = 1;  // seconds, the least there is
    for (;;) {
        pmix_status_t status = PMIX_SUCCESS;
        std::string key = get_text(lowest, key_name, &limit, status);
        if (status == PMIX_SUCCESS) return key;
        if (status != PMIX_ERR_TIMEOUT) {
            refuse("get the key", status, "the lowest rank of this machine may have ended");
        }
        if (Clock::now() >= end) {
            run_out_of_time("wait for rank " + std::to_string(lowest.rank) + " of " +
                            lowest.nspace + "; each rank on this machine must make a Node");
        }
    }
}

}  // namespace

JoinedByPmix join_by_pmix(std::string_view directory, milliseconds timeout) {
    const auto end = Clock::now() + timeout;
    const auto left = [end] {
        return std::max(std::chrono::ceil<milliseconds>(end - Clock::now()), milliseconds(1));
    };
    // Until all have met: what a rank has put may be gone when it leaves the server.
    const Connection connection;
    const pmix_proc_t& self = connection.self();
    const std::vector<pmix_rank_t> ranks = local_ranks(self);
    const auto place = std::lower_bound(ranks.begin(), ranks.end(), self.rank) - ranks.begin();
    pmix_proc_t lowest = self;
    lowest.rank = ranks.front();
    const std::string key = place == 0 ? put_key(self) : get_key(lowest, end);
    const int rank = static_cast<int>(place);
    try {
        return {meet({key, directory, rank, static_cast<int>(ranks.size()), left()}), rank};
    } catch (const std::system_error& error) {
        if (error.code() != std::errc::timed_out) throw;
        run_out_of_time("wait for the ranks on this machine, " + std::to_string(ranks.size()) +
                        "; each must make a Node");
    }
}

}  // namespace onecopy::node

// Waiting for several requests from C.
#include <algorithm>
#include <array>
#include <climits>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "c_api/lists.hpp"
#include "c_api/node_handles.hpp"
#include "onecopy/request.hpp"

using namespace onecopy;
using namespace onecopy::c_api;

namespace {

using Handles = std::span<onecopy_request*>;

/// Whether it is a list, of requests of one node, none of them twice.
bool are_of_one_node(onecopy_request** requests, std::size_t count) noexcept {
    if (requests == nullptr && count > 0) return false;
    if (count > PTRDIFF_MAX / sizeof(Request)) return false;
    const Handles all(requests, count);
    bool good = true;
    const onecopy_node* node = nullptr;
    for (onecopy_request* const each : all) {
        if (each == nullptr) continue;
        if (node == nullptr) node = &each->part.node();
        good = good && !each->listed && &each->part.node() == node;
        each->listed = true;
    }
    for (onecopy_request* const each : all) {
        if (each != nullptr) each->listed = false;
    }
    return good;
}

/// The requests of these handles in a row, as the C++ functions want them, while this lives. The
/// operations stay where they are.
class Borrowed {
public:
    explicit Borrowed(Handles handles) noexcept
        : handles_(handles), list_(handles.data(), handles.size(), [](onecopy_request* handle) {
              if (handle == nullptr) return Request();
              handle->was_active = handle->request.active();
              return std::move(handle->request);
          }) {}
    ~Borrowed() {
        for (std::size_t i = 0; i < get().size(); ++i) {
            if (handles_[i] == nullptr) continue;
            handles_[i]->request = std::move(get()[i]);
            if (handles_[i]->was_active) free_if_done(handles_[i]);
        }
    }
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;

    [[nodiscard]] bool ok() const noexcept { return list_.ok(); }
    [[nodiscard]] std::span<Request> get() const noexcept { return list_.get(); }

    /// One that was active and is not any more.
    [[nodiscard]] std::size_t finished() const noexcept {
        std::size_t i = 0;
        while (handles_[i] == nullptr || !handles_[i]->was_active || get()[i].active()) ++i;
        return i;
    }

private:
    Handles handles_;
    List<Request> list_;
};

int any_of(onecopy_request** requests, std::size_t count, std::size_t* index,
           onecopy_status* status, bool wait) noexcept {
    if (index == nullptr) return -EINVAL;
    *index = ONECOPY_NO_INDEX;
    if (!are_of_one_node(requests, count)) return -EINVAL;
    return guarded([&] {
        const Borrowed borrowed(Handles(requests, count));
        if (!borrowed.ok()) return -ENOMEM;
        Status found;
        try {
            const std::optional<std::size_t> which =
                wait ? wait_any(borrowed.get(), &found) : test_any(borrowed.get(), &found);
            put(status, found);
            if (!which) return 0;
            *index = *which;
            return 1;
        } catch (const std::system_error& error) {
            *index = borrowed.finished();
            put(status, found);
            return number_of(error.code());
        }
    });
}

int some_of(onecopy_request** requests, std::size_t count, onecopy_finished* finished,
            bool wait) noexcept {
    if (!are_of_one_node(requests, count) || count > INT_MAX) return -EINVAL;
    if (finished == nullptr && count > 0) return -EINVAL;
    return guarded([&] {
        const Borrowed borrowed(Handles(requests, count));
        if (!borrowed.ok()) return -ENOMEM;
        const std::vector<Finished> done =
            wait ? wait_some(borrowed.get()) : test_some(borrowed.get());
        std::transform(done.begin(), done.end(), finished, [](const Finished& each) {
            return onecopy_finished{each.index, to_c(each.status)};
        });
        return static_cast<int>(done.size());
    });
}

}  // namespace

extern "C" {

int onecopy_wait_all(onecopy_request** requests, size_t count, onecopy_status* statuses) {
    if (!are_of_one_node(requests, count)) return -EINVAL;
    int first_error = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const int error = onecopy_wait(&requests[i], statuses == nullptr ? nullptr : &statuses[i]);
        if (first_error == 0) first_error = error;
    }
    return first_error;
}

int onecopy_test_all(onecopy_request** requests, size_t count, onecopy_status* statuses) {
    if (!are_of_one_node(requests, count)) return -EINVAL;
    return guarded([&] {
        const Borrowed borrowed(Handles(requests, count));
        if (!borrowed.ok()) return -ENOMEM;
        std::vector<Status> done;
        if (!test_all(borrowed.get(), done)) return 0;
        if (statuses != nullptr) std::transform(done.begin(), done.end(), statuses, to_c);
        const auto bad = std::find_if(done.begin(), done.end(),
                                      [](const Status& each) { return bool(each.error); });
        return bad == done.end() ? 1 : number_of(bad->error);
    });
}

int onecopy_wait_any(onecopy_request** requests, size_t count, size_t* index,
                     onecopy_status* status) {
    return any_of(requests, count, index, status, true);
}

int onecopy_test_any(onecopy_request** requests, size_t count, size_t* index,
                     onecopy_status* status) {
    return any_of(requests, count, index, status, false);
}

int onecopy_wait_some(onecopy_request** requests, size_t count, onecopy_finished* finished) {
    return some_of(requests, count, finished, true);
}

int onecopy_test_some(onecopy_request** requests, size_t count, onecopy_finished* finished) {
    return some_of(requests, count, finished, false);
}

}  // extern "C"

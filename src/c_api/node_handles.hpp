// What stands behind the opaque handles of the C API of nodes.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <climits>
#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>

#include "c_api/error_numbers.hpp"
#include "onecopy/node.hpp"
#include "onecopy/onecopy_node.h"

namespace onecopy::c_api {

/// Counts a handle among those of its node, without which it must not be.
class Part {
public:
    explicit Part(onecopy_node& node) noexcept;
    ~Part();
    Part(const Part&) = delete;
    Part& operator=(const Part&) = delete;
    [[nodiscard]] onecopy_node& node() const noexcept { return node_; }

private:
    void count(std::size_t change) const noexcept;

    onecopy_node& node_;
};

/// How many handles a node has. No locked instructions where one thread is promised.
struct Parts {
    bool threads;
    std::atomic<std::size_t> count{0};
};

}  // namespace onecopy::c_api

struct onecopy_comm {
    explicit onecopy_comm(onecopy_node& node) noexcept : part(node) {}

    onecopy::c_api::Part part;
    onecopy::Communicator made;  // but for the world
    onecopy::Communicator* communicator = &made;
};

struct onecopy_request {
    onecopy_request(onecopy_node& node, bool again) noexcept : part(node), persistent(again) {}

    onecopy::c_api::Part part;
    onecopy::Request request;
    bool persistent;
    // While it is in a list of several:
    bool listed = false;
    bool was_active = false;
};

struct onecopy_message {
    explicit onecopy_message(onecopy_node& node) noexcept : part(node) {}

    onecopy::c_api::Part part;
    onecopy::Message message;
};

struct onecopy_view {
    explicit onecopy_view(onecopy_node& node) noexcept : part(node) {}

    onecopy::c_api::Part part;
    onecopy::MessageView view;
};

struct onecopy_node {
    explicit onecopy_node(const onecopy::NodeOptions& options)
        : parts{options.threads}, node(options), world(*this) {
        world.communicator = &node.world();
    }

    onecopy::c_api::Parts parts;  // the world is one
    onecopy::Node node;
    onecopy_comm world;
    std::mutex blocks_lock;
    std::unordered_map<void*, std::size_t> blocks;  // handed out of the arena, with their bytes
};

namespace onecopy::c_api {

inline Part::Part(onecopy_node& node) noexcept : node_(node) { count(1); }
inline Part::~Part() { count(std::size_t{0} - 1); }
inline void Part::count(std::size_t change) const noexcept {
    Parts& parts = node_.parts;
    if (parts.threads) {
        parts.count.fetch_add(change, std::memory_order_relaxed);
    } else {
        parts.count.store(parts.count.load(std::memory_order_relaxed) + change,
                          std::memory_order_relaxed);
    }
}

inline onecopy_status to_c(const Status& status) noexcept {
    return {status.bytes, status.source, status.tag, number_of(status.error), 0};
}
inline void put(onecopy_status* to, const Status& status) noexcept {
    if (to != nullptr) *to = to_c(status);
}

/// Whether there is memory where some is needed, and not more than there can be.
inline bool sound(const void* memory, std::size_t bytes) noexcept {
    return (memory != nullptr || bytes == 0) && bytes <= SSIZE_MAX;
}
inline ConstSegment to_send(const void* memory, std::size_t bytes) noexcept {
    return {static_cast<const std::byte*>(memory), bytes};
}
inline Segment to_receive(void* memory, std::size_t bytes) noexcept {
    return {static_cast<std::byte*>(memory), bytes};
}

/// Frees a handle at its address, which may hold none.
template <class Handle>
int free_handle(Handle** handle) noexcept {
    if (handle == nullptr) return -EINVAL;
    return guarded([&] {
        delete *handle;
        *handle = nullptr;
        return 0;
    });
}

/// A handle for the request that `begin` gives. The handle first: what was begun must not be lost.
template <class Begin>
int make_request(onecopy_node& node, bool persistent, onecopy_request** request,
                 const Begin& begin) {
    auto handle = std::make_unique<onecopy_request>(node, persistent);
    handle->request = begin();
    *request = handle.release();
    return 0;
}

/// Whether there is a communicator, and a place for a request, which is empty then.
inline bool can_begin(const onecopy_comm* comm, onecopy_request** request) noexcept {
    if (request != nullptr) *request = nullptr;
    return comm != nullptr && request != nullptr;
}

/// After a wait: one that is not persistent is not needed any more.
inline void free_if_done(onecopy_request*& handle) noexcept {
    if (handle == nullptr || handle->persistent || handle->request.active()) return;
    delete handle;
    handle = nullptr;
}

}  // namespace onecopy::c_api

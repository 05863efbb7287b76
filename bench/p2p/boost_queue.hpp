// A Boost.Interprocess message queue between two ranks of a job, one direction.
#pragma once

#include <boost/interprocess/ipc/message_queue.hpp>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "link.hpp"

namespace onecopy::p2p {

/// A name in /dev/shm that no other job has, and that is swept when the bench ends: it begins with
/// the name of the bench's folder.
inline std::string shared_name(const Setup& setup, const std::string& what) {
    const std::filesystem::path folder(setup.folder);
    return folder.parent_path().filename().string() + "." + folder.filename().string() + "." + what;
}

class BoostQueue {
public:
    /// Whoever comes first makes it.
    BoostQueue(const Setup& setup, int from, int to, const std::string& kind, std::size_t messages,
               std::size_t bytes)
        : name_(shared_name(setup, kind + std::to_string(from) + "-" + std::to_string(to))),
          queue_(boost::interprocess::open_or_create, name_.c_str(), messages, bytes) {}
    /// Has all of its memory touched, before anybody uses it.
    void warm_up() {
        const std::vector<std::byte> message(queue_.get_max_msg_size());
        std::vector<std::byte> got(message.size());
        while (try_push(message.data(), message.size())) {
        }
        while (try_pull(got.data())) {
        }
    }

    BoostQueue(const BoostQueue&) = delete;
    BoostQueue& operator=(const BoostQueue&) = delete;
    ~BoostQueue() { boost::interprocess::message_queue::remove(name_.c_str()); }

    /// False if it is full.
    bool try_push(const void* data, std::size_t bytes) { return queue_.try_send(data, bytes, 0); }

    /// False if there is none. `data` has room for what was sent; the queue would not believe it
    /// unless there were room for the largest message that it can hold.
    bool try_pull(void* data) {
        boost::interprocess::message_queue::size_type got = 0;
        unsigned priority = 0;
        return queue_.try_receive(data, queue_.get_max_msg_size(), got, priority);
    }

private:
    std::string name_;
    boost::interprocess::message_queue queue_;
};

}  // namespace onecopy::p2p

#include "os/ready_flag.hpp"

namespace onecopy::os {

bool ReadyFlag::arm(int fd) noexcept {
    ring_ = ThreadRing::of_this_thread();
    if (!ring_) return false;
    slot_ = ring_->arm(fd);
    if (slot_ < 0) return false;
    armed_.store(ring_.get(), std::memory_order_release);
    return true;
}

bool ReadyFlag::still_quiet() const noexcept {
    const ThreadRing* const ring = armed_.load(std::memory_order_acquire);
    if (ring == nullptr || !ring->is_ours()) return false;
    ring_->collect();
    return !ring->pending() && !ring->rung(slot_);
}

ReadyFlag::~ReadyFlag() {
    if (slot_ >= 0) ring_->release(slot_);
}

}  // namespace onecopy::os

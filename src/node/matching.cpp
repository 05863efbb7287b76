#include "node/matching.hpp"

namespace onecopy::node {
namespace {

bool takes(const Operation& receive, int tag) noexcept {
    return receive.tag == any_tag || receive.tag == tag;
}

}  // namespace

Matching::~Matching() {
    while (Arrived* const each = messages_.first()) take(*each);
}

Operation* Matching::take_receive(int source, int tag) noexcept {
    const auto search = [tag](const Receives& list) {
        Operation* each = list.first();
        while (each != nullptr && !takes(*each, tag)) each = list.after(*each);
        return each;
    };
    Operation* found = nullptr;
    if (const Sender* const one = known(source)) found = search(one->receives);
    Operation* const wild = search(from_any_);
    if (found == nullptr || (wild != nullptr && wild->order < found->order)) found = wild;
    if (found != nullptr) Receives::remove(*found);
    return found;
}

Matching::Sender& Matching::sender(int source) {
    const auto index = static_cast<std::size_t>(source);
    if (index >= senders_.size()) senders_.resize(index + 1);
    if (!senders_[index]) senders_[index] = std::make_unique<Sender>();
    return *senders_[index];
}

void Matching::post(Operation& receive) {
    Receives& list = receive.peer == any_source ? from_any_ : sender(receive.peer).receives;
    receive.order = next_order_++;
    list.append(receive);
}

void Matching::remove(Operation& receive) noexcept { Receives::remove(receive); }

Arrived* Matching::find(int source, int tag) noexcept {
    const auto fits = [tag](const Arrived& message) {
        return tag == any_tag || message.tag == tag;
    };
    if (source == any_source) {
        Arrived* each = messages_.first();
        while (each != nullptr && !fits(*each)) each = messages_.after(*each);
        return each;
    }
    const Sender* const one = known(source);
    if (one == nullptr) return nullptr;
    const auto& list = one->messages;
    Arrived* each = list.first();
    while (each != nullptr && !fits(*each)) each = list.after(*each);
    return each;
}

void Matching::keep(std::unique_ptr<Arrived> message) {
    auto& list = sender(message->source).messages;
    messages_.append(*message);
    list.append(*message.release());
}

std::unique_ptr<Arrived> Matching::take(Arrived& message) noexcept {
    List<Arrived, InOrder>::remove(message);
    List<Arrived, OfSource>::remove(message);
    return std::unique_ptr<Arrived>(&message);
}

Operation* Matching::first_receive() noexcept {
    if (Operation* const wild = from_any_.first()) return wild;
    for (const std::unique_ptr<Sender>& one : senders_) {
        Operation* const each = one ? one->receives.first() : nullptr;
        if (each != nullptr) return each;
    }
    return nullptr;
}

Operation* Matching::first_receive_from(int source) noexcept {
    if (source == any_source) return from_any_.first();
    const Sender* const one = known(source);
    return one != nullptr ? one->receives.first() : nullptr;
}

}  // namespace onecopy::node

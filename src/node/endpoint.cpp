#include "node/endpoint.hpp"

#include <sched.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <string_view>

#include "node/rank_place.hpp"
#include "os/errors.hpp"

namespace onecopy::node {
namespace {

using os::no_memory;

/// Taken from one ring before the next one's turn.
constexpr int messages_at_a_time = 16;

/// Any number, but not the same in another ring or run.
std::uint64_t draw_key() noexcept {
    std::uint64_t key = 0;
    if (::getrandom(&key, sizeof key, GRND_NONBLOCK) != sizeof key) {
        const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
        key = static_cast<std::uint64_t>(now) * 0x9e37'79b9'7f4a'7c15;
    }
    return key | std::uint64_t{1} << 63;  // so that no stamp is 0, as lines are at first
}

}  // namespace

Endpoint::Endpoint(JobMemory memory, int rank, const Arena* arena, bool threads,
                   const WayTable& ways, const Schedules& schedules)
    : memory_(std::move(memory)),
      rank_(rank),
      arena_(arena),
      threads_(threads),
      ways_(ways),
      schedules_(schedules),
      peers_(memory_, rank),
      watch_(memory_, peers_, rank),
      crowding_(memory_, rank),
      stages_(static_cast<std::size_t>(memory_.ranks()), Stage::here),
      outgoing_(static_cast<std::size_t>(memory_.ranks())) {
    const os::CpuPlace place = place_of_rank(rank);
    RankLine& line = memory_.line(rank);
    // Nothing is written before it is ours: another process may be that rank, and go on being it.
    if (!line.life.hold()) {
        throw std::system_error(EEXIST, std::system_category(),
                                "onecopy: join a job: another process is that rank");
    }
    if (line.stage.load(std::memory_order_acquire) != Stage::absent) {
        line.life.let_go();
        throw std::system_error(
            EEXIST, std::system_category(),
            "onecopy: join a job: that rank has been here already and has ended; "
            "a rank is one process, from its start to its end");
    }
    holder_ = static_cast<int>(::syscall(SYS_gettid));
    line.pid = ::getpid();
    line.pid_namespace = own_pid_namespace();
    line.start_ticks = life_of(line.pid).start_ticks;
    line.program_address = ::getauxval(AT_RANDOM);
    std::memcpy(line.program.data(), reinterpret_cast<const void*>(::getauxval(AT_RANDOM)),
                program_bytes);
    line.arena_fd = arena != nullptr ? arena->fd() : -1;
    if (arena != nullptr) {
        line.arena_base = reinterpret_cast<std::uintptr_t>(arena->range().data());
        line.arena_bytes = arena->range().size();
    }
    Crowding::introduce(line);
    line.place = place;
    with_queue_.reserve(outgoing_.size());
    look_where_we_are();
    line.stage.store(Stage::here, std::memory_order_release);
}

Endpoint::~Endpoint() {
    alive_.reset();
    if (!is_this_process()) {
        // A forked child: the rank is its parent, and the memory is not here.
        static_cast<void>(notifier_.release());
        memory_.leave_mapped();
        return;
    }
    notifier_.reset();
    for (auto& [number, one] : contexts_) close(*one);
    watch_.leave();
    if (static_cast<int>(::syscall(SYS_gettid)) == holder_) {
        memory_.line(rank_).life.let_go();
    } else {
        // Only the thread that holds the lifeline can let go, and its list of such words runs
        // through this memory for as long as it lives.
        memory_.leave_mapped();
    }
}

Context& Endpoint::context(std::uint32_t number) {
    if (last_context_ != nullptr && last_context_->number() == number) return *last_context_;
    std::unique_ptr<Context>& one = contexts_[number];
    if (!one) one = std::make_unique<Context>(number);
    last_context_ = one.get();
    return *one;
}

Context& Endpoint::open(std::uint32_t number, std::vector<int> members, int rank) {
    Context& one = context(number);
    one.open(std::move(members), rank);
    one.broken = state_of(one);
    return one;
}

std::shared_ptr<void> Endpoint::keep_open(Context& first) {
    if (auto owned = first.owned.lock()) return owned;
    auto blocks = std::make_shared<CommunicatorBlocks>(memory_, first.number() / 2, first.size());
    auto opened = std::make_shared<OpenContext>(*this, first);
    first.blocks = std::move(blocks);
    first.owned = opened;
    return opened;
}

/// Calls that are at work go on, and own what they need.
void Endpoint::close(Context& context) noexcept {
    context.above.reset();
    context.blocks.reset();
}

Endpoint::OpenContext::~OpenContext() {
    // In a forked child another thread of the parent's may have the lock for good.
    if (alive.expired() || !endpoint->is_this_process()) return;
    const Lock lock(*endpoint);
    close(*context);
}

void Endpoint::start(Operation& operation) noexcept {
    Context& context = *operation.context;
    operation.progress = Progress::idle;
    operation.status = {};
    if (context.broken) return operation.finish(context.broken);
    const bool wild = operation.kind == Kind::receive && operation.peer == any_source;
    if (!wild && !context.has(operation.peer)) return operation.finish(Errc::bad_rank);
    if (operation.tag < 0 && !(operation.kind == Kind::receive && operation.tag == any_tag)) {
        return operation.finish(Errc::bad_tag);
    }
    operation.bytes = operation.memory.bytes();
    if (operation.kind == Kind::send) {
        start_send(operation);
    } else {
        start_receive(operation);
    }
}

void Endpoint::start_send(Operation& send) noexcept {
    const int to = send.context->member(send.peer);
    if (stages_[static_cast<std::size_t>(to)] != Stage::here) {
        return send.finish(Errc::peer_left);
    }
    Outgoing& out = outgoing_[static_cast<std::size_t>(to)];
    RingWriter* const ring = ring_to(to);
    if (ring == nullptr) return send.finish(no_memory());
    try {
        if (send.bytes > eager_bytes || send.synchronous) {
            look_where_we_are();
            if (!send.copying) send.copying.reset(new Copying);
            const auto name = take_handoff();
            if (!name) return send.finish(no_memory());
            send.copying->handoff = *name;
            list_for_receiver(send);
        }
        if (out.queue.empty() && put(send, *ring, to)) return;
        send.progress = Progress::queued;
        if (out.queue.empty()) with_queue_.push_back(to);
        out.queue.append(send);
    } catch (const std::bad_alloc&) {
        send.finish(no_memory());
    }
}

bool Endpoint::send_at_once(const Context& context, int peer, int tag,
                            ConstSegment bytes) noexcept {
    if (bytes.size() > eager_bytes || context.broken || !context.has(peer) || tag < 0) return false;
    const int to = context.member(peer);
    Outgoing& out = outgoing_[static_cast<std::size_t>(to)];
    if (!out.ring || !out.queue.empty() || stages_[static_cast<std::size_t>(to)] != Stage::here) {
        return false;
    }
    std::byte* const place = out.ring->reserve(bytes.size());
    if (place == nullptr) return false;
    if (!bytes.empty()) std::memcpy(place, bytes.data(), bytes.size());
    announce(*out.ring, to, context, tag, Meaning::eager, bytes.size());
    ++counters_.eager_messages;
    return true;
}

void Endpoint::announce(RingWriter& ring, int to, const Context& context, int tag, Meaning meaning,
                        std::size_t bytes) noexcept {
    Envelope envelope;
    envelope.bytes = static_cast<std::uint32_t>(bytes);
    envelope.kind = static_cast<std::uint16_t>(meaning);
    envelope.context = context.number();
    envelope.source = context.rank();
    envelope.tag = tag;
    ring.publish(envelope);
    tell(to);
}

bool Endpoint::put(Operation& send, RingWriter& ring, int to) noexcept {
    const bool large = send.bytes > eager_bytes;
    const std::size_t name_bytes = send.synchronous ? sizeof(HandoffName) : 0;
    const std::size_t bytes =
        large ? announcement_bytes(send) : name_bytes + static_cast<std::size_t>(send.bytes);
    std::byte* const place = ring.reserve(bytes);
    if (place == nullptr) return false;
    Meaning meaning = Meaning::eager;
    if (large) {
        meaning = Meaning::announcement;
        write_announcement(send, place);
    } else if (send.synchronous) {
        meaning = Meaning::answered;
        write_answered(send, place);
    } else {
        send.memory.gather(place);
        send.finish();
    }
    if (!large) ++counters_.eager_messages;
    if (meaning != Meaning::eager) {
        send.progress = Progress::offered;
        offers_.append(send);
    }
    announce(ring, to, *send.context, send.tag, meaning, bytes);
    return true;
}

bool Endpoint::flush(int rank) noexcept {
    Outgoing& out = outgoing_[static_cast<std::size_t>(rank)];
    bool any = false;
    while (!out.queue.empty() && put(*out.queue.first(), *out.ring, rank)) {
        out.queue.take_first();
        any = true;
    }
    return any;
}

void Endpoint::start_receive(Operation& receive) noexcept {
    try {
        Matching& matching = receive.context->matching();
        if (Arrived* const message = matching.find(receive.peer, receive.tag)) {
            return this->receive(receive, matching.take(*message));
        }
        if (hopeless(*receive.context, receive.peer, receive.tag)) {
            // What was sent before, by ourselves too, may still be in a ring.
            drain_rings();
            if (Arrived* const message = matching.find(receive.peer, receive.tag)) {
                return this->receive(receive, matching.take(*message));
            }
            return receive.finish(hopeless(*receive.context, receive.peer, receive.tag));
        }
        receive.progress = Progress::posted;
        matching.post(receive);
    } catch (const std::bad_alloc&) {
        receive.finish(no_memory());
    }
}

void Endpoint::receive(Operation& operation, std::unique_ptr<Arrived> message) noexcept {
    operation.bytes = operation.memory.bytes();
    if (message->large) {
        return begin_copy(operation, std::move(message->at), message->source, message->tag);
    }
    deliver(operation, message->source, message->tag, message->data);
    if (message->answered) acknowledge(message->at);
}

bool Endpoint::cancel(Operation& receive) noexcept {
    if (receive.progress != Progress::posted) return false;
    receive.context->matching().remove(receive);
    receive.finish(Errc::cancelled);
    return true;
}

bool Endpoint::is_done(Operation& operation) noexcept {
    if (operation.progress == Progress::offered) look_at_offer(operation);
    if (operation.progress == Progress::working && operation.work->is_over()) {
        operation.finish(operation.work->error());
    }
    return operation.done();
}

void Endpoint::deliver(Operation& receive, int source, int tag,
                       std::span<const std::byte> bytes) noexcept {
    receive.memory.scatter(bytes);
    receive.status.source = source;
    receive.status.tag = tag;
    receive.status.bytes = bytes.size();
    receive.finish(bytes.size() > receive.bytes ? make_error_code(Errc::truncated)
                                                : std::error_code());
}

bool Endpoint::progress() noexcept {
    bool any = false;
    if (!memory_.line(rank_).incoming.empty()) accept_rings();
    for (RingReader& ring : incoming_) any = take_messages(ring) || any;
    for (std::size_t i = 0; i < with_queue_.size();) {
        const int rank = with_queue_[i];
        any = flush(rank) || any;
        if (outgoing_[static_cast<std::size_t>(rank)].queue.empty()) {
            with_queue_[i] = with_queue_.back();
            with_queue_.pop_back();
        } else {
            ++i;
        }
    }
    for (Operation* each = copies_.first(); each != nullptr;) {
        Operation* const next = copies_.after(*each);
        any = step(*each) || any;
        each = next;
    }
    for (Operation* each = offers_.first(); each != nullptr;) {
        Operation* const next = offers_.after(*each);
        any = look_at_offer(*each) || any;
        each = next;
    }
    if (watch_.departures() > departures_seen_) {
        bury();
        any = true;
    }
    for (Work* each = works_.first(); each != nullptr;) {
        Work* const next = works_.after(*each);
        any = each->advance() || any;
        if (each->is_over()) works_.remove(*each);
        each = next;
    }
    // Another thread may sleep for what was done here.
    if (any && threads_) tell(rank_);
    return any;
}

bool Endpoint::take_messages(RingReader& ring) noexcept {
    for (int taken = 0; taken < messages_at_a_time; ++taken) {
        const RingReader::Message message = ring.peek();
        if (!message) return taken > 0;
        take(message, ring.from());
        if (ring.pop()) tell(ring.from());
    }
    return true;
}

void Endpoint::take(const RingReader::Message& message, int from) noexcept {
    const Envelope& envelope = *message.envelope;
    try {
        Context& to = context(envelope.context);
        const bool large = envelope.kind == static_cast<std::uint16_t>(Meaning::announcement);
        const bool answered = envelope.kind == static_cast<std::uint16_t>(Meaning::answered);
        Operation* const receive = to.matching().take_receive(envelope.source, envelope.tag);
        if (receive != nullptr && !large && !answered) {
            return deliver(*receive, envelope.source, envelope.tag, message.bytes);
        }
        Source source;
        std::span<const std::byte> bytes = message.bytes;
        if (large) read_announcement(bytes, from, source);
        if (answered) {
            source.rank = from;
            std::memcpy(&source.handoff, bytes.data(), sizeof source.handoff);
            bytes = bytes.subspan(sizeof source.handoff);
        }
        if (receive != nullptr && answered) {
            deliver(*receive, envelope.source, envelope.tag, bytes);
            return acknowledge(source);
        }
        if (receive != nullptr) {
            return begin_copy(*receive, std::move(source), envelope.source, envelope.tag);
        }
        auto kept = std::make_unique<Arrived>();
        kept->source = envelope.source;
        kept->tag = envelope.tag;
        kept->large = large;
        kept->answered = answered;
        kept->bytes = large ? source.bytes : bytes.size();
        kept->at = std::move(source);
        if (!large) kept->data.assign(bytes.begin(), bytes.end());
        to.matching().keep(std::move(kept));
    } catch (const std::bad_alloc&) {
        // The sender has forgotten it, and no call of ours can say it: as if the kernel had killed
        // us.
        constexpr std::string_view line =
            "onecopy: no memory for a message that nobody has called for yet; the rank is ended\n";
        [[maybe_unused]] const ssize_t put = ::write(STDERR_FILENO, line.data(), line.size());
        std::abort();
    }
}

RingWriter* Endpoint::ring_to(int rank) noexcept {
    Outgoing& out = outgoing_[static_cast<std::size_t>(rank)];
    if (!out.ring) {
        const auto block = memory_.take_ring();
        if (!block) return nullptr;
        RingMemory& ring = memory_.ring(*block);
        ring.from = rank_;
        ring.to = rank;
        ring.key = draw_key();
        memory_.line(rank).incoming.push(ring, *block);
        out.ring.emplace(ring);
    }
    return &*out.ring;
}

void Endpoint::accept_rings() noexcept {
    memory_.line(rank_).incoming.take_all(
        [this](std::uint32_t number) -> RingMemory& { return memory_.ring(number); },
        [this](RingMemory& ring) { incoming_.emplace_back(ring); });
}

void Endpoint::give_back_lines() noexcept {
    for (RingReader& ring : incoming_) {
        if (ring.give_back()) tell(ring.from());
    }
}

void Endpoint::hold_lifeline() noexcept {
    // The thread that held it may have ended.
    os::Lifeline& life = memory_.line(rank_).life;
    if (!life.held() && life.hold()) holder_ = static_cast<int>(::syscall(SYS_gettid));
}

int Endpoint::native_handle() {
    if (!notifier_) notifier_ = std::make_unique<Notifier>(memory_.line(rank_).bell, watch_);
    return notifier_->fd();
}

bool Endpoint::look_again() noexcept {
    give_back_lines();
    const bool news = look_for_the_dead(-1);
    return progress() || news;
}

bool Endpoint::look_for_the_dead(int rank) noexcept {
    if (rank >= 0) watch_.look_at(rank);
    watch_.look_at_all();
    return bury_if_news();
}

/// Also what was not counted: who is killed while it writes that it goes is not.
bool Endpoint::bury_if_news() noexcept {
    bool news = watch_.departures() > departures_seen_;
    for (int each = 0; each < ranks() && !news; ++each) {
        const Stage stage = watch_.stage(each);
        news = (stage == Stage::left || stage == Stage::dead) &&
               stages_[static_cast<std::size_t>(each)] == Stage::here;
    }
    if (news) bury();
    return news;
}

const Ways& Endpoint::ways_to(int rank) const noexcept {
    const std::uint32_t other = memory_.line(rank).cpu.load(std::memory_order_relaxed);
    const os::Distance distance =
        cpu_ == 0 || other == 0
            ? os::Distance::same_l3
            : os::distance_between(static_cast<int>(cpu_ - 1), static_cast<int>(other - 1));
    return ways_[static_cast<std::size_t>(distance)];
}

void Endpoint::look_where_we_are() noexcept {
    const auto now = static_cast<std::uint32_t>(::sched_getcpu() + 1);
    if (now == cpu_) return;
    cpu_ = now;
    memory_.line(rank_).cpu.store(now, std::memory_order_relaxed);
}

}  // namespace onecopy::node

// Gloo's allreduce, over its TCP transport on the loopback interface: Debian's has no other for one
// machine. Its ranks find each other by files in the job's folder.
#include <gloo/allreduce.h>
#include <gloo/config.h>
#include <gloo/math.h>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/file_store.h>
#include <gloo/transport/tcp/device.h>
#include <sched.h>

#include <memory>
#include <span>
#include <string>

#include "library.hpp"

namespace onecopy::together {
namespace {

/// Over the loopback interface. Gloo's thread may run on any core of the job: bound to the one of
/// this rank, which spins outside of the clock, it takes 4 ms and more for a call.
std::shared_ptr<gloo::transport::Device> make_device(std::span<const int> cpus) {
    cpu_set_t own;
    cpu_set_t all;
    CPU_ZERO(&all);
    for (const int cpu : cpus) CPU_SET(static_cast<std::size_t>(cpu), &all);
    const bool widened = ::sched_getaffinity(0, sizeof own, &own) == 0 &&
                         ::sched_setaffinity(0, sizeof all, &all) == 0;
    auto device = gloo::transport::tcp::CreateDevice("localhost");
    if (widened) ::sched_setaffinity(0, sizeof own, &own);
    return device;
}

class GlooLibrary final : public OrdinaryLibrary {
public:
    explicit GlooLibrary(const Setup& setup)
        : OrdinaryLibrary(setup),
          rank_(setup.rank),
          store_(setup.folder),
          device_(make_device(setup.cpus)),
          context_(std::make_shared<gloo::rendezvous::Context>(setup.rank, setup.ranks)) {
        context_->connectFullMesh(store_, device_);
    }

    [[nodiscard]] int rank() const override { return rank_; }

    void carry_out(Call call, std::size_t bytes) override {
        if (call != Call::allreduce) throw Unusable("Gloo is asked for allreduce only");
        const std::size_t count = bytes / sizeof(double);
        gloo::AllreduceOptions options(context_);
        options.setInput(reinterpret_cast<double*>(from()), count);
        options.setOutput(reinterpret_cast<double*>(to()), count);
        void (*const sum)(void*, const void*, const void*, std::size_t) = &gloo::sum<double>;
        options.setReduceFunction(sum);
        gloo::allreduce(options);
    }

    void start(Call, std::size_t) override { throw Unusable("Gloo has nothing non-blocking"); }
    void test() override {}
    void wait() override {}

    /// Its thread has this core, too, and may still be needed by the others.
    void progress() override { ::sched_yield(); }

private:
    int rank_;
    gloo::rendezvous::FileStore store_;
    std::shared_ptr<gloo::transport::Device> device_;
    std::shared_ptr<gloo::rendezvous::Context> context_;
};

}  // namespace
}  // namespace onecopy::together

namespace onecopy::bench {

std::string library() {
    return "Gloo " + std::to_string(GLOO_VERSION_MAJOR) + "." + std::to_string(GLOO_VERSION_MINOR) +
           "." + std::to_string(GLOO_VERSION_PATCH) + ", TCP";
}

std::unique_ptr<Member> join(const Setup& setup) {
    return std::make_unique<together::GlooLibrary>(setup);
}

}  // namespace onecopy::bench

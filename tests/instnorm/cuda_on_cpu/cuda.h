// As much of CUDA as rows.cu uses, on one CPU thread. It is made to find mistakes, not to be fast.
//
// Every CUDA thread is a fiber. The scheduler is unfair on purpose: for a while it lets only some
// warps run, in a random order, so that a missing barrier shows. Shared memory begins as NaNs and
// ends at a tripwire, copies from global to shared memory arrive as late as they may, and threads
// that wait for each other for ever are reported.

#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <utility>
#include <vector>

using std::fabs, std::fma, std::isfinite, std::max, std::min, std::sqrt;

#define __device__
#define __global__
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __CUDA_ARCH__ 900

struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct Index {
    int x, y;
};

namespace cpu {

[[noreturn]] inline void fail(const char* message) {
    fprintf(stderr, "rows.cu: %s\n", message);
    abort();
}

struct Barrier {
    int expected = 0, arrived = 0;
    unsigned generation = 0;
    bool any = false, result = false;
};

struct Warp {
    Barrier barrier;
    uint64_t registers[32];
};

struct Group;
struct Block {
    Group* group;
    int index;
    std::vector<uint4> shared;
    Barrier barrier;
    std::vector<Warp> warps;
};

struct Group {  // blocks that run at the same time: 1, a cluster, or the whole grid
    std::vector<Block> blocks;
    Barrier barrier;
};

struct Thread {
    Block* block;
    int number;
    ucontext_t context;
    std::unique_ptr<char[]> stack;
    Barrier* waits_for = nullptr;
    unsigned generation = 0;
    bool done = false;
    std::vector<std::pair<uint4*, const uint4*>> on_the_way;
};

inline Thread* self;
inline ucontext_t scheduler;
inline Index grid_dim, block_dim;
inline std::function<void()> kernel;
inline std::mt19937 dice;
constexpr size_t STACK = 1 << 17, TRIPWIRE = 4;

inline void yield() { swapcontext(&self->context, &scheduler); }

inline unsigned arrive(Barrier& b) {
    unsigned generation = b.generation;
    if (++b.arrived == b.expected) {
        b.arrived = 0;
        b.result = std::exchange(b.any, false);
        ++b.generation;
    }
    return generation;
}

inline void wait(Barrier& b, unsigned generation) {
    self->waits_for = &b;
    self->generation = generation;
    yield();
}

inline void sync(Barrier& b) { wait(b, arrive(b)); }

inline void entry() {
    kernel();
    if (!self->on_the_way.empty()) fail("a copy to shared memory was never waited for");
    self->done = true;
    yield();
}

// Lets everybody run, or half of the warps, or a quarter of them, or half of the blocks.
struct Favour {
    unsigned kind = 0, salt = 0;
    void change() { kind = dice() % 4, salt = dice(); }
    bool falls_on(const Thread& t) const {
        unsigned who = t.block->index * 64 + (kind == 3 ? 0 : t.number / 32);
        unsigned luck = (who + salt) * 2654435761u >> 24;
        return kind == 0 || luck < (kind == 2 ? 64 : 128);
    }
};

inline void run_group(Group& group, std::vector<Thread>& threads) {
    std::vector<Thread*> order;
    for (Thread& t : threads) order.push_back(&t);
    Favour favour;
    int rounds = 0;
    for (size_t left = threads.size(); left > 0;) {
        std::shuffle(order.begin(), order.end(), dice);
        bool stuck = true, idle = true;
        for (Thread* t : order) {
            if (t->done || (t->waits_for && t->waits_for->generation == t->generation)) continue;
            stuck = false;
            if (!favour.falls_on(*t)) continue;
            idle = false;
            t->waits_for = nullptr;
            self = t;
            swapcontext(&scheduler, &t->context);
            left -= t->done;
        }
        if ((stuck && left) || ++rounds > 100'000) fail("threads wait for each other for ever");
        if (idle || dice() % 256 == 0) favour.change();
    }
    for (Block& b : group.blocks)
        for (size_t i = b.shared.size() - TRIPWIRE; i < b.shared.size(); ++i)
            if (b.shared[i].x != 12345) fail("a write beyond shared memory");
}

inline void launch(Index grid, Index block, size_t shared, int at_once) {
    grid_dim = grid;
    block_dim = block;
    const int threads_each = block.x * block.y, blocks = grid.x * grid.y;
    for (int first = 0; first < blocks; first += at_once) {
        Group group;
        group.blocks.resize(min(at_once, blocks - first));
        std::vector<Thread> threads(group.blocks.size() * threads_each);
        group.barrier.expected = threads.size();
        for (size_t i = 0; i < threads.size(); ++i) {
            Block& b = group.blocks[i / threads_each];
            Thread& t = threads[i];
            t.block = &b;
            t.number = i % threads_each;
            if (t.number == 0) {
                b.group = &group;
                b.index = first + i / threads_each;
                b.shared.assign(shared / 16, {~0u, ~0u, ~0u, ~0u});
                b.shared.insert(b.shared.end(), TRIPWIRE, {12345, 0, 0, 0});
                b.barrier.expected = threads_each;
                b.warps.resize((threads_each + 31) / 32);
            }
            ++b.warps[t.number / 32].barrier.expected;
            t.stack.reset(new char[STACK]);
            getcontext(&t.context);
            t.context.uc_stack.ss_sp = t.stack.get();
            t.context.uc_stack.ss_size = STACK;
            makecontext(&t.context, entry, 0);
        }
        run_group(group, threads);
    }
}

inline Index place_in_grid() {
    int i = self->block->index;
    return {i % grid_dim.x, i / grid_dim.x};
}
inline Index place_in_block() { return {self->number % block_dim.x, self->number / block_dim.x}; }

// Call a kernel with arguments given as CUDA takes them: an array of pointers to their values.
template <typename... P, size_t... I>
void call(void (*f)(P...), void** arguments, std::index_sequence<I...>) {
    f(*static_cast<P*>(arguments[I])...);
}
template <typename... P>
std::function<void()> bind(void (*f)(P...), void** arguments) {
    return [=] { call(f, arguments, std::index_sequence_for<P...>()); };
}

}  // namespace cpu

#define threadIdx (cpu::place_in_block())
#define blockIdx (cpu::place_in_grid())
#define blockDim (cpu::block_dim)
#define gridDim (cpu::grid_dim)

inline void __syncthreads() { cpu::sync(cpu::self->block->barrier); }
inline int __syncthreads_or(bool mine) {
    cpu::self->block->barrier.any |= mine;
    __syncthreads();
    int result = cpu::self->block->barrier.result;
    __syncthreads();
    return result;
}
inline int __any_sync(unsigned, bool mine) {
    cpu::Barrier& barrier = cpu::self->block->warps[cpu::self->number / 32].barrier;
    barrier.any |= mine;
    cpu::sync(barrier);
    int result = barrier.result;
    cpu::sync(barrier);
    return result;
}
template <typename V>
V __shfl_xor_sync(unsigned, V mine, int apart) {
    cpu::Warp& warp = cpu::self->block->warps[cpu::self->number / 32];
    memcpy(&warp.registers[cpu::self->number % 32], &mine, sizeof mine);
    cpu::sync(warp.barrier);
    memcpy(&mine, &warp.registers[(cpu::self->number % 32) ^ apart], sizeof mine);
    cpu::sync(warp.barrier);
    return mine;
}
inline void __threadfence() {}
inline void __nanosleep(int) { cpu::yield(); }
inline unsigned atomicAdd(unsigned* p, unsigned v) { return std::exchange(*p, *p + v); }
template <typename V>
V __ldcg(const V* p) { return *p; }
inline void __stcs(uint4* p, uint4 v) { *p = v; }
inline void __stwb(uint4* p, uint4 v) { *p = v; }

inline void __cluster_barrier_arrive() {
    cpu::self->generation = cpu::arrive(cpu::self->block->group->barrier);
}
inline void __cluster_barrier_wait() {
    cpu::wait(cpu::self->block->group->barrier, cpu::self->generation);
}
inline void* __cluster_map_shared_rank(const void* p, int rank) {
    cpu::Block* b = cpu::self->block;
    size_t offset = static_cast<const char*>(p) - reinterpret_cast<char*>(b->shared.data());
    return reinterpret_cast<char*>(b->group->blocks[rank].shared.data()) + offset;
}

// In place of the instructions that rows.cu writes in assembly language.
inline float widen_half(unsigned short bits) {
    _Float16 h;
    memcpy(&h, &bits, 2);
    return h;
}
inline unsigned short narrow_to_half(float f) {
    _Float16 h = f;
    unsigned short bits;
    memcpy(&bits, &h, 2);
    return bits;
}
inline float __uint_as_float(unsigned bits) {
    float f;
    memcpy(&f, &bits, 4);
    return f;
}
inline unsigned short narrow_to_bfloat16(float f) {
    unsigned bits;
    memcpy(&bits, &f, 4);
    return std::isnan(f) ? 0x7fff : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
inline void copy_later(uint4* to, const uint4* from) {
    if (reinterpret_cast<uintptr_t>(from) % 16) cpu::fail("a vector at an odd address");
    if (cpu::dice() % 2) *to = *from;
    else cpu::self->on_the_way.emplace_back(to, from);
}
inline void copy_now() {
    for (auto [to, from] : cpu::self->on_the_way) *to = *from;
    cpu::self->on_the_way.clear();
}

// Standardise the rows of a matrix on the GPU, forward and backward.
//
// A GPU computes far faster than it reads. Every number must be read once and written once, and all
// of this serves to do no more than that.
//
// Statistics in one reading.  Each thread takes the mean and the centred squares of the few numbers
//   it has in registers, in two exact steps. Such parts are then joined, in a thread, in a team,
//   across blocks, always by the law of total variance: the spread of the whole is the spread
//   within its parts plus the spread between their means (Chan, Golub and LeVeque 1983). Squares
//   of uncentred numbers are never summed, so there is nothing to cancel. And every number is first
//   shifted by one of its row, so that a mean far from 0 has no digits to lose: by the middle one of
//   three, since the first may be the one pixel that is far from all others.
//
// Four kinds of team, by the length of the row: some lanes of a WARP; a BLOCK of threads; a CLUSTER
//   of 8 blocks, which read each other's shared memory; a share of the GRID, whose blocks write to
//   each other through global memory. Only `Team` knows the difference.
//
// One place to wait.  While a row's mean and variance are not yet known, its numbers wait in shared
//   memory. What finds no room there is read again, the last first, for that is what the L2 cache
//   still holds.
//
// Rows lie one after the other (LANES = 1), or side by side in channels-last memory: then a vector
// of 16 bytes holds one number from each of LANES neighbouring rows.

enum Kind { WARP, BLOCK, CLUSTER, GRID };

constexpr int CLUSTER_BLOCKS = 8;  // the largest cluster that every GPU with clusters accepts

// --- numbers: stored as T, computed with as Wide<T> ----------------------------------------------

struct Half {
    unsigned short bits;
};
struct BFloat16 {
    unsigned short bits;
};

__device__ inline float widen(Half h) {
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h.bits));
    return f;
}
__device__ inline float widen(BFloat16 b) { return __uint_as_float(unsigned(b.bits) << 16); }
__device__ inline float widen(float f) { return f; }
__device__ inline double widen(double d) { return d; }

__device__ inline void narrow(float f, Half& h) {
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h.bits) : "f"(f));
}
__device__ inline void narrow(float f, BFloat16& b) {
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(b.bits) : "f"(f));
}
__device__ inline void narrow(float f, float& out) { out = f; }
__device__ inline void narrow(double d, double& out) { out = d; }

template <typename T>
using Wide = decltype(widen(T()));

// --- vectors: 16 bytes, the most that one instruction moves --------------------------------------

template <typename T>
struct Vector {
    static constexpr int SIZE = 16 / sizeof(T);
    uint4 bits;

    __device__ Wide<T> operator[](int i) const {
        T all[SIZE];
        memcpy(all, &bits, 16);
        return widen(all[i]);
    }
};

template <typename T>
__device__ const uint4* as_vector(const T* p) {
    return reinterpret_cast<const uint4*>(p);
}

// From global to shared memory, without the thread waiting for them or holding them.
__device__ inline void send_for(uint4* to, const uint4* from) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(
                     unsigned(__cvta_generic_to_shared(to))), "l"(from) : "memory");
}
__device__ inline void wait_for_all_sent_for() { asm volatile("cp.async.wait_all;" ::: "memory"); }

// --- the task ------------------------------------------------------------------------------------

// What one launch works on. rows/cupy.py fills in the same fields in the same order.
template <typename T>
struct Task {
    const T* x;
    const T* g;            // the upstream gradient; backward only
    T* out;                // y or dx; null where only the moments are wanted
    const Wide<T>* scale;  // (period, segments): row r has line r % period; null for 1
    const Wide<T>* shift;  // likewise; null for 0
    double* stats;         // (2 or 4, rows): see `report`
    Wide<T>* mailbox;      // GRID: where blocks leave their moments for each other
    unsigned* barrier_count;  // GRID: for each team, how often a block has arrived; 0 at first
    long long length;      // of a row
    double eps;
    int rows, channels;    // channels: 1 unless channels-last
    int segments, period;  // a row has `segments` equal parts, each with a scale and shift
    int blocks;            // in each team
    int scratch;           // vectors of shared memory for joining moments; the waiting ones follow
    int room;              // vectors of each array that one thread can have waiting there
    int relu;              // forward: replace negative results by 0
};

// --- moments -------------------------------------------------------------------------------------

// Of n numbers x: their mean and the sum of their centred squares. With PAIR also the mean of as
// many numbers g, and the sum of the products of centred x and centred g.
template <typename A, int LANES, bool PAIR>
struct Moments {
    static constexpr int MEANS = PAIR ? 2 * LANES : LANES;
    A n = 0;
    A x[LANES] = {}, xx[LANES] = {};
    A g[LANES] = {}, xg[LANES] = {};

    // The law of total variance, for two parts.
    __device__ void join(const Moments& part) {
        const A before = n;
        n += part.n;
        const A share = part.n / n;
#pragma unroll
        for (int l = 0; l < LANES; ++l) {
            const A dx = part.x[l] - x[l];
            const A between = dx * before * share;
            x[l] += dx * share;
            xx[l] += part.xx[l] + dx * between;
            if constexpr (PAIR) {
                const A dg = part.g[l] - g[l];
                g[l] += dg * share;
                xg[l] += part.xg[l] + dg * between;
            }
        }
    }
};

// The middle one of three numbers.
template <typename A>
__device__ A middle_of(A a, A b, A c) {
    return fmax(fmin(a, b), fmin(fmax(a, b), c));
}

// Shifts numbers by an element of their row, in a unit that keeps their squares in range.
template <typename A, int LANES>
struct Shift {
    A element[LANES];
    A unit[LANES];  // a power of two, so that it changes no digit; nearly always 1

    __device__ A operator()(A x, int l) const { return fma(x, unit[l], -element[l]); }

    // Changes the unit if the variance left the range of A, and says so. Where the row is far from
    // 0 a tiny variance is no accident: numbers that large cannot differ by so little.
    __device__ bool rescale(int l, A var, double eps) {
        constexpr A LARGE = sizeof(A) == 4 ? 0x1p100 : 0x1p800;
        constexpr A TINY = sizeof(A) == 4 ? 1e-32 : 1e-302;
        const bool overflow = !isfinite(var);
        const bool underflow = var + A(eps) < TINY && fabs(element[l]) < A(1e6);
        if (unit[l] != 1 || !(overflow || underflow)) return false;
        unit[l] = overflow ? 1 / LARGE : LARGE;
        element[l] *= unit[l];
        return true;
    }
};

// Of the numbers in `count` vectors, by the definition: first the means, then what is centred.
template <bool PAIR, typename T, int LANES, int BATCH>
__device__ Moments<Wide<T>, LANES, PAIR> moments_of(const Vector<T> (&x)[BATCH],
                                                    const Vector<T> (&g)[BATCH], int count,
                                                    const Shift<Wide<T>, LANES>& shifted) {
    using A = Wide<T>;
    constexpr int SIZE = Vector<T>::SIZE;
    Moments<A, LANES, PAIR> m;
    m.n = A(count * (SIZE / LANES));
#pragma unroll
    for (int j = 0; j < BATCH; ++j) {
        if (j >= count) break;
#pragma unroll
        for (int k = 0; k < SIZE; ++k) {
            const int l = k % LANES;
            m.x[l] += shifted(x[j][k], l);
            if constexpr (PAIR) m.g[l] += g[j][k];
        }
    }
    const A each = 1 / m.n;
#pragma unroll
    for (int l = 0; l < LANES; ++l) {
        m.x[l] *= each;
        if constexpr (PAIR) m.g[l] *= each;
    }
#pragma unroll
    for (int j = 0; j < BATCH; ++j) {
        if (j >= count) break;
#pragma unroll
        for (int k = 0; k < SIZE; ++k) {
            const int l = k % LANES;
            const A dx = shifted(x[j][k], l) - m.x[l];
            m.xx[l] += dx * dx;
            if constexpr (PAIR) m.xg[l] += dx * (g[j][k] - m.g[l]);
        }
    }
    return m;
}

// --- teams ---------------------------------------------------------------------------------------

// The threads that work on one row. A block may serve several teams, one for each `column`. In WARP
// the threads of a team are neighbours. In the other kinds the columns are, so that threads that
// read the same position of neighbouring channels read neighbouring memory.
//
// MESSAGE is the most numbers that one block ever sends to another.
template <Kind KIND, typename A, int MESSAGE>
struct Team {
    int column, columns;  // this team's place among those in its block
    int member, members;  // this thread's place in its block's part of the team
    int block, blocks;    // this block's place in the team
    int index, count;     // the team's place among the teams of the grid
    A* scratch;
    A* mailbox;
    unsigned* barrier_count;
    unsigned barriers = 0;  // that the team has passed

    template <typename T>
    __device__ Team(const Task<T>& task, void* shared) {
        const bool lanes = KIND == WARP;
        column = lanes ? threadIdx.y : threadIdx.x;
        columns = lanes ? blockDim.y : blockDim.x;
        member = lanes ? threadIdx.x : threadIdx.y;
        members = lanes ? blockDim.x : blockDim.y;
        blocks = task.blocks;
        block = blockIdx.x % blocks;
        index = blockIdx.x / blocks;
        count = gridDim.x / blocks;
        scratch = static_cast<A*>(shared);
        mailbox = task.mailbox;
        barrier_count = task.barrier_count + index;
    }

    // Is it so for any thread of the warp (WARP) or block? All blocks of a team agree on everything
    // that follows from their joined moments, because they join the same parts in the same order.
    __device__ bool any(bool mine) const {
        if constexpr (KIND == WARP) return __any_sync(~0u, mine);
        else return __syncthreads_or(mine);
    }

    // Joins the moments of all threads of the team. Every one of them receives the result.
    template <int LANES, bool PAIR>
    __device__ void join(Moments<A, LANES, PAIR>& m) {
        join_in_block(m);
        if constexpr (KIND == CLUSTER || KIND == GRID) {
            // Thread k takes over the moments of the whole block k. These are joined in turn.
            A message[1 + 2 * Moments<A, LANES, PAIR>::MEANS];
            visit(m, [&](int i, A& number) { message[i] = number; });
            exchange(message);
            visit(m, [&](int i, A& number) { number = message[i]; });
            join_in_block(m);
        }
    }

private:
    template <int LANES, bool PAIR, typename Visitor>
    __device__ static void visit(Moments<A, LANES, PAIR>& m, Visitor each) {
        each(0, m.n);
#pragma unroll
        for (int l = 0; l < LANES; ++l) {
            each(1 + l, m.x[l]);
            each(1 + LANES + l, m.xx[l]);
            if constexpr (PAIR) {
                each(1 + 2 * LANES + l, m.g[l]);
                each(1 + 3 * LANES + l, m.xg[l]);
            }
        }
    }

    // The law of total variance, for many parts at once.
    template <int LANES, bool PAIR>
    __device__ void join_in_block(Moments<A, LANES, PAIR>& m) {
        A total[1 + Moments<A, LANES, PAIR>::MEANS];
        total[0] = m.n;
#pragma unroll
        for (int l = 0; l < LANES; ++l) {
            total[1 + l] = m.n * m.x[l];
            if constexpr (PAIR) total[1 + LANES + l] = m.n * m.g[l];
        }
        sum_in_block(total);
        const A each = 1 / total[0];
        A spread[Moments<A, LANES, PAIR>::MEANS];
#pragma unroll
        for (int l = 0; l < LANES; ++l) {
            const A dx = m.x[l] - total[1 + l] * each;
            spread[l] = m.xx[l] + m.n * dx * dx;
            m.x[l] = total[1 + l] * each;
            if constexpr (PAIR) {
                const A dg = m.g[l] - total[1 + LANES + l] * each;
                spread[LANES + l] = m.xg[l] + m.n * dx * dg;
                m.g[l] = total[1 + LANES + l] * each;
            }
        }
        sum_in_block(spread);
        m.n = total[0];
#pragma unroll
        for (int l = 0; l < LANES; ++l) {
            m.xx[l] = spread[l];
            if constexpr (PAIR) m.xg[l] = spread[LANES + l];
        }
    }

    // Every thread receives the sums over the threads of its team in this block.
    template <int N>
    __device__ void sum_in_block(A (&v)[N]) const {
        // Within a warp, registers are exchanged between lanes of the same team.
        const int nearest = KIND == WARP ? 1 : columns;
#pragma unroll 1
        for (int apart = KIND == WARP ? members / 2 : 16; apart >= nearest; apart /= 2) {
#pragma unroll
            for (int i = 0; i < N; ++i) v[i] += __shfl_xor_sync(~0u, v[i], apart);
        }
        if constexpr (KIND == WARP) return;
        // Between warps, each has a line of shared memory, and the lines are added up in the first.
        const int thread = member * columns + column;
        const int threads = members * columns;
        const int width = N * columns;
        if (thread % 32 < columns) {
#pragma unroll
            for (int i = 0; i < N; ++i)
                scratch[thread / 32 * width + i * columns + column] = v[i];
        }
        __syncthreads();
        for (int i = thread; i < width; i += threads) {
            A sum = scratch[i];
            for (int warp = 1; warp < threads / 32; ++warp) sum += scratch[warp * width + i];
            scratch[i] = sum;
        }
        __syncthreads();
#pragma unroll
        for (int i = 0; i < N; ++i) v[i] = scratch[i * columns + column];
        __syncthreads();
    }

    // Every block sends its v to all. Then member k holds the v of block k, or 0 if there is none.
    template <int N>
    __device__ void exchange(A (&v)[N]) {
        const bool receives = member < blocks;
        if constexpr (KIND == CLUSTER) {
#if __CUDA_ARCH__ >= 900
            if (member == 0) {
#pragma unroll
                for (int i = 0; i < N; ++i) scratch[i * columns + column] = v[i];
            }
            __cluster_barrier_arrive();
            __cluster_barrier_wait();
            const A* theirs = static_cast<const A*>(
                __cluster_map_shared_rank(scratch, receives ? member : 0));
#pragma unroll
            for (int i = 0; i < N; ++i) v[i] = receives ? theirs[i * columns + column] : A(0);
            // No block may overwrite its message, let alone end, while another is reading it.
            __cluster_barrier_arrive();
            __cluster_barrier_wait();
#endif
        } else {
            // Two sets of messages, used in turn: a block can be one barrier ahead, never two.
            const long long set = barriers % 2 * count + index;
            A* const messages = mailbox + set * blocks * MESSAGE * columns;
            if (member == 0) {
#pragma unroll
                for (int i = 0; i < N; ++i)
                    messages[(block * MESSAGE + i) * columns + column] = v[i];
            }
            ++barriers;
            __syncthreads();
            if (member == 0 && column == 0) {
                __threadfence();  // the block's message is written before its arrival is counted
                atomicAdd(barrier_count, 1u);
                while (*static_cast<volatile unsigned*>(barrier_count) < barriers * blocks)
                    __nanosleep(20);
                __threadfence();
            }
            __syncthreads();
#pragma unroll
            for (int i = 0; i < N; ++i)  // __ldcg: not from this multiprocessor's own, older cache
                v[i] = receives ? __ldcg(messages + (member * MESSAGE + i) * columns + column)
                                : A(0);
        }
    }
};

// --- where rows lie ------------------------------------------------------------------------------

// The LANES rows that one team works on at a time: one row, or as many channels as a vector holds.
// A row that does not begin at a multiple of 16 bytes has `edges`: single numbers before its first
// full vector, the head, and after its last.
template <typename T, int LANES>
struct Place {
    static constexpr int SIZE = Vector<T>::SIZE;
    bool present;     // the last block may have more teams than there are rows left
    int row;          // the first of the LANES rows
    long long start;  // of that row in x
    long long step;   // from one vector to the next
    int vectors, head, edges;

    __device__ Place(const Task<T>& task, int bundle) {
        present = bundle * LANES < task.rows;
        row = present ? bundle * LANES : 0;
        if constexpr (LANES == 1) {
            start = row * task.length;
            const int past = reinterpret_cast<size_t>(task.x + start) % 16 / sizeof(T);
            head = past ? SIZE - past : 0;
            if (head > task.length) head = task.length;
            vectors = (task.length - head) / SIZE;
            edges = task.length - static_cast<long long>(vectors) * SIZE;
            step = SIZE;
        } else {
            start = row / task.channels * task.length * task.channels + row % task.channels;
            head = edges = 0;
            vectors = task.length;
            step = task.channels;
        }
        if (!present) vectors = edges = 0;
    }

    // Where vector v and edge e are, counted from the start.
    __device__ long long vector(int v) const { return head + v * step; }
    __device__ long long edge(int e) const { return e < head ? e : e + vector(vectors) - head; }
};

// --- the kernel ----------------------------------------------------------------------------------

// 1 / sqrt(v), and 0 where v is 0: a constant row at eps = 0 standardises to 0, not to NaN.
template <typename A>
__device__ A reciprocal_root(A v) {
    return v == 0 ? A(0) : 1 / sqrt(v);
}

// What the caller wants to know of a row: forward its mean and variance, backward the gradients of
// its scale and shift, and where the moments are all that is wanted, these.
template <typename T, bool PAIR>
__device__ void report(const Task<T>& task, int row, double n, double mean, double xx, double g,
                       double xg, double rstd) {
    double* const stats = task.stats + row;
    const bool gradients = PAIR && task.out;
    stats[0] = gradients ? xg * rstd : mean;
    stats[task.rows] = gradients ? g * n : xx / n;
    if (PAIR && !gradients) {
        stats[2 * task.rows] = g;
        stats[3 * task.rows] = xg / n;
    }
}

// Forward:             y  = x̂ · scale + shift
// Backward, with PAIR: dx = (g - ḡ - x̂ · mean(g x̂)) · scale / sqrt(var + eps)
template <Kind KIND, typename T, int LANES, bool PAIR>
__device__ void standardise(const Task<T>& task) {
    using A = Wide<T>;
    constexpr int SIZE = Vector<T>::SIZE;
    constexpr int ARRAYS = PAIR ? 2 : 1;
    // Vectors of each array that a thread looks at together: more of them where they come from
    // global memory, so that more of them are on their way at a time.
    constexpr int BATCH = (KIND == GRID ? 4 : 2) / ARRAYS;

    extern __shared__ uint4 shared[];
    Team<KIND, A, 1 + 2 * ARRAYS * LANES> team(task, shared);
    const int threads = blockDim.x * blockDim.y;
    uint4* const my_slots = shared + task.scratch + threadIdx.y * blockDim.x + threadIdx.x;
    const int stride = team.members * team.blocks;             // threads that share a row
    const int rank = team.block * team.members + team.member;  // this one's number among them

    for (int tile = team.index; tile * team.columns * LANES < task.rows; tile += team.count) {
        const Place<T, LANES> at(task, tile * team.columns + team.column);
        const T* const x = task.x + at.start;
        const T* const g = task.g + at.start;
        T* const out = task.out + at.start;

        // This thread's vectors are rank, rank + stride, ...: neighbours read neighbouring memory.
        const int mine = at.vectors > rank ? (at.vectors - rank - 1) / stride + 1 : 0;
        const int batches = (mine + BATCH - 1) / BATCH;
        const int waiting = min((task.room + BATCH - 1) / BATCH, batches);  // batches, all or part
        const int others = batches - waiting;
        auto position = [&](int v) { return at.vector(rank + v * stride); };
        auto slot = [&](int v, int array) { return my_slots + (v * ARRAYS + array) * threads; };
        auto take = [&](int b, Vector<T>(&xs)[BATCH], Vector<T>(&gs)[BATCH]) {
#pragma unroll
            for (int j = 0; j < BATCH; ++j) {
                const int v = b * BATCH + j;
                if (v >= mine) break;
                const bool waits = v < task.room;
                xs[j].bits = waits ? *slot(v, 0) : *as_vector(x + position(v));
                if constexpr (PAIR) gs[j].bits = waits ? *slot(v, 1) : *as_vector(g + position(v));
            }
        };

        // Read the row: send for what can wait here, and meanwhile look at what cannot.
        for (int v = 0; v < min(mine, task.room); ++v) {
            send_for(slot(v, 0), as_vector(x + position(v)));
            if constexpr (PAIR) send_for(slot(v, 1), as_vector(g + position(v)));
        }
        Shift<A, LANES> shifted;
#pragma unroll
        for (int l = 0; l < LANES; ++l) {
            const long long step = LANES == 1 ? 1 : task.channels;
            const long long half = task.length / 2 * step, last = (task.length - 1) * step;
            shifted.element[l] = middle_of(widen(x[l]), widen(x[half + l]), widen(x[last + l]));
            shifted.unit[l] = 1;
        }
        Moments<A, LANES, PAIR> m;
        bool again;
        do {
            m = {};
            for (int i = 0; i < batches; ++i) {
                if (i == others) wait_for_all_sent_for();
                const int b = i < others ? waiting + i : i - others;
                Vector<T> xs[BATCH], gs[BATCH];
                take(b, xs, gs);
                m.join(moments_of<PAIR>(xs, gs, min(mine - b * BATCH, BATCH), shifted));
            }
            for (int e = rank; e < at.edges; e += stride) {
                Moments<A, LANES, PAIR> one;
                one.n = 1;
                one.x[0] = shifted(widen(x[at.edge(e)]), 0);
                if constexpr (PAIR) one.g[0] = widen(g[at.edge(e)]);
                m.join(one);
            }
            team.join(m);
            again = false;
#pragma unroll
            for (int l = 0; l < LANES; ++l)
                again |= at.present && shifted.rescale(l, m.xx[l] / task.length, task.eps);
        } while (team.any(again));

        // With the moments known, find the constants of the formulas above.
        A gain[LANES], offset[LANES], pull[LANES];
        const bool uniform = task.segments == 1;
#pragma unroll
        for (int l = 0; l < LANES; ++l) {
            const int row = at.row + l, line = row % task.period;
            const double unit = shifted.unit[l], n = task.length;
            A to_xhat = reciprocal_root(m.xx[l] / task.length + A(task.eps));
            if (unit != 1) to_xhat = reciprocal_root(m.xx[l] / n + task.eps * unit * unit);
            gain[l] = to_xhat * (task.scale && uniform ? task.scale[line] : A(1));
            offset[l] = task.shift && uniform ? task.shift[line] : A(0);
            if constexpr (PAIR) {
                pull[l] = to_xhat * to_xhat * m.xg[l] / task.length;
                gain[l] *= A(unit);
            }
            if (at.present && rank == 0)
                report<T, PAIR>(task, row, n, (shifted.element[l] + double(m.x[l])) / unit,
                                m.xx[l] / unit / unit, m.g[l], m.xg[l] / unit, to_xhat * unit);
        }
        if (!task.out) continue;
        auto result = [&](A x, A g, int l, int line) {
            const A d = shifted(x, l) - m.x[l];
            T stored;
            if constexpr (PAIR) {
                narrow(((g - m.g[l]) - d * pull[l]) * gain[l], stored);
            } else {
                A y = fma(d, gain[l], offset[l]);
                if (LANES == 1 && !uniform)
                    y = fma(y, task.scale ? task.scale[line] : A(1),
                            task.shift ? task.shift[line] : A(0));
                narrow(task.relu && y < 0 ? A(0) : y, stored);
            }
            return stored;
        };
        const unsigned segment = uniform ? 0 : task.length / task.segments;
        const int first_line = at.row % task.period * task.segments;

        // Write the row, beginning with what was read last.
        for (int i = 0; i < batches; ++i) {
            const int b = i < others ? batches - 1 - i : i - others;
            Vector<T> xs[BATCH], gs[BATCH];
            take(b, xs, gs);
#pragma unroll
            for (int j = 0; j < BATCH; ++j) {
                const int v = b * BATCH + j;
                if (v >= mine) break;
                const unsigned p = position(v);
                int line = uniform ? 0 : first_line + p / segment;
                int next = uniform ? SIZE : segment - p % segment;
                T results[SIZE];
#pragma unroll
                for (int k = 0; k < SIZE; ++k) {
                    if (k == next) ++line, next += segment;
                    results[k] = result(xs[j][k], PAIR ? gs[j][k] : A(0), k % LANES, line);
                }
                uint4 packed;
                memcpy(&packed, results, 16);
                uint4* const to = const_cast<uint4*>(as_vector(out + position(v)));
                // Streaming stores leave the L2 cache to what has yet to be read again.
                if constexpr (KIND == GRID) __stcs(to, packed);
                else __stwb(to, packed);
            }
        }
        for (int e = rank; e < at.edges; e += stride) {
            const unsigned p = at.edge(e);
            const int line = uniform ? 0 : first_line + p / segment;
            out[p] = result(widen(x[p]), PAIR ? widen(g[p]) : A(0), 0, line);
        }
    }
}

// --- entry points: forward<float, BLOCK, 1> and so on --------------------------------------------

// The most threads that a block will have, and how many blocks a multiprocessor should be able to
// run at once: from these the compiler knows how many registers each thread may use.
template <Kind KIND, int LANES>
constexpr int THREADS = KIND == WARP || LANES > 1 ? 256 : 512;
template <Kind KIND>
constexpr int AT_ONCE = KIND == WARP ? 3 : 1;

template <typename T, Kind KIND, int LANES>
__global__ void __launch_bounds__(THREADS<KIND, LANES>, AT_ONCE<KIND>) forward(Task<T> task) {
    standardise<KIND, T, LANES, false>(task);
}

template <typename T, Kind KIND, int LANES>
__global__ void __launch_bounds__(THREADS<KIND, LANES>, AT_ONCE<KIND>) backward(Task<T> task) {
    standardise<KIND, T, LANES, true>(task);
}

#if __CUDA_ARCH__ >= 900
template <typename T, int LANES>
__global__ void __launch_bounds__(THREADS<CLUSTER, LANES>, 1) __cluster_dims__(CLUSTER_BLOCKS)
    forward_cluster(Task<T> task) {
    standardise<CLUSTER, T, LANES, false>(task);
}

template <typename T, int LANES>
__global__ void __launch_bounds__(THREADS<CLUSTER, LANES>, 1) __cluster_dims__(CLUSTER_BLOCKS)
    backward_cluster(Task<T> task) {
    standardise<CLUSTER, T, LANES, true>(task);
}
#endif

// out = (x - mean) · rstd · a + g · c + b, with (5, rows) coefficients mean, rstd, a, b, c: what
// remains to do where the moments are known beforehand. One line of threads for each row.
template <typename T>
__global__ void __launch_bounds__(256) apply(const T* x, const T* g, T* out,
                                             const double* coefficients, long long rows,
                                             long long length) {
    using A = Wide<T>;
    const long long row = blockIdx.x * static_cast<long long>(blockDim.y) + threadIdx.y;
    if (row >= rows) return;
    const double mean = coefficients[row];
    const A coarse = mean, fine = mean - coarse;  // a distant mean needs more digits than one float
    const A rstd = coefficients[rows + row], a = coefficients[2 * rows + row];
    const A b = coefficients[3 * rows + row], c = coefficients[4 * rows + row];
    const long long stride = static_cast<long long>(gridDim.y) * blockDim.x;
    const long long first = blockIdx.y * static_cast<long long>(blockDim.x) + threadIdx.x;
    for (long long i = first; i < length; i += stride) {
        const long long at = row * length + i;
        A result = fma(((widen(x[at]) - coarse) - fine) * rstd, a, b);
        if (g) result = fma(widen(g[at]), c, result);
        narrow(result, out[at]);
    }
}

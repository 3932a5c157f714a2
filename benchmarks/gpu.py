"""Instance normalisation on the GPU, against the speed of memory and against PyTorch.

    python -m benchmarks.gpu

Normalising does so little arithmetic that its limit is memory: nobody can be faster than a copy of
the tensor (forward: 1 read, 1 write), or than the sum of two tensors (backward: 2 reads, 1 write).
So the yardsticks are our own `copy` and `triad` kernels on tensors of the same size, timed in the
same run.

How times are taken
    Medians of CUDA-event times. Before each timed call a buffer several times the size of the L2
    cache is read, so that the cache is cold; that also keeps the GPU busy while Python prepares
    the call, which therefore costs nothing. Small tensors are timed otherwise: in a CUDA graph of
    many calls on the same memory, so with a warm cache, divided by their number.

Before anything is timed its result is compared with double precision, every element written.
The results go to benchmarks/results/norms-gpu.json. Without a GPU nothing is measured or written.
"""

import argparse
import datetime
import json
import platform
import shlex
import statistics
import sys
from importlib import metadata
from pathlib import Path

import ml_dtypes  # noqa: F401 (makes bfloat16 the name of a dtype)
import numpy as np

from instnorm.rows import numpy as reference
from instnorm.rows import teams

RESULTS = Path(__file__).parent / "results" / "norms-gpu.json"

# Sides of square planes, many of them to a tensor.
SIDES = [14, 28, 56, 100, 112, 160, 224, 240, 300, 512, 680, 1024, 1448, 2048, 4096]
FEW = [
    (1, 3, 512, 512),
    (4, 4, 512, 512),
    (1, 1, 1024, 1024),
    (1, 16, 1024, 1024),
    (1, 1, 4096, 4096),
]
SMALL = [(1, 64, 32, 32), (8, 64, 16, 16), (2, 512, 8, 8), (4, 64, 56, 56), (1, 16, 128, 128)]
DTYPES = ["float32", "float16", "bfloat16"]
COMPILED_SIDES = [56, 224, 512]  # torch.compile takes seconds for each shape

# The speed that we ask of ourselves, as a part of the yardstick's.
FORWARD_BARS = [(240, 0.97), (680, 0.93), (2048, 0.90), (4096, 0.85)]  # up to this side
BACKWARD_BARS = {True: 0.95, False: 0.88}  # does a whole plane wait on the chip?
# ... and how many times faster than F.instance_norm, forward and backward, or with few planes.
TORCH_BARS = {"forward": 1.4, "backward": 1.5, "few": 8.0}
GRAPH_BAR = 1.2  # times the copy

YARDSTICKS = r"""
// Each thread moves 4 vectors of 16 bytes, a block's width apart; all loads before the first store.
constexpr int EACH = 4;

__device__ uint4 sum(uint4 a, uint4 b) {  // of the bit patterns: moving them is what counts
    return make_uint4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}

template <bool TRIAD>
__device__ void move(const uint4* a, const uint4* b, uint4* out, long long n) {
    long long first = blockIdx.x * static_cast<long long>(EACH * blockDim.x) + threadIdx.x;
    uint4 v[EACH], w[EACH];
#pragma unroll
    for (int i = 0; i < EACH; ++i) {
        long long at = first + i * blockDim.x;
        if (at < n) {
            v[i] = a[at];
            if (TRIAD) w[i] = b[at];
        }
    }
#pragma unroll
    for (int i = 0; i < EACH; ++i) {
        long long at = first + i * blockDim.x;
        if (at < n) out[at] = TRIAD ? sum(v[i], w[i]) : v[i];
    }
}

extern "C" __global__ void copy(const uint4* a, uint4* out, long long n) {
    move<false>(a, a, out, n);
}
extern "C" __global__ void triad(const uint4* a, const uint4* b, uint4* out, long long n) {
    move<true>(a, b, out, n);
}
"""


class Yardstick:
    """The copy and triad kernels."""

    def __init__(self, cp):
        module = cp.RawModule(code=YARDSTICKS, options=("-std=c++17",))
        self.kernels = {name: module.get_function(name) for name in ("copy", "triad")}

    def __call__(self, *arrays):
        """Copy x to y, given (x, y); add x and z into y, given (x, z, y)."""
        kernel = self.kernels["copy" if len(arrays) == 2 else "triad"]
        vectors = arrays[0].nbytes // 16
        kernel((-(-vectors // 1024),), (256,), (*arrays, np.int64(vectors)))


class Clock:
    """Times calls on the GPU, in microseconds."""

    def __init__(self, cp, repetitions):
        self.cp = cp
        self.repetitions = repetitions
        l2 = cp.cuda.Device().attributes["L2CacheSize"]
        self.elsewhere = cp.zeros(max(8 * l2, 1 << 30) // 4, np.float32)

    def cold(self, call):
        """(median, spread): the spread is the range of the middle half, as a part of the median."""
        cp = self.cp
        for _ in range(3):
            call()
        times = []
        for _ in range(self.repetitions):
            start, stop = cp.cuda.Event(), cp.cuda.Event()
            self.elsewhere.max()
            start.record()
            call()
            stop.record()
            stop.synchronize()
            times.append(1000 * cp.cuda.get_elapsed_time(start, stop))
        low, median, high = statistics.quantiles(times, n=4)
        return median, (high - low) / median

    def in_graph(self, call, calls=100):
        """The median time of one of many calls in a CUDA graph."""
        cp = self.cp
        stream = cp.cuda.Stream(non_blocking=True)
        times = []
        with stream:
            call()
            stream.synchronize()
            stream.begin_capture()
            for _ in range(calls):
                call()
            graph = stream.end_capture()
            for repetition in range(3 + self.repetitions):
                start, stop = cp.cuda.Event(), cp.cuda.Event()
                start.record(stream)
                graph.launch(stream)
                stop.record(stream)
                stop.synchronize()
                if repetition >= 3:
                    times.append(1000 * cp.cuda.get_elapsed_time(start, stop) / calls)
        return statistics.median(times)


class Bench:
    """Measures one case after the other and collects what it finds in `results`."""

    def __init__(self, cp, torch, repetitions, compiled):
        from instnorm.rows import cupy as kernel

        self.cp, self.torch, self.kernel = cp, torch, kernel
        self.clock = Clock(cp, repetitions)
        self.yardstick = Yardstick(cp)
        self.compiled = compiled and torch is not None
        self.random = cp.random.default_rng(0)
        self.results = []

    def tensors(self, shape, dtype):
        """x, dy and an empty result, fresh; and gamma and beta."""
        x, dy = (self._normal(shape, dtype) for _ in range(2))
        gamma, beta = (self._normal((shape[1], 1), "float32") + 1 for _ in range(2))
        return x, dy, self.cp.empty(shape, dtype), gamma, beta

    def _normal(self, shape, dtype):
        values = self.random.standard_normal(shape, dtype=np.float32)
        return values.astype(dtype)

    def large(self, group, shape, dtype, *, channels_last=False, compiled=False, bars=()):
        """Forward and backward of one tensor, cold."""
        x, dy, out, gamma, beta = self.tensors(shape, dtype)
        planes = shape[0] * shape[1], shape[2] * shape[3]
        into = (shape[0], planes[1], shape[1]) if channels_last else planes
        x, dy, y = (a.reshape(into) for a in (x, dy, out))
        kernel = self.kernel

        self.check_forward(x, y, gamma, beta)
        results = []
        for direction, arrays, call in [
            ("forward", (x, y), lambda: kernel.rows_forward(x, 1e-5, gamma, beta, y)),
            ("backward", (x, dy, y), lambda: kernel.rows_backward(dy, x, 1e-5, gamma)),
        ]:
            if direction == "backward":
                self.check_backward(x, dy, gamma)
            bound, _ = self.clock.cold(lambda arrays=arrays: self.yardstick(*arrays))
            ours, spread = self.clock.cold(call)
            plan = self.plan(x, direction)
            result = {
                "group": group,
                "shape": list(shape),
                "dtype": dtype,
                "layout": "channels last" if channels_last else "channels first",
                "direction": direction,
                "team": plan.kind,
                "cache": "cold",
                "microseconds": ours,
                "spread": spread,
                "yardstick": "copy" if direction == "forward" else "triad",
                "yardstick_microseconds": bound,
                "part_of_yardstick": bound / ours,
                "bytes_per_second": sum(a.nbytes for a in arrays) / (ours * 1e-6),
            }
            if "memory" in bars:
                result["part_of_yardstick_bar"] = memory_bar(direction, shape[2], plan)
            results.append(result)
        if self.torch is not None:
            self.against_torch(results, x, dy, shape, gamma, beta, channels_last, compiled)
            for result in results:
                if "torch" in bars:
                    result["times_torch_bar"] = TORCH_BARS[result["direction"]]
                if "few" in bars:
                    result["times_torch_bar"] = TORCH_BARS["few"]
        for result in results:
            self.add(result)

    def plan(self, x, direction):
        rows = x.shape[0] if x.ndim == 2 else x.shape[0] * x.shape[2]
        lanes = 1 if x.ndim == 2 else teams.lanes(x.dtype.name)
        arrays = 1 if direction == "forward" else 2
        device = self.kernel._device(x.device.id)
        return teams.plan(device, rows, x.shape[1], x.dtype.name, lanes, arrays)

    def against_torch(self, results, x, dy, shape, gamma, beta, channels_last, compiled):
        """Add the times of F.instance_norm and its gradient, eager and compiled."""
        torch, functional = self.torch, self.torch.nn.functional

        def there(a, shape):
            return as_torch(torch, a).reshape(shape)

        if channels_last:
            n, c, h, w = shape
            x, dy = (there(a, (n, h, w, c)).permute(0, 3, 1, 2) for a in (x, dy))
        else:
            x, dy = there(x, shape), there(dy, shape)
        gamma, beta = (there(a, -1).to(x.dtype).requires_grad_() for a in (gamma, beta))
        x = x.detach().requires_grad_()

        def norm(x, gamma, beta):
            return functional.instance_norm(x, weight=gamma, bias=beta, eps=1e-5)

        variants = {"torch": norm}
        if compiled and self.compiled:
            variants["torch_compiled"] = torch.compile(norm, dynamic=False)
        for name, variant in variants.items():
            y = variant(x, gamma, beta)

            def backward(y=y):
                torch.autograd.grad(y, (x, gamma, beta), dy, retain_graph=True)

            def forward(variant=variant):
                with torch.no_grad():
                    variant(x, gamma, beta)

            for result, call in zip(results, (forward, backward), strict=True):
                theirs, _ = self.clock.cold(call)
                result[f"{name}_microseconds"] = theirs
                result[f"times_{name}"] = theirs / result["microseconds"]
            del y

    def small(self, shape, dtype):
        """Forward of a small tensor in a CUDA graph, warm."""
        x, _, out, gamma, beta = self.tensors(shape, dtype)
        x, y = (a.reshape(shape[0] * shape[1], -1) for a in (x, out))
        self.check_forward(x, y, gamma, beta)
        bound = self.clock.in_graph(lambda: self.yardstick(x, y))
        ours = self.clock.in_graph(lambda: self.kernel.rows_forward(x, 1e-5, gamma, beta, y))
        self.add(
            {
                "group": "small, in a CUDA graph",
                "shape": list(shape),
                "dtype": dtype,
                "layout": "channels first",
                "direction": "forward",
                "team": self.plan(x, "forward").kind,
                "cache": "warm",
                "microseconds": ours,
                "yardstick": "copy",
                "yardstick_microseconds": bound,
                "times_copy": ours / bound,
                "times_copy_bar": GRAPH_BAR,
            }
        )

    def check_forward(self, x, y, gamma, beta):
        """Compare some rows with double precision, and find every element of y written."""
        y.fill(np.nan)
        self.kernel.rows_forward(x, 1e-5, gamma, beta, y)
        rows, channels = some_rows(x), gamma.shape[0]
        lines = [r % channels for r in rows]
        exact, _, _ = reference.forward(
            as_sets(take(x, rows)),
            1e-5,
            *(a.get().astype(np.float64)[lines] for a in (gamma, beta)),
        )
        check("forward", take(y, rows), exact[0, :, 0], x.dtype.name)
        if self.cp.isnan(y).any():
            raise SystemExit(f"forward leaves elements of {x.dtype} {x.shape} unwritten")

    def check_backward(self, x, dy, gamma):
        dx, _, _ = self.kernel.rows_backward(dy, x, 1e-5, gamma)
        rows, channels = some_rows(x), gamma.shape[0]
        lines = [r % channels for r in rows]
        exact, _, _ = reference.backward(
            *(as_sets(take(a, rows)) for a in (dy, x)), 1e-5, gamma.get().astype(np.float64)[lines]
        )
        check("backward", take(dx, rows), exact[0, :, 0], x.dtype.name)
        if self.cp.isnan(dx).any():
            raise SystemExit(f"backward leaves elements of {x.dtype} {x.shape} unwritten")

    def add(self, result):
        for measured, bar in [
            ("part_of_yardstick", "part_of_yardstick_bar"),
            ("times_torch", "times_torch_bar"),
        ]:
            if bar in result and measured in result:
                result.setdefault("met", True)
                result["met"] &= result[measured] >= result[bar]
        if "times_copy" in result:
            result["met"] = result["times_copy"] <= result["times_copy_bar"]
        self.results.append(result)
        print(line(result), flush=True)


def memory_bar(direction, side, plan):
    if direction == "forward":
        return next(bar for most, bar in FORWARD_BARS if side <= most)
    return BACKWARD_BARS[plan.kind != "GRID"]


def as_torch(torch, a):
    """The same memory as a torch tensor. Not every CuPy exports bfloat16; all export its bits."""
    if a.dtype.name == "bfloat16":
        return torch.from_dlpack(a.view(np.int16)).view(torch.bfloat16)
    return torch.from_dlpack(a)


def some_rows(x):
    rows = x.shape[0] if x.ndim == 2 else x.shape[0] * x.shape[2]
    return sorted({0, 1 % rows, rows // 3, rows // 2, rows - 1})


def as_sets(rows):
    """(R, M) -> (1, R, 1, M): what the reference takes."""
    return rows[None, :, None]


def take(x, rows):
    """These rows in double precision, on the CPU."""
    if x.ndim == 3:
        lines = [x[r // x.shape[2], :, r % x.shape[2]] for r in rows]
    else:
        lines = [x[r] for r in rows]
    return np.stack([a.get().astype(np.float64) for a in lines])


def check(what, ours, exact, dtype):
    """Equal but for one rounding to the stored dtype and a few in float32."""
    stored = {"float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}[dtype]
    allowed = stored * np.abs(exact) + 2e-6 * np.abs(exact).max()
    error = np.abs(ours - exact)
    if not (error <= allowed).all():
        raise SystemExit(f"{what} of {dtype} is wrong by {error.max():.3g}: nothing was timed")


def line(result):
    """One line of the table."""
    shape = "x".join(map(str, result["shape"]))
    parts = [
        f"{result['group']:23}{shape:18}{result['dtype']:9}{result['direction']:9}",
        f"{result['team']:8}{result['microseconds']:9.1f} us",
    ]
    if "times_copy" in result:
        parts.append(f"{result['times_copy']:6.2f} times the copy")
    else:
        parts.append(f"{100 * result['part_of_yardstick']:6.1f} % of the {result['yardstick']}")
    if "times_torch" in result:
        parts.append(f"{result['times_torch']:6.2f} times torch")
    if "times_torch_compiled" in result:
        parts.append(f"{result['times_torch_compiled']:6.2f} times torch.compile")
    if not result.get("met", True):
        parts.append("  below the bar")
    return " ".join(parts)


def run(bench, megabytes):
    """All cases. Each tensor of the large ones has at least `megabytes` MiB."""
    for dtype in DTYPES:
        for side in SIDES:
            planes = -(-megabytes * 2**20 // (side * side * teams.ITEMSIZES[dtype]))
            shape = (max(1, -(-planes // 64)), min(planes, 64), side, side)
            bench.large(
                "many planes",
                shape,
                dtype,
                compiled=side in COMPILED_SIDES and dtype != "float16",
                bars=("memory", "torch") if planes >= 64 else ("memory",),
            )
        for side in (56, 224, 512):
            planes = -(-megabytes * 2**20 // (side * side * teams.ITEMSIZES[dtype]))
            bench.large(
                "channels last", (-(-planes // 64), 64, side, side), dtype, channels_last=True
            )
        for shape in FEW:
            bench.large("few planes", shape, dtype, compiled=dtype == "float32", bars=("few",))
        for shape in SMALL:
            bench.small(shape, dtype)


def gpu():
    """CuPy, if it is installed and finds a GPU."""
    try:
        import cupy
    except ModuleNotFoundError:
        return None, "CuPy is not installed (pip install -r requirements-gpu.txt)"
    if not cupy.cuda.is_available():
        return None, "CuPy finds no CUDA GPU"
    return cupy, None


def torch_with_cuda():
    try:
        import torch
    except ModuleNotFoundError:
        return None
    return torch if torch.cuda.is_available() else None


def surroundings(cp, torch):
    """What a reader needs to know to repeat this."""
    properties = cp.cuda.runtime.getDeviceProperties(0)
    attributes = cp.cuda.Device().attributes
    packages = [p.metadata["Name"] for p in metadata.distributions()]
    cupy_package = next((p for p in packages if p.lower().startswith("cupy")), "cupy")
    return {
        "device": properties["name"].decode(),
        "multiprocessors": attributes["MultiProcessorCount"],
        "L2 bytes": attributes["L2CacheSize"],
        "driver": driver_version() or f"CUDA {cp.cuda.runtime.driverGetVersion()}",
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            cupy_package: cp.__version__,
            "CUDA runtime": cp.cuda.runtime.runtimeGetVersion(),
            "torch": torch.__version__ if torch else "not measured: no torch with CUDA",
        },
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "command": shlex.join(["python", "-m", "benchmarks.gpu", *sys.argv[1:]]),
    }


def driver_version():
    """As the Linux driver reports it."""
    version = Path("/proc/driver/nvidia/version")
    if not version.exists():
        return None
    words = version.read_text(encoding="utf-8").split("\n")[0].split()
    return next((word for word in words if word[0].isdigit() and "." in word), None)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--megabytes", type=int, default=256, help="least size of large tensors")
    parser.add_argument("--repetitions", type=int, default=25)
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()

    cp, reason = gpu()
    if cp is None:
        print(f"no GPU: not yet measured. {reason}")
        return
    torch = torch_with_cuda()
    bench = Bench(cp, torch, options.repetitions, not options.no_compile)
    run(bench, options.megabytes)
    report = {**surroundings(cp, torch), "results": bench.results}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    barred = [result for result in bench.results if "met" in result]
    met = sum(result["met"] for result in barred)
    print(f"{met} of {len(barred)} cases meet their bar. Written to {options.out}")


if __name__ == "__main__":
    main()

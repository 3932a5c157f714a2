"""Instance normalisation on the CPU, against PyTorch and against the speed of memory.

    python -m benchmarks.norms

Both use the threads that PyTorch finds. The yardstick is the least that memory allows: forward, a
copy of the tensor (1 read, 1 write); backward, the sum of two (2 reads, 1 write).

How times are taken
    Other programs and the machine's own clock disturb all times, so the contestants take turns, in
    a new random order each round, and ratios are taken within a round. In its turn each is called
    until SETTLE has passed, and the call after that is timed: what the one before left behind, in
    the caches and in threads that still spin for work, is gone by then, and what there is is its
    own. Of the ratios, least, median and greatest are reported.

Before anything is timed its result is compared with double precision. The results go to
benchmarks/results/norms-cpu.json. The GPU has its own program, benchmarks.gpu.
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from instnorm import instance_norm, instance_norm_backward

from .surroundings import surroundings

RESULTS = Path(__file__).parent / "results" / "norms-cpu.json"

SHAPES = [
    (8, 64, 56, 56),
    (16, 32, 128, 128),
    (4, 3, 512, 512),
    (1, 64, 1024, 1024),
    (64, 256, 8, 8),
    (2, 512, 16, 16),
]
# Seconds. OpenMP's threads wait actively before they go to sleep, for as long as a count of turns
# takes: 5 to 20 milliseconds. Until then they keep a core from whoever comes after PyTorch.
SETTLE = 0.03
# The speed that we ask of ourselves, as a multiple of PyTorch's: the median over the shapes, and
# for single shapes (None: for any).
BARS = {
    "forward": {"median": 2.0, "single": {None: 1.1}},
    "backward": {"median": 0.8, "single": {(1, 64, 1024, 1024): 2.0}},
}


def forward_contestants(x, dy):
    out = np.empty_like(x)
    there, there_out = torch.from_numpy(x), torch.from_numpy(out)
    return {
        "ours": lambda: instance_norm(x, out=out),
        "torch": lambda: F.instance_norm(there),
        "memory": lambda: there_out.copy_(there),
    }


def backward_contestants(x, dy):
    out = torch.empty(x.shape)
    there, there_dy = torch.from_numpy(x).requires_grad_(), torch.from_numpy(dy)
    y = F.instance_norm(there)
    plain = there.detach()
    return {
        "ours": lambda: instance_norm_backward(dy, x)[0],
        "torch": lambda: torch.autograd.grad(y, there, there_dy, retain_graph=True)[0],
        "memory": lambda: torch.add(plain, there_dy, out=out),
    }


def check(direction, ours, x, dy):
    """Stop unless our result is that of double precision but for some rounding errors."""
    there = torch.from_numpy(x).double().requires_grad_()
    exact = F.instance_norm(there)
    if direction == "backward":
        (exact,) = torch.autograd.grad(exact, there, torch.from_numpy(dy).double())
    error = np.abs(ours - exact.detach().numpy()).max()
    if not error <= 2e-6:
        raise SystemExit(f"{direction} of {x.shape} is wrong by {error:.3g}: nothing was timed")


def rounds(contestants, seconds, rng):
    """Times in seconds, one list for each contestant, as many as fit (7 at least)."""
    times = {name: [] for name in contestants}
    names = list(contestants)
    end = time.perf_counter() + seconds
    while len(times["ours"]) < 7 or time.perf_counter() < end:
        for name in rng.permutation(names):
            settled = time.perf_counter() + SETTLE
            while time.perf_counter() < settled:
                contestants[name]()
            start = time.perf_counter()
            contestants[name]()
            times[name].append(time.perf_counter() - start)
    return times


def measure(shape, direction, seconds, rng):
    x, dy = rng.standard_normal((2, *shape), dtype=np.float32)
    contestants = (forward_contestants if direction == "forward" else backward_contestants)(x, dy)
    check(direction, contestants["ours"](), x, dy)
    times = rounds(contestants, seconds, rng)
    return {
        "shape": list(shape),
        "direction": direction,
        "rounds": len(times["ours"]),
        "milliseconds": {n: round(1e3 * statistics.median(t), 4) for n, t in times.items()},
        "times as fast as torch": spread(times["torch"], times["ours"]),
        "times as long as the yardstick": spread(times["ours"], times["memory"]),
    }


def spread(numerators, denominators):
    """Least, median and greatest ratio of the rounds."""
    ratios = [a / b for a, b in zip(numerators, denominators, strict=True)]
    return [round(f(ratios), 3) for f in (min, statistics.median, max)]


def summary(direction, results):
    """The median over the shapes, the worst of them, and whether the bars are met."""
    ratios = {tuple(r["shape"]): r["times as fast as torch"][1] for r in results}
    bars = BARS[direction]
    met = statistics.median(ratios.values()) >= bars["median"] and all(
        min(ratios.values()) >= bar if shape is None else ratios[shape] >= bar
        for shape, bar in bars["single"].items()
    )
    return {
        "median": round(statistics.median(ratios.values()), 3),
        "least": min(ratios.values()),
        "median bar": bars["median"],
        "met": met,
    }


def line(result):
    """One line of the table."""
    shape = "x".join(map(str, result["shape"]))
    ms = result["milliseconds"]
    low, middle, high = result["times as fast as torch"]
    return (
        f"{result['direction']:9}{shape:15}{ms['ours']:9.3f}{ms['torch']:9.3f}{ms['memory']:9.3f}"
        f"{low:10.2f}{middle:7.2f}{high:8.2f}{result['times as long as the yardstick'][1]:12.1f}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=4, help="for each shape and direction")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    print("median milliseconds; least, median and greatest ratio of torch to ours; ours to memory")
    print(f"{'':24}{'ours':>9}{'torch':>9}{'memory':>9}{'torch / ours':>23}{'ours / mem.':>14}")
    report = {**surroundings("benchmarks.norms"), "load average before": load}
    for direction in BARS:
        results = []
        for shape in SHAPES:
            results.append(measure(shape, direction, options.seconds, rng))
            print(line(results[-1]), flush=True)
        report[direction] = {**summary(direction, results), "results": results}
        verdict = "meets" if report[direction]["met"] else "is below"
        print(f"{direction} {verdict} its bar: median {report[direction]['median']}\n")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"Written to {options.out}")


if __name__ == "__main__":
    main()

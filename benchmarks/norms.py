"""Instance normalisation on the CPU, against PyTorch and against the speed of memory.

    python -m benchmarks.norms

Both use as many threads as there are processors. The yardstick is the least that memory allows:
forward, a copy of the tensor (1 read, 1 write); backward, the sum of two (2 reads, 1 write).

Ours is called as in a program that calls it often: it writes its result to an array that is there
(`out`), as does the yardstick, and on the way back, like PyTorch's, it is given the moments that
the way forward has returned. The plain call, which makes a new array and calculates the moments
again, is measured too. PyTorch's functions always make a new tensor.

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

import instnorm
from instnorm.rows import numpy as plain

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
# The speed that we ask of ourselves, as a multiple of PyTorch's: the median over the six shapes,
# and each of them; and each case of the other members.
BARS = {"forward": {"median": 5.0, "each": 3.0}, "backward": {"median": 1.5, "each": 1.0}}
OTHERS_BAR = 1.0

# Other members, with weights: of the group norms, 32 groups and one. And a single picture.
OTHERS = {
    "layer": [(4096, 768), (50000, 16)],
    "group": [(8, 64, 56, 56)],
    "1 group": [(1, 64, 128, 128)],
    "instance": [(1, 3, 1024, 1024)],
}
GROUPS = {"group": 32, "1 group": 1}


def ours(member):
    """Forward (x, gamma, beta) and backward (dy, x, gamma) of a member."""
    if member in GROUPS:
        n = GROUPS[member]
        return (
            lambda x, *affine, **options: instnorm.group_norm(x, n, *affine, **options),
            lambda dy, x, g, **options: instnorm.group_norm_backward(dy, x, n, g, **options),
        )
    return (getattr(instnorm, f"{member}_norm{suffix}") for suffix in ("", "_backward"))


def theirs(member, x, g, b):
    if member in GROUPS:
        return F.group_norm(x, GROUPS[member], g, b)
    if member == "layer":
        return F.layer_norm(x, x.shape[1:], g, b)
    return F.instance_norm(x, weight=g, bias=b)


def contestants(member, direction, x, dy, g, b):
    """Calls by name: ours, PyTorch's, and the least that memory allows."""
    forward, backward = ours(member)
    there = torch.from_numpy(x)
    weights = [None if p is None else torch.from_numpy(p) for p in (g, b)]
    if direction == "forward":
        out = np.empty_like(x)
        there_out = torch.empty_like(there)
        return {
            "ours": lambda: forward(x, g, b, out=out),
            "plain call": lambda: forward(x, g, b),
            "torch": lambda: theirs(member, there, *weights),
            "memory": lambda: there_out.copy_(there),
        }
    there_dy, there_out = torch.from_numpy(dy), torch.empty(x.shape)
    moments = np.empty((2, len(x), {"instance": x.shape[1], **GROUPS}.get(member, 1)))
    forward(x, g, b, moments=moments)
    out = np.empty_like(x)
    leaves = [t.clone().requires_grad_() for t in (there, *weights) if t is not None]
    y = theirs(member, leaves[0], *(leaves[1:] or (None, None)))
    return {
        "ours": lambda: backward(dy, x, g, moments=moments, out=out),
        "plain call": lambda: backward(dy, x, g),
        "torch": lambda: torch.autograd.grad(y, leaves, there_dy, retain_graph=True),
        "memory": lambda: torch.add(there, there_dy, out=there_out),
    }


def check(member, direction, result, x, dy, g, b):
    """Stop unless our result is that of double precision but for some rounding errors."""
    there = torch.from_numpy(x).double().requires_grad_()
    exact = theirs(
        member, there, *(None if p is None else torch.from_numpy(p).double() for p in (g, b))
    )
    if direction == "backward":
        (exact,) = torch.autograd.grad(exact, there, torch.from_numpy(dy).double())
        result = result[0]
    exact = exact.detach().numpy()
    error = np.abs(result - exact).max()
    if not error <= 2e-6 * max(1, np.abs(exact).max()):
        raise SystemExit(f"{direction} of {member} {x.shape} is wrong by {error:.3g}")


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


def measure(member, shape, direction, seconds, rng):
    x, dy = rng.standard_normal((2, *shape), dtype=np.float32)
    weights = (None, None)
    if member != "instance":
        weights = rng.standard_normal((2, shape[1]), dtype=np.float32)
    calls = contestants(member, direction, x, dy, *weights)
    for call in ("ours", "plain call"):
        check(member, direction, calls[call](), x, dy, *weights)
    times = rounds(calls, seconds, rng)
    return {
        "member": member,
        "shape": list(shape),
        "direction": direction,
        "rounds": len(times["ours"]),
        "milliseconds": {n: round(1e3 * statistics.median(t), 4) for n, t in times.items()},
        "times as fast as torch": spread(times["torch"], times["ours"]),
        "times as fast as torch, plain call": spread(times["torch"], times["plain call"]),
        "times as long as the yardstick": spread(times["ours"], times["memory"]),
    }


def in_loops(x, eps=1e-5):
    """Instance norm of (N, C, H, W), number by number."""
    y = np.empty_like(x)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            plane = x[n, c].ravel().tolist()
            mean = sum(plane) / len(plane)
            var = sum((value - mean) ** 2 for value in plane) / len(plane)
            factor = 1 / (var + eps) ** 0.5
            y[n, c] = np.reshape([(value - mean) * factor for value in plane], x.shape[2:])
    return y


def in_numpy(x, eps=1e-5):
    mean, var = x.mean((2, 3), keepdims=True), x.var((2, 3), keepdims=True)
    return (x - mean) / np.sqrt(var + eps)


def ladder(shape, rounds, rng):
    """The same formula in four ways, as multiples of a copy; medians of rounds in turns."""
    x = rng.standard_normal(shape, dtype=np.float32)
    out = np.empty_like(x)
    sets = x.reshape(*shape[:2], 1, -1)
    ways = {
        "loops in Python": lambda: in_loops(x),
        "NumPy, as in a textbook": lambda: in_numpy(x),
        "NumPy, rows/numpy.py": lambda: plain.forward(sets, 1e-5),
        "compiled loops": lambda: instnorm.instance_norm(x, out=out),
        "a copy": lambda: np.copyto(out, x),
    }
    ratios = {way: [] for way in ways}
    for _ in range(rounds):
        times = {}
        for way, call in ways.items():
            if way != "loops in Python":
                call()
            start = time.perf_counter()
            call()
            times[way] = time.perf_counter() - start
        for way in ways:
            ratios[way].append(times[way] / times["a copy"])
    return {"shape": list(shape), "times as long as a copy": {
        way: round(statistics.median(r), 2) for way, r in ratios.items()
    }}  # fmt: skip


def spread(numerators, denominators):
    """Least, median and greatest ratio of the rounds."""
    ratios = [a / b for a, b in zip(numerators, denominators, strict=True)]
    return [round(f(ratios), 3) for f in (min, statistics.median, max)]


def summary(direction, results):
    """The median over the six shapes, the least ratios, and whether the bars are met."""
    six, others = (
        [r["times as fast as torch"][1] for r in some]
        for some in (results[: len(SHAPES)], results[len(SHAPES) :])
    )
    bars = BARS[direction]
    met = statistics.median(six) >= bars["median"] and min(six) >= bars["each"]
    return {
        "median": round(statistics.median(six), 3),
        "least": min(six),
        "least of the other members": min(others),
        "bars": {**bars, "other members": OTHERS_BAR},
        "met": met and min(others) >= OTHERS_BAR,
    }


def line(result):
    """One line of the table."""
    shape = "x".join(map(str, result["shape"]))
    ms = result["milliseconds"]
    low, middle, high = result["times as fast as torch"]
    return (
        f"{result['direction']:9}{result['member']:9}{shape:15}{ms['ours']:9.3f}{ms['torch']:9.3f}"
        f"{ms['memory']:9.3f}{low:10.2f}{middle:7.2f}{high:8.2f}"
        f"{result['times as fast as torch, plain call'][1]:8.2f}"
        f"{result['times as long as the yardstick'][1]:12.1f}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=4, help="for each shape and direction")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    print("median milliseconds; least, median and greatest ratio of torch to ours; the median of")
    print("torch to our plain call, and of ours to memory")
    print(
        f"{'':33}{'ours':>9}{'torch':>9}{'memory':>9}{'torch / ours':>23}{'plain':>10}"
        f"{'ours / mem.':>12}"
    )
    report = {**surroundings("benchmarks.norms"), "load average before": load}
    cases = [("instance", shape) for shape in SHAPES]
    cases += [(member, shape) for member, shapes in OTHERS.items() for shape in shapes]
    for direction in BARS:
        results = []
        for member, shape in cases:
            results.append(measure(member, shape, direction, options.seconds, rng))
            print(line(results[-1]), flush=True)
        report[direction] = {**summary(direction, results), "results": results}
        verdict = "meets" if report[direction]["met"] else "is below"
        print(f"{direction} {verdict} its bars: median {report[direction]['median']}\n")
    report["ladder"] = ladder((8, 64, 56, 56), 3, rng)
    print(report["ladder"])
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"Written to {options.out}")


if __name__ == "__main__":
    main()

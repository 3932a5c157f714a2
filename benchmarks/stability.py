"""The stability atlas: how many digits are left when the mean dwarfs the spread?

    python -m benchmarks.stability

Planes of 64 x 64 normal deviates with standard deviation 1 are moved to a mean of 1 to 1e8 and
rounded to float16, bfloat16 or float32. Each method standardises the rounded plane; its error is
the largest difference from the same in double precision, on the same rounded plane, so that the
rounding of the data itself does not count against anybody.

The textbook methods of `instnorm.variance` calculate in the dtype of the data. Our kernel and
PyTorch accumulate half precision in float32. An error that is not finite is written as null: the
variance was negative, or a sum overflowed. So are means that the dtype can't hold.

The results go to benchmarks/results/stability-cpu.json; the same numbers come out on every run.
"""

import argparse
import json
from pathlib import Path

import ml_dtypes
import numpy as np
import torch
import torch.nn.functional as F

import instnorm
from instnorm import variance

from .surroundings import surroundings

RESULTS = Path(__file__).parent / "results" / "stability-cpu.json"

DTYPES = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "float32": np.float32}
MEANS = 10.0 ** np.arange(0, 8.5, 0.5)
PLANES, SIDE = 32, 64
EPS = 1e-5


def standardised_by(moments):
    """Instance norm of (1, C, H, W) in the dtype of x throughout, from `moments` of its rows."""

    def norm(x):
        rows = x.reshape(x.shape[1], -1)
        mean, var = moments(rows)
        rstd = 1 / np.sqrt(var + x.dtype.type(EPS))
        return ((rows - mean[:, None]) * rstd[:, None]).reshape(x.shape)

    return norm


def by_torch(x):
    # torch.from_numpy does not know bfloat16; its bits are the upper half of those of a float32.
    there = torch.from_numpy(x.astype(np.float32)).to(getattr(torch, x.dtype.name))
    return F.instance_norm(there, eps=EPS).float().numpy()


METHODS = {
    "one pass": standardised_by(variance.one_pass),
    "two passes": standardised_by(variance.two_pass),
    "Welford": standardised_by(variance.welford),
    "shifted two passes": standardised_by(variance.shifted_two_pass),
    "PyTorch": by_torch,
    "this package": instnorm.instance_norm,
}


def exact(x):
    """Instance norm in double precision, centred twice."""
    x = x.astype(np.float64)
    x = x - x.mean((2, 3), keepdims=True)
    x = x - x.mean((2, 3), keepdims=True)
    return x / np.sqrt((x * x).mean((2, 3), keepdims=True) + EPS)


def measure():
    """{dtype: {method: [error for each mean]}}."""
    deviates = np.random.default_rng(1983).standard_normal((1, PLANES, SIDE, SIDE))
    atlas = {dtype: {method: [] for method in METHODS} for dtype in DTYPES}
    with np.errstate(all="ignore"):
        for dtype, errors in atlas.items():
            for mean in MEANS:
                x = (deviates + mean).astype(DTYPES[dtype])
                for method, norm in METHODS.items():
                    error = np.abs(norm(x).astype(np.float64) - exact(x)).max()
                    errors[method].append(float(f"{error:.3g}") if np.isfinite(error) else None)
    return atlas


def table(errors):
    width = max(map(len, errors)) + 2
    heading = " " * 8 + "".join(f"{method:>{width}}" for method in errors)
    lines = [
        f"{mean:8.0e}"
        + "".join(f"{'-' if e[i] is None else f'{e[i]:.1e}':>{width}}" for e in errors.values())
        for i, mean in enumerate(MEANS)
    ]
    return "\n".join([heading, *lines])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    atlas = measure()
    for dtype, errors in atlas.items():
        print(f"\n{dtype}: largest error of a standardised value, by mean / standard deviation")
        print(table(errors))
    report = {
        **surroundings("benchmarks.stability"),
        "planes": [PLANES, SIDE, SIDE],
        "eps": EPS,
        "mean over standard deviation": [float(f"{mean:.4g}") for mean in MEANS],
        "largest error": atlas,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"\nWritten to {options.out}")


if __name__ == "__main__":
    main()

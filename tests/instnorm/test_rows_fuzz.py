"""Draws of shape, layout, dtype, magnitude and offset, for all norms and backends, in long double.

The bounds follow from the arithmetic. With u half a unit in the last place of the dtype that is
calculated in (float32 at least), t = x - mean, x̂ = t / s and s = sqrt(var + eps):

    t       three roundings, of numbers no larger than |t| + s:              3 u (|t| + s)
    s       the squares carry 2 * 3 u, the sum n u, the root halves both, two more roundings
    y       x̂ gamma + beta: one rounding for each operation, and one for storage

so |error of x̂| <= (8 + n) u (|x̂| + 1), where n is how often a sum was rounded; and for dx, which is
(g - ḡ - x̂ p) / s with ḡ = mean(g), p = mean(g x̂), each of the three terms carries such an error:

    |error of dx| <= (16 + n) u (|g| + mean|g| + (|x̂| + 1) mean(|g| (|x̂| + 1))) / s

Sums of float32 numbers are taken in float64, where n is 0; but the compiled kernels sum up to 1024
numbers in float32 first, in four sums or more side by side: n is 256 at most. Sums of M float64
numbers are rounded at most M times.
"""

import ml_dtypes
import numpy as np
import pytest

import instnorm
from instnorm import rows
from instnorm.rows import numpy as plain

DTYPES = (np.float16, ml_dtypes.bfloat16, np.float32, np.float64)
LD = np.longdouble
MEMBERS = ("instance", "layer", "group", "batch", "rms")
LAYOUTS = ("plain", "channels last", "transposed", "every other", "reversed")


def backends():
    yield "plain", plain
    try:
        from instnorm.rows import numba
    except ImportError:
        return
    yield "compiled", numba
    yield "compiled, moments given", numba


BACKENDS = dict(backends())


def draw(rng):
    """One case: member, dtype, layout, x, dy, gamma, beta, eps, number of groups."""
    member = rng.choice(MEMBERS)
    dtype = DTYPES[rng.integers(len(DTYPES))]
    groups = int(rng.integers(1, 4))
    channels = groups * int(rng.integers(1, 5))
    spatial = [int(n) for n in rng.integers(1, [2, 40, 400][rng.integers(3)], rng.integers(1, 3))]
    shape = (int(rng.integers(1, 5)), channels, *spatial)
    if member == "instance" and np.prod(spatial) < 2:
        shape = (*shape[:2], 2, *spatial[1:])
    if np.prod(shape) // max(1, shape[0] * channels) < 2:
        shape = (*shape[:2], 3)
    x = rng.standard_normal(shape)
    kind = rng.integers(5)
    if kind == 1:
        x += 10.0 ** rng.uniform(-2, 5)
    elif kind == 2:
        x.reshape(-1)[rng.integers(x.size)] = 10.0 ** rng.uniform(1, 6)
    elif kind == 3:
        x[:, 0] = rng.standard_normal()
    elif kind == 4:
        x *= 10.0 ** rng.uniform(-2, 2, (shape[0], channels, *(1,) * len(shape[2:])))
    reach = {np.float16: 1, ml_dtypes.bfloat16: 25, np.float32: 25, np.float64: 140}[dtype]
    magnitude = 10.0 ** rng.uniform(-reach, reach) if rng.random() < 0.5 else 1.0
    x *= magnitude
    dy = rng.standard_normal(shape) * 10.0 ** rng.uniform(-reach / 2, reach / 2)
    dy += rng.choice([0.0, 100.0]) * np.abs(dy).max()
    eps = float(rng.choice([0.0, 1e-5, 0.1])) * (magnitude**2 if rng.random() < 0.5 else 1.0)
    gamma, beta = rng.standard_normal((2, channels))
    layout = rng.choice(LAYOUTS)
    most = float(ml_dtypes.finfo(dtype).max) / 2
    x, dy = (laid_out(a.clip(-most, most).astype(dtype), layout) for a in (x, dy))
    return member, groups, x, dy, gamma.astype(np.float32), beta.astype(np.float32), eps


def laid_out(a, layout):
    if layout == "channels last":
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)
    if layout == "transposed":
        return np.ascontiguousarray(a.swapaxes(-1, -2)).swapaxes(-1, -2)
    if layout == "every other":
        return np.repeat(a, 2, axis=-1)[..., ::2]
    return a[..., ::-1].copy()[..., ::-1] if layout == "reversed" else a


def sets(a, member, groups):
    """(N, C, *spatial) -> (A, G, K, L) long double."""
    n, c = a.shape[:2]
    a = a.astype(np.float64).astype(LD).reshape(n, c, -1)
    if member == "batch":
        return a.swapaxes(0, 1)[None]
    g = {"instance": c, "group": groups}.get(member, 1)
    return a.reshape(n, g, c // g, -1)


def lines(p, member, groups):
    g = {"instance": len(p), "batch": len(p), "group": groups}.get(member, 1)
    return p.astype(LD).reshape(g, -1)[:, :, None]


def mean(a):
    return a.mean((2, 3), keepdims=True)


def violations(backend, case, monkeypatch):
    """Names of the results that are farther from the exact ones than the bounds allow."""
    member, groups, x, dy, gamma, beta, eps = case
    monkeypatch.setattr(rows, "_kernels", lambda _: BACKENDS[backend])
    more = (groups,) if member == "group" else ()
    forward = getattr(instnorm, f"{member}_norm")
    backward = getattr(instnorm, f"{member}_norm_backward")
    affine = (gamma,) if member == "rms" else (gamma, beta)
    moments = np.empty((2, *sets(x, member, groups).shape[:2]))
    y = forward(x, *more, *affine, eps=eps, moments=moments)
    given = {"moments": moments, "out": np.empty_like(dy)} if "given" in backend else {}
    dx, dgamma, *dbeta = backward(dy, x, *more, gamma, eps=eps, **given)

    xs, ds, w = sets(x, member, groups), sets(dy, member, groups), lines(gamma, member, groups)
    t = xs if member == "rms" else xs - mean(xs)
    t = t if member == "rms" else t - mean(t)
    var = mean(t * t) + LD(eps)
    s = np.sqrt(var)
    rstd = np.where(s == 0, 0, 1 / np.where(s == 0, 1, s))
    xhat, g = t * rstd, w * ds
    bar = 0 if member == "rms" else mean(g)
    exact_dx = (g - bar - xhat * mean(g * xhat)) * rstd

    wide = x.dtype == np.float64
    u = LD(2.0) ** (-53 if wide else -24)
    size = xs.shape[2] * xs.shape[3]
    n = LD(size) if wide else size * LD(2.0) ** -29
    n += 0 if wide or backend == "plain" else min(size, 256)
    b = lines(beta, member, groups) if member != "rms" else LD(0)
    exact_y = xhat * w + b
    bound_y = (8 + n) * u * np.abs(w) * (np.abs(xhat) + 1) + 2 * u * (np.abs(exact_y) + np.abs(b))
    size_g = np.abs(g)
    bound_dx = (16 + n) * u * rstd * (
        size_g + mean(size_g) + (np.abs(xhat) + 1) * mean(size_g * (np.abs(xhat) + 1))
    )  # fmt: skip
    along = np.abs(ds) * (np.abs(xhat) + 1)
    found = []
    for name, ours, exact, bound in (("y", y, exact_y, bound_y), ("dx", dx, exact_dx, bound_dx)):
        if ours.dtype != x.dtype or ours.shape != x.shape:
            found.append(f"{name}: dtype or shape")
        info = ml_dtypes.finfo(x.dtype)
        bound = bound + float(info.eps) / 2 * np.abs(exact) + 2 * float(info.smallest_subnormal)
        inside = np.abs(exact) + bound < float(info.max)
        wrong = ~(np.abs(sets(ours, member, groups) - exact) <= bound) & inside
        if wrong.any():
            found.append(name)
    for name, ours, terms, absolute in (
        ("dgamma", dgamma, ds * xhat, along),
        ("dbeta", *(dbeta or [None]), ds, np.abs(ds)),
    ):
        if ours is not None:
            shape = (0, 3) if xs.shape[2] == w.shape[1] else (0, 2, 3)
            exact, bound = terms.sum(shape).ravel(), absolute.sum(shape).ravel()
            bound = (16 + n + (len(x) * size if wide else 0)) * u * bound + LD(1e-300)
            if not (np.abs(ours.astype(LD) - exact) <= bound).all():
                found.append(name)
    return found


def check(seeds, monkeypatch):
    failures = []
    for seed in seeds:
        case = draw(np.random.default_rng(seed))
        for backend in BACKENDS:
            found = violations(backend, case, monkeypatch)
            if found:
                member, _, x, *_, eps = case
                failures.append((seed, backend, member, str(x.dtype), x.shape, eps, found))
    assert not failures, f"{len(failures)} violations, the first: {failures[:5]}"


@pytest.mark.skipif(np.finfo(LD).nmant < 63, reason="there is no long double here")
def test_a_sample_of_the_fuzz(monkeypatch):
    check(range(40), monkeypatch)


@pytest.mark.proof
@pytest.mark.skipif(np.finfo(LD).nmant < 63, reason="there is no long double here")
def test_two_thousand_draws_keep_the_bounds(monkeypatch):
    assert "compiled" in BACKENDS, "needs Numba"
    check(range(2000), monkeypatch)
    print(f"2000 draws, {len(BACKENDS)} backends, 0 violations")

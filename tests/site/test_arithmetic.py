"""What the explorables compute, against the reference kernels and NumPy."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from instnorm import instance_norm

MODULE = Path(__file__).resolve().parents[2] / "book" / "explorables" / "strip-the-style.js"
CALL = f"""
import {{ readFileSync }} from "node:fs";
const module = await import({json.dumps(MODULE.as_uri())});
const [name, args] = JSON.parse(readFileSync(0, "utf8"));
const result = module[name](...args.map((a) => (a?.floats ? Float64Array.from(a.floats) : a)));
console.log(JSON.stringify(result instanceof Float64Array ? Array.from(result) : result));
"""


@pytest.fixture
def js(node):
    """Call a function of the module: arrays go in as Float64Array, and come back as arrays."""

    def call(name, *args):
        packed = [{"floats": a.tolist()} if isinstance(a, np.ndarray) else a for a in args]
        run = subprocess.run(
            [node, "--input-type=module", "--eval", CALL],
            input=json.dumps([name, packed]),
            capture_output=True,
            text=True,
            check=True,
        )
        return np.array(json.loads(run.stdout))

    return call


def planes():
    rng = np.random.default_rng(7)
    noise = rng.normal(size=1000)
    return {
        "normal": noise,
        "photograph": rng.random(4096) ** 3,
        "negative": -5 + 0.1 * noise,
        "offset 1e4": 1e4 + noise,
        "offset 1e8": 1e8 + noise,
        "faint": 1e-3 * noise,
        "fainter than eps": 1e-6 * noise,
        "constant": np.full(64, 0.3),
        "constant 1e10": np.full(64, 1e10),
        "two values": np.array([0.0, 1.0]),
        "outlier first": np.r_[1e6, noise],
    }


@pytest.mark.parametrize("name", planes())
def test_instance_norm_is_the_kernels(js, name):
    x = planes()[name]
    expected = instance_norm(x[None, None])[0, 0]
    np.testing.assert_allclose(js("instanceNorm", x), expected, rtol=1e-9, atol=1e-11)


def test_instance_norm_takes_eps(js):
    x = planes()["faint"]
    expected = instance_norm(x[None, None], eps=1e-2)[0, 0]
    np.testing.assert_allclose(js("instanceNorm", x, 1e-2), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("gain", [0.2, 1, 2])
@pytest.mark.parametrize("offset", [-0.5, 0, 0.5])
@pytest.mark.parametrize("gamma", [0.2, 1, 3])
def test_restyle(js, rng, gain, offset, gamma):
    x = np.r_[0, rng.random(50), 1]
    y = js("restyle", x, {"gain": gain, "offset": offset, "gamma": gamma})
    np.testing.assert_allclose(y, gain * x**gamma + offset, rtol=1e-12, atol=1e-15)


def test_histogram_counts_like_numpy(js, rng):
    x = rng.normal(size=5000)
    low, high = -2, 2
    counts = js("histogram", x, 40, [low, high])
    # NumPy drops what is beyond the range; here the end bins take it.
    inside = np.clip(x, low, np.nextafter(high, low))
    np.testing.assert_array_equal(counts, np.histogram(inside, bins=40, range=(low, high))[0])
    assert counts.sum() == x.size
    assert counts[0] > (x < low).sum() > 0
    assert counts[-1] > (x > high).sum() > 0


def test_rms(js, rng):
    x, y = rng.normal(size=(2, 300))
    np.testing.assert_allclose(js("rms", x, y), np.sqrt(np.mean((x - y) ** 2)), rtol=1e-12)
    assert js("rms", x, x) == 0

"""What "Depth by layer" computes, against the reference and NumPy."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from instnorm.depth import MODES, deep_stats

MODULE = Path(__file__).parents[2] / "book" / "explorables" / "depth-by-layer.js"
CALL = f"""
import {{ readFileSync }} from "node:fs";
const module = await import({json.dumps(MODULE.resolve().as_uri())});
const [name, args] = JSON.parse(readFileSync(0, "utf8"));
const plain = (v) => (v instanceof Float64Array ? Array.from(v) : v);
const result = module[name](...args.map((a) => (a?.floats ? Float64Array.from(a.floats) : a)));
console.log(JSON.stringify(Array.isArray(result) ? result.map(plain) : plain(result)));
"""


@pytest.fixture
def js(node):
    def call(name, *args):
        packed = [{"floats": a.ravel().tolist()} if isinstance(a, np.ndarray) else a for a in args]
        run = subprocess.run(
            [node, "--input-type=module", "--eval", CALL],
            input=json.dumps([name, packed]),
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(run.stdout)

    return call


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("gain", [0.5, 2])
@pytest.mark.parametrize("eps", [1e-5, 0.3])
def test_layers_are_the_references(js, rng, mode, gain, eps):
    x = 3 + 2 * rng.normal(size=(5, 17))
    weights = rng.normal(size=(4, 5, 5))
    ours = np.array(js("layers", x, weights, 5, gain, mode, eps)).reshape(4, 5, 17)
    means, stds, a = deep_stats(x, gain * weights, np.zeros((4, 5)), mode, eps)
    np.testing.assert_allclose(ours[-1], a, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(ours.mean((1, 2)), means, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(ours.std((1, 2)), stds, rtol=1e-9, atol=1e-9)


def test_moments_of_a_part(js, rng):
    x = 1e6 + rng.normal(size=50)
    got = js("moments", x, 10, 40)
    assert got["mean"] == pytest.approx(x[10:40].mean(), rel=1e-12)
    assert got["std"] == pytest.approx(x[10:40].std(), rel=1e-8)


def test_draws_are_normal_and_depend_on_the_seed_alone(js):
    one, again, two = (np.array(js("normals", seed, 20_000)) for seed in (1, 1, 2))
    assert (one == again).all()
    assert (one != two).any()
    assert abs(one.mean()) < 0.03
    assert one.std() == pytest.approx(1, abs=0.03)
    assert np.mean(np.abs(one) < 1) == pytest.approx(0.6827, abs=0.015)
    assert np.corrcoef(one[1:], one[:-1])[0, 1] == pytest.approx(0, abs=0.03)


def test_histogram_counts_like_numpy(js, rng):
    x = rng.normal(size=3000)
    inside = np.clip(x, -2, np.nextafter(2, -2))
    expected = np.histogram(inside, bins=40, range=(-2, 2))[0]
    np.testing.assert_array_equal(js("histogram", x, 40, [-2, 2]), expected)

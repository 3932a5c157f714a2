"""What "Epsilon" computes, against the reference kernel and NumPy."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from instnorm import instance_norm

MODULE = Path(__file__).parents[2] / "book" / "explorables" / "epsilon.js"
CALL = f"""
import {{ readFileSync }} from "node:fs";
const module = await import({json.dumps(MODULE.resolve().as_uri())});
const [name, args] = JSON.parse(readFileSync(0, "utf8"));
const result = module[name](...args.map((a) => (Array.isArray(a) ? Float64Array.from(a) : a)));
console.log(JSON.stringify(result instanceof Float64Array ? Array.from(result) : result));
"""


@pytest.fixture
def js(node):
    def call(name, *args):
        packed = [a.tolist() if isinstance(a, np.ndarray) else a for a in args]
        run = subprocess.run(
            [node, "--input-type=module", "--eval", CALL],
            input=json.dumps([name, packed]),
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(run.stdout)

    return call


@pytest.mark.parametrize("c", [1e-4, 0.02, 1.0])
@pytest.mark.parametrize("eps", [0, 1e-10, 1e-5, 1.0])
def test_amplitude_and_gain_are_the_kernels(js, rng, c, eps):
    pattern = instance_norm(rng.normal(size=(1, 1, 500)), eps=0)
    out = instance_norm(c * pattern, eps=eps).std()
    assert js("amplitude", c, eps) == pytest.approx(out, rel=1e-9)
    assert js("gain", c, eps) == pytest.approx(out / c, rel=1e-9)


@pytest.mark.parametrize("offset", [0, 0.5, 1e6])
@pytest.mark.parametrize("eps", [0, 1e-5, 0.3])
def test_instance_norm_is_the_kernels(js, rng, offset, eps):
    x = offset + 1e-2 * rng.normal(size=400)
    expected = instance_norm(x[None, None], eps=eps)[0, 0]
    np.testing.assert_allclose(js("instanceNorm", x, eps), expected, rtol=1e-9, atol=1e-9)


def test_constant_plane_gives_zero_without_eps(js):
    assert js("instanceNorm", np.full(9, 0.3), 0) == [0] * 9


def test_expose_sets_the_contrast_and_counts_levels(js, rng):
    pattern = instance_norm(rng.normal(size=(1, 1, 800)), eps=0)[0, 0]
    x = np.array(js("expose", pattern, 0.1, False))
    np.testing.assert_allclose(x, 0.5 + 0.1 * pattern, rtol=1e-12)
    saved = np.array(js("expose", pattern, 0.3, True))
    np.testing.assert_allclose(saved * 255, np.round(saved * 255), atol=1e-9)
    np.testing.assert_allclose(saved, np.clip(0.5 + 0.3 * pattern, 0, 1), atol=0.5 / 255 + 1e-12)

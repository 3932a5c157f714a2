"""The arithmetic of the explorable "Contrast response", run by Node, against the kernels."""

import json
import math
import subprocess
from pathlib import Path

import numpy as np
import pytest

from instnorm.contrast import contrast_response
from instnorm.divisive import divisive_norm, naka_rushton

MODULE = Path(__file__).resolve().parents[2] / "book" / "explorables" / "contrast-response.js"
CONTRASTS = np.logspace(-3, 0, 13)


@pytest.fixture(scope="session")
def js(node):
    """Call an exported function of the module: `js("neuron", 0.1, {...})`."""

    def call(name, *arguments):
        code = (
            f"import * as module from {json.dumps(MODULE.as_uri())};"
            "import { readFileSync } from 'node:fs';"
            "const [name, parameters] = JSON.parse(readFileSync(0, 'utf8'));"
            "const result = parameters.map((each) => {"
            "  const value = module[name](...each);"
            "  return typeof value === 'number' ? value : [...value];"
            "});"
            "console.log(JSON.stringify(result));"
        )
        run = subprocess.run(
            [node, "--input-type=module", "--eval", code],
            input=json.dumps([name, arguments]),
            capture_output=True,
            text=True,
            check=True,
        )
        return np.array(json.loads(run.stdout))

    return call


@pytest.mark.parametrize("mask", [0.0, 0.02, 0.7])
@pytest.mark.parametrize(("sigma", "exponent"), [(0.15, 2.0), (0.01, 1.3), (0.5, 4.0)])
def test_neuron_is_heegers_with_the_mask_in_its_pool(js, mask, sigma, exponent):
    setting = {"mask": mask, "sigma": sigma, "exponent": exponent}
    pool = np.stack([CONTRASTS, np.full_like(CONTRASTS, mask)], axis=1)
    expected = divisive_norm(pool, sigma=sigma, n=exponent)[:, 0]
    responses = js("neuron", *([c, setting] for c in CONTRASTS))
    np.testing.assert_allclose(responses, expected, rtol=1e-10)
    half, _ = js("halves", [setting])[0]
    np.testing.assert_allclose(naka_rushton(CONTRASTS, c50=half, n=exponent), expected, rtol=1e-10)


@pytest.mark.parametrize("mask", [0.0, 0.02, 0.7])
def test_norm_is_the_response_of_instance_norm_to_the_stimulus_on_the_screen(js, mask):
    side = 96
    grating, across = js("stimulus", [1, 0, side], [0, 1, side])
    np.testing.assert_allclose([grating.mean(), grating.var()], [0, 1], atol=1e-12)
    np.testing.assert_allclose([across.mean(), across.var()], [0, 1], atol=1e-12)
    assert abs(grating @ across) < 1e-9
    expected, (_, c50, _) = contrast_response(grating, mask * across, CONTRASTS)
    responses = js("norm", *([c, {"mask": mask}] for c in CONTRASTS))
    np.testing.assert_allclose(responses, expected, rtol=1e-9)
    _, half = js("halves", [{"mask": mask, "sigma": 0.1, "exponent": 2}])[0]
    assert math.isclose(half, c50, rel_tol=1e-9)


def test_the_screen_shows_the_sum_of_both_gratings(js):
    one, two, both = js("stimulus", [0.3, 0, 32], [0, 0.8, 32], [0.3, 0.8, 32])
    np.testing.assert_allclose(both, one + two, atol=1e-14)
    picture = one.reshape(32, 32)
    assert (picture == picture[:1]).all()  # upright: every row is the same
    assert picture[0].std() > 0.1

"""What "Style mixer" computes in JavaScript, against NumPy and the network's own rules."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from instnorm.style import conditional_instance_norm
from instnorm_lab import multistyle

EXPLORABLES = Path(__file__).resolve().parents[2] / "book" / "explorables"


@pytest.fixture
def js(js):
    return js("style-mixer")


@pytest.mark.parametrize("t", [0, 0.25, 1])
def test_a_mix_blends_the_rows_of_the_tables(js, t):
    weights = np.array(js("mix", 7, 19, t, multistyle.STYLES), dtype=float)
    gamma, beta = multistyle.layers()["res.2.1"]
    x = np.random.default_rng(1).standard_normal((1, 32, 3, 4))
    blended = conditional_instance_norm(x, gamma, beta, weights[None])
    rows = [(1 - t) * table[7] + t * table[19] for table in (gamma, beta)]
    by_hand = conditional_instance_norm(x, *(row[None] for row in rows), np.array([0]))
    np.testing.assert_allclose(blended, by_hand, atol=1e-6)


def test_a_style_mixed_with_itself_is_itself(js):
    np.testing.assert_allclose(js("mix", 4, 4, 0.3, 26), multistyle.weights(4), atol=1e-7)


@pytest.mark.parametrize(
    ("size", "fitted"),
    [
        ((256, 256), (256, 256)),
        ((4000, 3000), (256, 192)),
        ((3000, 4000), (192, 256)),
        ((101, 75), (100, 76)),
        ((1000, 10), (256, 32)),
        ((8, 8), (32, 32)),
    ],
)
def test_pictures_are_made_to_fit_the_network(js, size, fitted):
    assert tuple(js("fit", *size)) == fitted


def test_pixels_become_planes_and_come_back(js):
    rgba = np.random.default_rng(2).integers(0, 256, (5, 4))
    rgba[:, 3] = 255
    planes = np.array(js("toPlanes", rgba))
    np.testing.assert_allclose(planes.reshape(3, 5), rgba[:, :3].T / 255, atol=1e-7)
    np.testing.assert_array_equal(np.reshape(js("toPixels", planes), (5, 4)), rgba)


def test_what_is_no_colour_is_clipped(js):
    assert js("toPixels", [-0.5, 0.5, 1.5]) == [0, 128, 255, 255]


def test_fading_and_paling(js):
    x, y = np.random.default_rng(3).random((2, 12))
    np.testing.assert_allclose(js("fade", x, y, 0.25), 0.75 * x + 0.25 * y, atol=1e-6)
    np.testing.assert_allclose(js("pale", x, 0.2), 0.2 * x + 0.4, atol=1e-6)


def test_the_vendored_runtime_is_the_one_that_its_notice_names():
    folder = EXPLORABLES / "onnxruntime"
    named = dict(
        reversed(line.split())
        for line in re.findall(r"^[0-9a-f]{64}  .*$", (folder / "NOTICE.txt").read_text(), re.M)
    )
    there = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("ort*")
    }
    assert there == named
    assert len(there) == 3

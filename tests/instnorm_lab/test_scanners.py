"""The scan of a head, and the networks that are trained on one scanner and tried on another."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scanners
import torch
from numpy.testing import assert_allclose, assert_array_equal

from instnorm.torch import BatchNorm2d, InstanceNorm2d
from instnorm_lab import scans

STORED = Path(__file__).parents[2] / "book/data/scanners.npz"


# --- The scan -------------------------------------------------------------------------------------


def test_tissues_are_where_they_are_and_as_bright_as_they_are():
    t1, tissue = scans.slices([60, 90])
    assert t1.shape == tissue.shape == (2, 233, 197)
    assert 0 <= t1.min() < t1.max() <= 1
    for plane, kind in zip(t1, tissue, strict=True):
        outside, fluid, grey, white = (plane[kind == k].mean() for k in range(4))
        assert outside < 0.01 < fluid < grey < white
        # The template is symmetric.
        assert np.mean((kind > 0) == (kind[:, ::-1] > 0)) > 0.97


def test_reducing_averages():
    fine, coarse = scans.slices([80]), scans.slices([80], reduce=2)
    assert coarse.t1.shape == (1, 116, 98)
    assert_allclose(coarse.t1[0, 30, 40], fine.t1[0, 60:62, 80:82].mean())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: scans.slices([80, 189]), r"heights must lie between 0 and 188; got \[80, 189\]"),
        (lambda: scans.slices([-1]), "heights must lie between"),
        (lambda: scans.slices([80], reduce=0), "reduce must be 1 or more voxels a side; got 0"),
    ],
)
def test_bad_requests_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


# --- The experiment -------------------------------------------------------------------------------


def test_the_second_scanner_shows_the_same_scan():
    t1 = scans.slices([70], reduce=2).t1
    first, second = (
        scanners.scanned(t1, np.random.default_rng(3), **scanner)
        for scanner in ({}, {"gain": 3.0, "offset": -1.0})
    )
    assert_allclose(second, 3 * first - 1)


def test_statistics_of_the_brain_ignore_the_air():
    x, brain = np.random.default_rng(0).random((2, 6, 5)), np.ones((2, 6, 5), bool)
    brain[:, :2] = False
    changed = np.where(brain, x, 9.0)
    ours, others = (
        scanners.shown(a, brain, "standardised in the brain")[brain] for a in (x, changed)
    )
    assert_allclose(ours, others)
    assert_allclose(ours.reshape(2, -1).std(axis=1), 1)
    everywhere = scanners.shown(x, brain, "standardised")
    assert_allclose(everywhere.mean(axis=(1, 2)), 0, atol=1e-12)
    assert_array_equal(scanners.shown(x, brain, "as it is"), x)


def test_dice_of_a_known_overlap():
    tissue = np.array([[2, 2, 3, 3]])
    assert scanners.dice(tissue, tissue) == 1
    # Grey: 1 shared of 2 and 1; white: 2 shared of 2 and 3.
    assert_allclose(scanners.dice(np.array([[2, 3, 3, 3]]), tissue), (2 / 3 + 4 / 5) / 2)


def test_a_short_training_learns_and_is_written(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(scanners, "NETWORKS", {"IN": scanners.NETWORKS["IN"]})
    path = tmp_path / "few.npz"
    scanners.main([str(path), "--seeds", "4", "--steps", "8"])
    arrays = np.load(path, allow_pickle=False)
    about = json.loads(str(arrays["about"]))
    assert "--seeds 4 --steps 8" in about["command"]
    (few,) = about["scores"]["IN"]
    assert few["same"] > 0.3
    assert arrays["IN/0.weight"].shape == (scanners.CHANNELS, 1, 3, 3)


@pytest.fixture(scope="module")
def tests():
    return scanners.trials(scans.slices(scanners.HELD_OUT, reduce=2))


@pytest.mark.parametrize("name", ["BN", "IN", "z-score, masked"])
def test_stored_networks_score_what_the_file_says(name, tests):
    """With our layers in place of torch's."""
    stored = np.load(STORED, allow_pickle=False)
    ours = {"instance": InstanceNorm2d, "batch": BatchNorm2d}
    model = scanners.network(scanners.NETWORKS[name][1], layers=ours)
    model.load_state_dict({k: torch.tensor(stored[f"{name}/{k}"]) for k in model.state_dict()})
    expected = json.loads(str(stored["about"]))["scores"][name][0]
    found = scanners.scores(model.eval(), name, tests)
    assert found == pytest.approx(expected, abs=0.002)


def test_what_the_page_says_holds_for_every_seed():
    scores = json.loads(str(np.load(STORED)["about"]))["scores"]
    assert list(scores) == list(scanners.NETWORKS)
    for name, runs in scores.items():
        assert len(runs) == 3
        measures = name not in ("none", "BN")
        for run in runs:
            assert (abs(run["other"] - run["same"]) < 0.002) == measures
            assert (run["crop"] < 0.5) == (measures and name != "z-score, masked")


def test_the_training_knows_nothing_of_the_kernels():
    code = (
        "import sys; import scanners;"
        "scanners.network(['instance'] * 3); print('instnorm' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=STORED.parent, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "False"

"""The small GAN of the book: how it is measured, and that the stored results are the script's."""

import json
from functools import partial
from pathlib import Path

import gan
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.linalg import sqrtm

from instnorm.torch import BatchNorm2d, InstanceNorm2d

DATA = Path(__file__).parents[2] / "book/data"


@pytest.fixture(scope="module")
def digits():
    return gan.digits()


@pytest.fixture(scope="module")
def critic(digits):
    return gan.Critic(digits[0][:1200], digits[1][:1200])


@pytest.fixture(scope="module")
def stored():
    return json.loads((DATA / "gan.json").read_text())


def trained(norm, real, *stops, batch=8, seed=1):
    """Copies of the weights after each of the stops."""
    steps = gan.train(norm, batch=batch, seed=seed, stops=stops, real=real)
    return [{k: v.clone() for k, v in make.state_dict().items()} for make in steps]


# --- The training and its measures ----------------------------------------------------------------


@pytest.mark.parametrize("norm", gan.NORMS)
def test_training_goes_towards_digits_and_is_repeatable(norm, digits, critic):
    real, held_out = digits[0][:1200], digits[0][1200:]
    (before, early, after), (again,) = trained(norm, real, 1, 20, 80), trained(norm, real, 20)
    for name, value in after.items():
        assert torch.isfinite(value).all()
        assert torch.equal(early[name], again[name])
    distances = []
    for weights in (before, after):
        make = gan.generator(norm)
        make.load_state_dict(weights)
        distances.append(critic.distance(gan.draw(make, batch=8, training=True), held_out))
    assert distances[1] < 0.75 * distances[0]


def test_training_fills_the_running_moments_and_drawing_leaves_them(digits):
    (weights,) = trained("batch", digits[0], 20)
    assert weights["2.num_batches_tracked"] == 20  # once a step
    assert (weights["2.running_var"] - 1).abs().min() > 1e-3
    make = gan.generator("batch")
    make.load_state_dict(weights)
    gan.draw(make, batch=8, training=True, count=16)
    gan.leak(make, batch=8, training=True, pictures=2, neighbours=2)
    for name, value in make.state_dict().items():
        assert torch.equal(value, weights[name])


@pytest.mark.parametrize("layers", [None, {"batch": BatchNorm2d, "instance": InstanceNorm2d}])
def test_only_batch_norm_in_training_leaks(layers):
    torch.manual_seed(4)
    few = {"pictures": 5, "neighbours": 5}
    leak = {
        (norm, training): gan.leak(gan.generator(norm, layers), batch=4, training=training, **few)
        for norm in gan.NORMS
        for training in (True, False)
    }
    assert leak.pop(("batch", True)) > 0.01
    assert max(leak.values()) < 1e-6
    assert gan.leak(gan.generator("batch", layers), batch=1, training=True, **few) == 0


def test_leak_is_the_deviation_over_the_neighbours():
    class Sum(torch.nn.Module):
        """Draws one pixel: the mean of all wishes' first numbers."""

        def forward(self, z):
            return z[:, :1].mean().expand(len(z), 1)

    leak = gan.leak(Sum(), batch=5, training=True, pictures=40, neighbours=40)
    assert_allclose(leak, np.sqrt(4) / 5, rtol=0.1)  # four neighbours, each counting a fifth


def test_distance_is_frechets(digits, critic):
    one, two = digits[0][:300], 0.8 * digits[0][300:900]
    a, b = critic.features(one), critic.features(two)
    covariances = np.cov(a.T), np.cov(b.T)
    # Regularised: some features are constant, and a matrix root would stumble over them.
    root = sqrtm(covariances[0] @ covariances[1] + 1e-12 * np.eye(64)).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(sum(covariances) - 2 * root)
    assert_allclose(critic.distance(one, two), expected, rtol=1e-4)
    assert abs(critic.distance(one, one)) < 1e-3


# --- The stored results ---------------------------------------------------------------------------


def schema(value):
    """The kind of a JSON value: keys of a dict, kinds that occur in a list, name of a type."""
    if isinstance(value, dict):
        return {name: schema(each) for name, each in value.items()}
    if isinstance(value, list):
        return sorted({json.dumps(schema(each)) for each in value})
    return type(value).__name__


def test_the_stored_file_is_what_the_script_writes(tmp_path, stored, monkeypatch, capsys):
    monkeypatch.setattr(gan, "SAMPLES", 128)
    monkeypatch.setattr(gan, "leak", partial(gan.leak, pictures=3, neighbours=3))
    path = tmp_path / "few.json"
    gan.main([str(path), "--stops", "1", "2", "--seeds", "7", "8", "--batches", "4"])
    few = json.loads(path.read_text())
    assert schema(few) == schema(stored)
    assert few["made with"]["command"].endswith(" --stops 1 2 --seeds 7 8 --batches 4")
    assert [(run["norm"], run["seed"]) for run in few["runs"]] == [
        (norm, seed) for norm in gan.NORMS for seed in (7, 8)
    ]
    # The real digits and the noise do not depend on the runs, nor does the classifier.
    for name in ("real", "classifier"):
        assert few[name] == pytest.approx(stored[name], rel=0.02)
    with np.load(path.with_suffix(".npz")) as few, np.load(DATA / "gan.npz") as kept:
        assert {k: (few[k].shape, few[k].dtype) for k in few} == {
            k: (kept[k].shape, kept[k].dtype) for k in kept
        }


def test_every_promised_run_is_stored(stored):
    runs = [(run["batch"], run["norm"], run["seed"]) for run in stored["runs"]]
    assert runs == [(b, norm, s) for b in (64, 4) for norm in gan.NORMS for s in stored["seeds"]]
    for run in stored["runs"]:
        assert len(run["distances"]) == len(stored["stops"])
        assert run["distances"][-1] == run["training"]["distance"]
        assert ("evaluation" in run) == (run["norm"] == "batch")
        assert sum(run["training"]["counts"]) == gan.SAMPLES
        assert (run["training"]["leak"] > 0.01) == (run["norm"] == "batch")


def test_the_stored_generator_scores_what_the_file_says(stored, digits, critic):
    """With our layers in place of torch's."""
    make = gan.stored(DATA / "gan.npz", {"batch": BatchNorm2d})
    (run,) = (r for r in stored["runs"] if (r["norm"], r["batch"], r["seed"]) == ("batch", 4, 0))
    for mode in ("training", "evaluation"):
        drawn = gan.draw(make, batch=4, training=mode == "training")
        assert critic.distance(drawn, digits[0][1200:]) == pytest.approx(
            run[mode]["distance"], rel=0.02
        )
    pictures = np.abs(np.array(gan.grey(drawn[:24])) - run["evaluation"]["pictures"])
    assert pictures.max() <= 1  # shades of grey


def test_what_the_page_says_of_the_results(stored):
    for batch in (64, 4):
        ends = {
            norm: [
                run["training"]["distance"]
                for run in stored["runs"]
                if (run["norm"], run["batch"]) == (norm, batch)
            ]
            for norm in gan.NORMS
        }
        means = {norm: np.mean(values) for norm, values in ends.items()}
        assert means["batch"] < means["instance"] < means["none"]
        # The ranges overlap, each with each.
        assert max(map(min, ends.values())) < min(map(max, ends.values()))

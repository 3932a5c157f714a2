"""The small diffusion models of the book: how they are trained, and what was stored of them."""

import json
from pathlib import Path

import diffusion
import numpy as np
import pytest
import torch

DATA = Path(__file__).parents[2] / "book/data"


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Threads of PyTorch burn time while they wait for work, and there is little of it here."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def digits():
    pictures, labels = diffusion.digits()
    return torch.from_numpy(pictures), torch.from_numpy(labels).long()


@pytest.mark.parametrize("kind", [*diffusion.CONVOLUTIONAL, *diffusion.TRANSFORMERS])
def test_training_lowers_the_loss_and_is_repeatable(kind, digits):
    about = {"seed": 3, "real": digits[0], "labels": digits[1], "batch": 8, "every": 5}
    (_, losses), (_, again) = (diffusion.train(kind, steps=10, **about) for _ in range(2))
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
    assert (losses == again).all()


def test_a_transformer_that_begins_at_zero_hands_its_tokens_on():
    torch.manual_seed(0)
    network = diffusion.Transformer("zero")
    h, told = torch.randn(2, 16, diffusion.WIDTH), torch.randn(2, diffusion.WIDTH)
    for block in network.blocks:
        assert torch.equal(block(h, told), h)
    assert not torch.equal(diffusion.Transformer("ordinary").blocks[0](h, told), h)


def test_in_front_of_an_instance_norm_nothing_arrives():
    x, told = torch.randn(2, diffusion.WIDTH, 8, 8), torch.randn(2, diffusion.WIDTH)
    layer = diffusion.Added(diffusion.WIDTH)
    torch.testing.assert_close(layer(x, told), layer(x, 0 * told), atol=1e-5, rtol=0)
    assert (diffusion.Added()(x, told) - diffusion.Added()(x, 0 * told)).abs().max() > 0.1


def test_noise_has_the_share_that_the_schedule_says():
    pictures, level = torch.ones(4000, 1, 8, 8), torch.full((4000,), 60)
    noisy = diffusion.noisy(pictures, level, torch.randn(4000, 1, 8, 8))
    left = diffusion.SIGNAL[60]
    torch.testing.assert_close(noisy.mean(), left.sqrt(), atol=0.01, rtol=0)
    torch.testing.assert_close(noisy.var(), 1 - left, atol=0.01, rtol=0)


def test_the_stored_results_are_of_all_kinds_and_the_stored_network_draws():
    result = json.loads((DATA / "diffusion.json").read_text())
    kinds = {(run["kind"], run["seed"]) for run in result["runs"]}
    assert kinds == {
        (kind, seed)
        for kind in (*diffusion.CONVOLUTIONAL, *diffusion.TRANSFORMERS)
        for seed in result["seeds"]
    }
    network = diffusion.stored(DATA / "diffusion.npz")
    pictures, on_the_way = diffusion.draw(network, torch.arange(10), keep=(50,))
    assert pictures.abs().max() <= 1
    assert set(on_the_way) == {50}
    # Other digits, from the same noise, are other pictures.
    assert len({tuple((p > 0).ravel().tolist()) for p in pictures}) > 7

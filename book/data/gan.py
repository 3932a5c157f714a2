"""A small GAN on real digits, with instance norm, batch norm or neither in its generator.

    python book/data/gan.py book/data/gan.json

trains one generator for each norm, batch size and seed (a quarter of an hour on one core) and
writes what came of them: a Fréchet distance to held-out digits, how many of each digit were drawn,
how far a picture moves when its neighbours in the batch are exchanged, and some pictures. The
weights of one generator, with batch norm and small batches, go into a file `gan.npz` beside it, so
that a page can use them.

The Fréchet distance is that of Heusel et al. 2017 (arXiv:1706.08500), between Gaussians fitted to
the hidden layer of a digit classifier instead of Inception's.
"""

import argparse
import json
import platform
from pathlib import Path

import numpy as np
import sklearn
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from torch import nn

NORMS = ("none", "batch", "instance")
LATENT = 16
SAMPLES = 1000
#: Norm and batch size of the generator whose weights are kept, from the first seed.
KEPT = ("batch", 4)


def digits():
    """Real digits in [-1, 1], (1797, 1, 8, 8) float32, and their labels, in a fixed order."""
    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    return (pixels[order] / 8 - 1).astype("float32").reshape(-1, 1, 8, 8), labels[order]


def generator(norm, layers=None):
    """From a latent vector to an 8 by 8 picture, with two layers to normalise.

    `layers` are the classes to use for "instance" and "batch".
    """
    layers = layers or {"instance": nn.InstanceNorm2d, "batch": nn.BatchNorm2d}

    def layer(channels):
        return nn.Identity() if norm == "none" else layers[norm](channels, affine=True)

    return nn.Sequential(
        nn.Linear(LATENT, 64 * 16),
        nn.Unflatten(1, (64, 4, 4)),
        layer(64),
        nn.ReLU(),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(64, 32, 3, padding=1),
        layer(32),
        nn.ReLU(),
        nn.Conv2d(32, 1, 3, padding=1),
        nn.Tanh(),
    )


def discriminator():
    """Without any norm, so that the generator's is all that differs."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(32, 64, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(64 * 16, 1),
    )


def train(norm, *, batch, seed, stops, real):
    """Train a generator against a discriminator; yield it after each of `stops` steps."""
    torch.manual_seed(seed)
    make, judge = generator(norm), discriminator()
    hand = torch.optim.Adam(make.parameters(), 5e-4, betas=(0.5, 0.99))
    eye = torch.optim.Adam(judge.parameters(), 5e-4, betas=(0.5, 0.99))
    real = torch.from_numpy(real)
    for step in range(1, max(stops) + 1):
        make.train()
        shown = real[torch.randint(len(real), (batch,))]
        made = make(torch.randn(batch, LATENT))
        doubt = F.softplus(-judge(shown)).mean() + F.softplus(judge(made.detach())).mean()
        eye.zero_grad()
        doubt.backward()
        eye.step()
        hand.zero_grad()
        F.softplus(-judge(made)).mean().backward()
        hand.step()
        if step in stops:
            yield make


@torch.no_grad()
def draw(make, *, batch, training, seed=1, count=SAMPLES):
    """`count` pictures, made in batches of `batch`, with batch statistics or running ones."""
    twister = torch.Generator().manual_seed(seed)
    make.train(training)
    # Statistics of the batch without a trace in the running ones.
    kept = {name: value.clone() for name, value in make.state_dict().items()}
    z = torch.randn(count, LATENT, generator=twister)
    pictures = torch.cat([make(part) for part in z.split(batch)])
    make.load_state_dict(kept)
    return pictures.numpy()


@torch.no_grad()
def leak(make, *, batch, training, pictures=50, neighbours=20):
    """Root mean square change of a picture when only the rest of its batch is exchanged."""
    twister = torch.Generator().manual_seed(2)
    make.train(training)
    kept = {name: value.clone() for name, value in make.state_dict().items()}
    spread = []
    for _ in range(pictures):
        z = torch.randn(1, LATENT, generator=twister)
        same = torch.cat(
            [
                make(torch.cat([z, torch.randn(batch - 1, LATENT, generator=twister)]))[:1]
                for _ in range(neighbours)
            ]
        )
        spread.append(same.var(0, correction=0).mean())
        make.load_state_dict(kept)
    return float(torch.stack(spread).mean().sqrt())


class Critic:
    """Judges pictures by a classifier of real digits, which no generator gets to see."""

    def __init__(self, real, labels):
        self.classifier = MLPClassifier((64,), max_iter=500, random_state=0)
        self.classifier.fit(real.reshape(len(real), -1), labels)

    def features(self, pictures):
        weights, offset = self.classifier.coefs_[0], self.classifier.intercepts_[0]
        return np.maximum(pictures.reshape(len(pictures), -1) @ weights + offset, 0)

    def distance(self, pictures, others):
        """Fréchet distance of two sets of pictures: 0 for sets with equal mean and covariance."""
        one, two = self.features(pictures), self.features(others)
        covariances = np.cov(one.T), np.cov(two.T)
        # The eigenvalues of a product of covariances are real and not negative, up to rounding.
        roots = np.sqrt(np.linalg.eigvals(covariances[0] @ covariances[1]).real.clip(0))
        gap = one.mean(0) - two.mean(0)
        return float(gap @ gap + sum(map(np.trace, covariances)) - 2 * roots.sum())

    def counts(self, pictures):
        """How many of the pictures are taken for each digit."""
        labels = self.classifier.predict(pictures.reshape(len(pictures), -1))
        return np.bincount(labels, minlength=10).tolist()


def run(norm, *, batch, seed, stops, pictures, critic, real, held_out):
    """Train one generator and measure it, on the way and at the end: JSON values, and itself."""
    result = {"norm": norm, "batch": batch, "seed": seed, "distances": []}
    for make in train(norm, batch=batch, seed=seed, stops=stops, real=real):
        drawn = draw(make, batch=batch, training=True)
        result["distances"].append(round(critic.distance(drawn, held_out), 3))
    for mode in ("training", "evaluation") if norm == "batch" else ("training",):
        how = {"batch": batch, "training": mode == "training"}
        drawn = draw(make, **how)
        result[mode] = {
            "distance": round(critic.distance(drawn, held_out), 3),
            "counts": critic.counts(drawn),
            "leak": round(leak(make, **how), 6),
            "pictures": grey(drawn[:pictures]),
        }
    return result, make


def experiment(*, stops, seeds, batches, pictures=24):
    """All runs, with what real digits and noise would score: JSON values, and the kept weights."""
    torch.set_num_threads(1)
    data, labels = digits()
    real, held_out = data[:1200], data[1200:]
    critic = Critic(real, labels[:1200])
    noise = np.random.default_rng(3).choice(held_out.ravel(), (SAMPLES, 1, 8, 8))
    runs, weights = [], {}
    for batch in batches:
        for norm in NORMS:
            for seed in seeds:
                kept = pictures if seed == seeds[0] else 0
                about = {"batch": batch, "seed": seed, "stops": stops, "pictures": kept}
                result, make = run(norm, **about, critic=critic, real=real, held_out=held_out)
                runs.append(result)
                if (norm, batch) == KEPT and seed == seeds[0]:
                    weights = {name: half(value) for name, value in make.state_dict().items()}
                print(norm, batch, seed, result["distances"], flush=True)
    right = critic.classifier.score(held_out.reshape(len(held_out), -1), labels[1200:])
    return {
        "real": round(critic.distance(real[: len(held_out)], held_out), 3),
        "noise": round(critic.distance(noise, held_out), 3),
        "classifier": round(right, 4),
        "stops": list(stops),
        "seeds": list(seeds),
        "runs": runs,
    }, weights


def half(tensor):
    """A float16 array, or one of whole numbers as they are."""
    return (tensor.half() if tensor.is_floating_point() else tensor).numpy()


def stored(path, layers=None):
    """The generator whose weights were kept in the file `path`. `layers` as in `generator`."""
    make = generator(KEPT[0], layers)
    with np.load(path, allow_pickle=False) as arrays:
        make.load_state_dict({name: torch.from_numpy(arrays[name]) for name in arrays})
    return make


def grey(pictures):
    """Whole numbers from 0 to 16, as the digits have them, a row of 64 for each picture."""
    return np.rint((pictures.reshape(-1, 64) + 1) * 8).astype(int).tolist()


def main(arguments=None):
    """Train all the generators and write what came of them."""
    parser = argparse.ArgumentParser(prog="python book/data/gan.py", description=main.__doc__)
    parser.add_argument("to", type=Path)
    parser.add_argument("--stops", type=int, nargs="+", default=[250, 500, 1000, 2000, 4000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 4])
    options = parser.parse_args(arguments)
    chosen = {name: getattr(options, name) for name in ("stops", "seeds", "batches")}
    result, weights = experiment(**chosen)
    flags = (f" --{name} {' '.join(map(str, values))}" for name, values in chosen.items())
    result["made with"] = {
        "command": "python book/data/gan.py book/data/gan.json" + "".join(flags),
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
            "torch": torch.__version__,
        },
    }
    options.to.parent.mkdir(parents=True, exist_ok=True)
    options.to.write_text(json.dumps(result, separators=(",", ":")) + "\n", encoding="utf-8")
    if weights:
        np.savez_compressed(options.to.with_suffix(".npz"), **weights)


if __name__ == "__main__":
    main()

"""Small diffusion models on real digits, told the noise level and the digit by modulated norms.

    python book/data/diffusion.py book/data/diffusion.json

trains two families (some minutes on one core) and writes how their losses fell, how many of the
digits that they were asked for a classifier recognises, and the weights of one, so that a page can
draw with it.

- Convolutional, with group norm: the noise level and the digit set the norm's scale and shift
  ("AdaGN", Dhariwal and Nichol 2021, arXiv:2105.05233), are added before the norm ("added", as in
  Ho et al. 2020, arXiv:2006.11239), are added before an instance norm ("added, IN"), or are not
  told at all ("untold").
- A transformer of 2 by 2 patches, whose layer norms are modulated, and whose blocks are gated
  (adaLN, Peebles and Xie 2023, arXiv:2212.09748): the layer that makes shifts, scales and gates
  begins at zero ("zero") or as PyTorch begins any layer ("ordinary").
"""

import argparse
import json
import math
import platform
from functools import partial
from pathlib import Path

import numpy as np
import sklearn
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from torch import nn

LEVELS = 100  # noise levels
WIDTH = 32  # channels, and length of what a model is told
CONVOLUTIONAL = ("AdaGN", "added", "added, IN", "untold")
TRANSFORMERS = ("zero", "ordinary")
KEPT = "AdaGN"
#: Share of the picture's variance left at each level (cosine schedule, arXiv:2102.09672).
SIGNAL = torch.cos((torch.arange(1, LEVELS + 1) / LEVELS + 0.008) / 1.008 * math.pi / 2).square()
SIGNAL = SIGNAL.clamp(1e-4, 1)


def digits():
    """Real digits in [-1, 1], (1797, 1, 8, 8) float32, and their labels, in a fixed order."""
    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    return (pixels[order] / 8 - 1).astype("float32").reshape(-1, 1, 8, 8), labels[order]


class Told(nn.Module):
    """From a noise level and a digit to a vector of WIDTH numbers."""

    def __init__(self):
        super().__init__()
        self.digit = nn.Embedding(10, WIDTH)
        self.mix = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH))

    def forward(self, level, digit):
        frequencies = torch.exp(torch.linspace(0, -4, WIDTH // 2))
        waves = level[:, None] * frequencies
        return F.silu(self.mix(torch.cat([waves.sin(), waves.cos()], 1)) + self.digit(digit))


class AdaGN(nn.Module):
    """Group norm whose scale and shift are made from what the network is told."""

    def __init__(self):
        super().__init__()
        self.norm = nn.GroupNorm(8, WIDTH, affine=False)
        self.from_told = nn.Linear(WIDTH, 2 * WIDTH)

    def forward(self, x, told):
        scale, shift = self.from_told(told)[:, :, None, None].chunk(2, 1)
        return (1 + scale) * self.norm(x) + shift


class Added(nn.Module):
    """Group norm, with what the network is told added to its input."""

    def __init__(self, num_groups=8):
        super().__init__()
        self.norm = nn.GroupNorm(num_groups, WIDTH)
        self.from_told = nn.Linear(WIDTH, WIDTH)

    def forward(self, x, told):
        return self.norm(x + self.from_told(told)[:, :, None, None])


class Untold(nn.Module):
    """Group norm, and nothing is told."""

    def __init__(self):
        super().__init__()
        self.norm = nn.GroupNorm(8, WIDTH)

    def forward(self, x, told):
        return self.norm(x)


class Block(nn.Module):
    """Two convolutions with a modulated norm between them, and a way past both."""

    def __init__(self, norm):
        super().__init__()
        self.first = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.norm = norm()
        self.second = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)

    def forward(self, x, told):
        return x + self.second(F.silu(self.norm(self.first(F.silu(x)), told)))


class Convolutional(nn.Module):
    """Guesses the noise in a picture of a digit."""

    def __init__(self, kind):
        super().__init__()
        norms = {
            "AdaGN": AdaGN,
            "added": Added,
            "added, IN": partial(Added, WIDTH),  # a group for each channel is instance norm
            "untold": Untold,
        }
        norm = norms[kind]
        self.told = Told()
        self.begin = nn.Conv2d(1, WIDTH, 3, padding=1)
        self.blocks = nn.ModuleList(Block(norm) for _ in range(4))
        self.end = nn.Conv2d(WIDTH, 1, 3, padding=1)

    def forward(self, x, level, digit):
        told, h = self.told(level, digit), self.begin(x)
        for block in self.blocks:
            h = block(h, told)
        return self.end(F.silu(h))


class GatedBlock(nn.Module):
    """Attention and a small network, each behind a modulated layer norm and a gate."""

    def __init__(self, kind):
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, 4, batch_first=True)
        self.network = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH)
        )
        self.from_told = nn.Linear(WIDTH, 6 * WIDTH)
        if kind == "zero":
            nn.init.zeros_(self.from_told.weight)
            nn.init.zeros_(self.from_told.bias)

    def forward(self, x, told):
        parts = self.from_told(told)[:, None].chunk(6, -1)
        h = modulated(x, *parts[:2])
        x = x + parts[2] * self.attention(h, h, h, need_weights=False)[0]
        return x + parts[5] * self.network(modulated(x, *parts[3:5]))


def modulated(x, scale, shift):
    return (1 + scale) * F.layer_norm(x, x.shape[-1:]) + shift


class Transformer(nn.Module):
    """Guesses the noise in a picture of a digit, from its sixteen patches."""

    def __init__(self, kind, depth=6):
        super().__init__()
        self.told = Told()
        self.begin = nn.Linear(4, WIDTH)
        self.place = nn.Parameter(0.02 * torch.randn(16, WIDTH))
        self.blocks = nn.ModuleList(GatedBlock(kind) for _ in range(depth))
        self.end = nn.Linear(WIDTH, 4)

    def forward(self, x, level, digit):
        told = self.told(level, digit)
        h = self.begin(F.pixel_unshuffle(x, 2).flatten(2).mT) + self.place
        for block in self.blocks:
            h = block(h, told)
        h = self.end(F.layer_norm(h, h.shape[-1:]))
        return F.pixel_shuffle(h.mT.unflatten(2, (4, 4)), 2)


def model(kind):
    """A fresh model of that kind."""
    return Convolutional(kind) if kind in CONVOLUTIONAL else Transformer(kind)


def noisy(pictures, level, noise):
    """Pictures with noise of a level between 0 and LEVELS - 1 each."""
    left = SIGNAL[level][:, None, None, None]
    return left.sqrt() * pictures + (1 - left).sqrt() * noise


def train(kind, *, steps, seed, real, labels, batch=32, every=50, rate=3e-3):
    """Train a model to tell the noise from the picture: the model, and its mean loss every `every`.

    Models of one seed see the same pictures with the same noise.
    """
    torch.manual_seed(seed)
    network = model(kind)
    torch.manual_seed(seed)
    optimiser = torch.optim.Adam(network.parameters(), rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    losses = []
    for _ in range(steps):
        chosen = torch.randint(len(real), (batch,))
        level, noise = torch.randint(LEVELS, (batch,)), torch.randn(batch, 1, 8, 8)
        guess = network(noisy(real[chosen], level, noise), level, labels[chosen])
        loss = F.mse_loss(guess, noise)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
    return network.eval(), np.reshape(losses[: steps // every * every], (-1, every)).mean(1)


@torch.no_grad()
def draw(network, wanted, start=None, steps=LEVELS, keep=()):
    """Draw the digits `wanted` (N,), from noise, by DDIM (arXiv:2010.02502, eta = 0).

    The noise is `start` (N, 1, 8, 8), or always the same. Returns the pictures (N, 1, 8, 8), and
    what they were at the levels in `keep`.
    """
    if start is None:
        start = torch.randn(len(wanted), 1, 8, 8, generator=torch.Generator().manual_seed(0))
    x = start
    levels = torch.linspace(LEVELS - 1, 0, steps).round().int().tolist()
    on_the_way = {}
    for level, following in zip(levels, [*levels[1:], None], strict=True):
        noise = network(x, torch.full((len(x),), level), wanted)
        left = SIGNAL[level]
        picture = ((x - (1 - left).sqrt() * noise) / left.sqrt()).clamp(-1, 1)
        if level in keep:
            on_the_way[level] = x.clone()
        if following is None:
            return picture, on_the_way
        noise = (x - left.sqrt() * picture) / (1 - left).sqrt()
        left = SIGNAL[following]
        x = left.sqrt() * picture + (1 - left).sqrt() * noise
    return None


@torch.no_grad()
def loss_by_level(network, real, labels, groups=5, times=20):
    """Mean loss on pictures, for each fifth of the noise levels."""
    twister = torch.Generator().manual_seed(4)
    losses = []
    for levels in torch.arange(LEVELS).chunk(groups):
        some = []
        for _ in range(times):
            level = levels[torch.randint(len(levels), (len(real),), generator=twister)]
            noise = torch.randn(real.shape, generator=twister)
            some.append(F.mse_loss(network(noisy(real, level, noise), level, labels), noise))
        losses.append(float(torch.stack(some).mean()))
    return losses


def obeyed(network, critic, each=20):
    """Share of the digits asked for that the classifier `critic` recognises."""
    wanted = torch.arange(10).repeat(each)
    pictures, _ = draw(network, wanted)
    return float(critic.score(pictures.numpy().reshape(len(wanted), -1), wanted.numpy()))


def experiment(*, steps, seeds, done=()):
    """The runs that are not among those `done`: JSON values, and the weights that are kept."""
    torch.set_num_threads(1)
    pictures, labels = digits()
    critic = MLPClassifier((64,), max_iter=500, random_state=0)
    critic.fit(pictures.reshape(len(pictures), -1), labels)
    pictures, labels = torch.from_numpy(pictures), torch.from_numpy(labels).long()
    real, held_out = (pictures[:1500], labels[:1500]), (pictures[1500:], labels[1500:])
    runs, weights = list(done), {}
    for kind in (*CONVOLUTIONAL, *TRANSFORMERS):
        for seed in seeds:
            if (kind, seed) in {(run["kind"], run["seed"]) for run in done}:
                continue
            network, losses = train(kind, steps=steps, seed=seed, real=real[0], labels=real[1])
            runs.append(
                {
                    "kind": kind,
                    "seed": seed,
                    "losses": losses.round(4).tolist(),
                    "by level": np.round(loss_by_level(network, *held_out), 4).tolist(),
                    "obeyed": obeyed(network, critic),
                }
            )
            if kind == KEPT and seed == seeds[0]:
                weights = {
                    name: value.half().numpy() for name, value in network.state_dict().items()
                }
            print(kind, seed, runs[-1]["losses"][-1], runs[-1]["obeyed"], flush=True)
    return {"steps": steps, "seeds": list(seeds), "runs": runs}, weights


def stored(path):
    """The model whose weights were kept in the file `path`."""
    network = model(KEPT)
    with np.load(path, allow_pickle=False) as arrays:
        network.load_state_dict({name: torch.from_numpy(arrays[name]).float() for name in arrays})
    return network.eval()


def main(arguments=None):
    """Train all the models and write what came of them."""
    parser = argparse.ArgumentParser(prog="python book/data/diffusion.py", description=main.__doc__)
    parser.add_argument("to", type=Path)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    options = parser.parse_args(arguments)
    done = ()
    if options.to.is_file():  # go on where the same experiment stopped
        before = json.loads(options.to.read_text(encoding="utf-8"))
        done = before["runs"] if before["steps"] == options.steps else ()
    result, weights = experiment(steps=options.steps, seeds=options.seeds, done=done)
    seeds = " ".join(map(str, options.seeds))
    flags = f" --steps {options.steps} --seeds {seeds}"
    result["made with"] = {
        "command": "python book/data/diffusion.py book/data/diffusion.json" + flags,
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
            "torch": torch.__version__,
        },
    }
    options.to.write_text(json.dumps(result, separators=(",", ":")) + "\n", encoding="utf-8")
    if weights:
        np.savez_compressed(options.to.with_suffix(".npz"), **weights)


if __name__ == "__main__":
    main()

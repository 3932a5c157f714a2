"""A small segmentation network, trained on one scanner and tried on another.

    python book/data/scanners.py book/data/scanners.npz

trains the same network with different norms (some ten minutes on one core) to tell fluid, grey
matter and white matter apart in slices of a real scan, whose intensities are those of a made-up
scanner. The file holds the weights of the first seed's networks, so that a page can use them, and
as JSON text under "about" what every seed's networks score.

The score is the mean Dice coefficient of grey and white matter: twice the overlap of two regions,
divided by the sum of their sizes.
"""

import argparse
import json
import platform
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from instnorm_lab import scans

#: For each network, how its input is treated and which norm follows each of three convolutions.
NETWORKS = {
    "none": ("as it is", ("none",) * 3),
    "z-score": ("standardised", ("none",) * 3),
    "z-score, masked": ("standardised in the brain", ("none",) * 3),
    "BN": ("as it is", ("batch",) * 3),
    "IN": ("as it is", ("instance",) * 3),
    "IN, then BN": ("as it is", ("instance", "batch", "batch")),
}
CHANNELS = 12
#: The second scanner.
OTHER = {"gain": 0.4, "offset": 0.5}
#: Heights of the slices.
LEARNED, HELD_OUT = range(56, 124, 6), range(59, 121, 6)


def scanned(t1, rng, *, gain=1.0, offset=0.0):
    """What a scanner makes of slices: noise, a gain and offset of each scan, and its own."""
    count = len(t1)
    x = t1 + 0.02 * rng.standard_normal(t1.shape)
    x = rng.uniform(0.9, 1.1, (count, 1, 1)) * x + rng.uniform(-0.03, 0.03, (count, 1, 1))
    return gain * x + offset


def shown(x, brain, treatment):
    """What the network is given for scans x, (N, H, W); `brain` is True where there is brain."""
    if treatment == "as it is":
        return x
    voxels = brain if treatment == "standardised in the brain" else np.ones_like(brain)
    mean = x.mean((1, 2), keepdims=True, where=voxels)
    return (x - mean) / x.std((1, 2), keepdims=True, where=voxels)


def network(norms, layers=None):
    """Three convolutions that see 15 voxels a side, each followed by a norm, and a linear layer.

    `layers` are the classes to use for "instance" and "batch". The edge is padded with the edge's
    own values: zeros would be dark in one scanner and bright in another.
    """
    layers = layers or {"instance": nn.InstanceNorm2d, "batch": nn.BatchNorm2d}
    parts, channels = [], 1
    for reach, norm in zip((1, 2, 4), norms, strict=True):
        around = {"padding": reach, "dilation": reach, "padding_mode": "replicate"}
        parts.append(nn.Conv2d(channels, CHANNELS, 3, **around))
        parts.append(nn.Identity() if norm == "none" else layers[norm](CHANNELS, affine=True))
        parts.append(nn.ReLU())
        channels = CHANNELS
    return nn.Sequential(*parts, nn.Conv2d(channels, len(scans.TISSUES), 1))


def train(name, slices, *, seed, steps, batch=4):
    """Train the network of that name on freshly scanned slices."""
    treatment, norms = NETWORKS[name]
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = network(norms)
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    tissue = torch.from_numpy(slices.tissue)
    for _ in range(steps):
        chosen = rng.permutation(len(slices.t1))[:batch]
        x = scanned(slices.t1[chosen], rng)
        x = shown(x, slices.tissue[chosen] > 0, treatment)
        loss = F.cross_entropy(model(as_images(x)), tissue[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return model.eval()


def as_images(x):
    """(N, H, W) array -> (N, 1, H, W) single-precision tensor."""
    return torch.from_numpy(x).float()[:, None]


@torch.no_grad()
def segment(model, x):
    """The most probable tissue of each voxel of (N, H, W)."""
    return model(as_images(x)).argmax(1).numpy()


def dice(found, tissue):
    """Mean Dice coefficient of grey and white matter."""
    pairs = [(found == k, tissue == k) for k in (2, 3)]
    return float(np.mean([2 * np.sum(a & b) / (np.sum(a) + np.sum(b)) for a, b in pairs]))


def trials(slices):
    """The tests: (N, H, W) scans and their tissue, by name."""
    same, other = (
        scanned(slices.t1, np.random.default_rng(5), **scanner) for scanner in ({}, OTHER)
    )
    across = np.linspace(0.6, 1.4, same.shape[2])
    crop = np.s_[:, 30:86, 22:76]
    return {
        "same": (same, slices.tissue),
        "other": (other, slices.tissue),
        "bias": (across * same, slices.tissue),
        "crop": (same[crop], slices.tissue[crop]),
    }


def scores(model, name, tests):
    """The Dice coefficient on each of the tests."""
    treatment, _ = NETWORKS[name]
    return {
        test: round(dice(segment(model, shown(x, tissue > 0, treatment)), tissue), 4)
        for test, (x, tissue) in tests.items()
    }


def experiment(*, seeds, steps):
    """Arrays for the file: weights by "network/parameter", and "about"."""
    torch.set_num_threads(1)
    learned, held_out = (scans.slices(heights, reduce=2) for heights in (LEARNED, HELD_OUT))
    tests = trials(held_out)
    arrays, found = {}, {name: [] for name in NETWORKS}
    for seed in seeds:
        for name in NETWORKS:
            model = train(name, learned, seed=seed, steps=steps)
            found[name].append(scores(model, name, tests))
            print(name, seed, found[name][-1], flush=True)
            if seed == seeds[0]:
                state = model.state_dict().items()
                arrays |= {f"{name}/{key}": value.numpy() for key, value in state}
    about = {
        "command": "python book/data/scanners.py book/data/scanners.npz "
        f"--seeds {' '.join(map(str, seeds))} --steps {steps}",
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
        },
        "scores": found,
    }
    return arrays | {"about": np.array(json.dumps(about))}


def main(arguments=None):
    """Train the networks and write their weights and scores."""
    parser = argparse.ArgumentParser(prog="python book/data/scanners.py", description=main.__doc__)
    parser.add_argument("to", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args(arguments)
    arrays = experiment(seeds=options.seeds, steps=options.steps)
    options.to.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(options.to, **arrays)


if __name__ == "__main__":
    main()

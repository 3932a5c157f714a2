"""Identities of instance norm, tried on answers that no misconception explains."""

import numpy as np

from .engine.compare import agree
from .engine.exercise import Property


def ignores_brightness(run, arguments):
    x = arguments["x"]
    return agree(run(x=x + np.ptp(x))[0], run()[0])


def ignores_contrast(run, arguments):
    x, eps = arguments["x"], arguments.get("eps", 1e-5)
    return agree(run(x=2 * x, eps=4 * eps)[0], run(eps=eps)[0])


def images_are_independent(run, arguments):
    x = arguments["x"].copy()
    x[1:] = 3 * x[1:] + 1
    return agree(run(x=x)[0][:1], run()[0][:1])


def channels_are_independent(run, arguments):
    x = arguments["x"].copy()
    x[:, 1:] = 3 * x[:, 1:] + 1
    return agree(run(x=x)[0][:, :1], run()[0][:, :1])


IMAGE_PROPERTIES = (
    Property(
        "Your function is not shift-invariant: adding one number to every pixel changes its "
        "output, though the mean should take that number away again.",
        ignores_brightness,
    ),
    Property(
        "Doubling the contrast of the picture (and eps fourfold, in step with the variance) "
        "changes the output, though the standard deviation should take the factor away again.",
        ignores_contrast,
    ),
    Property(
        "The output for one image changes when another image of the batch changes. In instance "
        "norm no image knows of the others.",
        images_are_independent,
    ),
    Property(
        "The output of one channel changes when another channel changes. In instance norm no "
        "channel knows of the others.",
        channels_are_independent,
    ),
)

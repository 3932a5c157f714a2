"""The exercise "observation-normalise": normalising over the lights."""

from functools import partial

import numpy as np

from instnorm.photometric import observation_normalise

from ..engine.compare import agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property
from .photometric_stereo import in_each_picture, sizes


def pictures(rng, black=0, level=1.0):
    """Random brightness, well away from 0; the first pixels may be black."""
    images = level * rng.uniform(0.2, 1, sizes(rng))
    images.reshape(len(images), -1)[:, :black] = 0
    return {"images": images}


def several(rng, **rest):
    return [pictures(rng, **rest) for _ in range(3)]


def divided(size, eps=0.0):
    """An answer that divides by `size(images)`, and gives 0 where that is 0."""

    def answer(images):
        length = size(images) + eps
        return np.divide(images, length, out=np.zeros_like(images), where=length != 0)

    return answer


def root_of_squares(images, axes=0):
    return np.sqrt(np.sum(images**2, axes, keepdims=True))


def naively(images):
    with np.errstate(all="ignore"):
        return images / root_of_squares(images)


def standardised_over_lights(images):
    deviations = images - images.mean(0)
    return divided(lambda _: np.sqrt((deviations**2).mean(0)))(deviations)


def lit_in_place(images):
    images[...] = observation_normalise(images)
    return images


def a_little_shorter(theirs, expected):
    """Each pixel's vector points where it should, and is too short."""
    length = np.sqrt((theirs**2).sum(0))
    return bool((length < 1).all()) and agree(divided(root_of_squares)(theirs), expected)


def albedo_cancels(run, arguments):
    images = arguments["images"]
    paint = np.linspace(0.5, 2, images[0].size).reshape(images[0].shape)
    return agree(run(images=images * paint)[0], run()[0])


def observed_pixel_by_pixel(run, arguments):
    images = arguments["images"].copy()
    images[:, 1:] = images[::-1, 1:]
    return agree(run(images=images)[0][:, :1], run()[0][:, :1])


THREE_FOUR_FIVE = np.array([[[3.0, 5.0, 1.0]], [[4.0, 12.0, 2.0]], [[0.0, 0.0, 2.0]]])
TWO_ROWS = np.concatenate([THREE_FOUR_FIVE, THREE_FOUR_FIVE[::-1, :, ::-1]], axis=1)
DIM = np.random.default_rng(31)

OBSERVED_ASPECTS = (
    Aspect(
        "each-pixel",
        2,
        "Each pixel is divided by the root of the sum of its squares, over the pictures.",
        public=(
            {"images": THREE_FOUR_FIVE},
            {"images": 0.1 * THREE_FOUR_FIVE},
            {"images": TWO_ROWS},
            pictures(DIM),
        ),
        hidden=several,
    ),
    Aspect(
        "faint",
        1,
        "The same for pictures taken in near darkness: nothing is added to the root.",
        public=({"images": 1e-7 * TWO_ROWS},),
        hidden=partial(several, level=1e-7),
    ),
    Aspect(
        "black",
        1,
        "A pixel that is black in all pictures stays black.",
        public=({"images": 0.1 * TWO_ROWS * np.array([1.0, 0.0, 1.0])},),
        hidden=partial(several, black=2),
    ),
    Aspect(
        "array",
        1,
        "Right values, in a new float64 array of the shape of images, which are unchanged.",
        public=({"images": 0.1 * TWO_ROWS},),
        hidden=several,
        strict=True,
    ),
)

OBSERVED = Exercise(
    id="observation-normalise",
    signature="observation_normalise(images)",
    returns=("y",),
    reference=observation_normalise,
    aspects=OBSERVED_ASPECTS,
    misconceptions=(
        Misconception(
            "over-the-picture",
            "You divide each picture by its own size, taken over its pixels. The pixels of one "
            "picture share a light and differ in albedo. What has to cancel is the albedo: which "
            "values share that?",
            divided(partial(root_of_squares, axes=(1, 2))),
            ALL,
        ),
        Misconception(
            "instance-norm",
            "Your output is instance norm: each picture loses its mean and is divided by its "
            "spread. Here it is each pixel that is normalised, over the pictures, and nothing is "
            "subtracted.",
            in_each_picture,
            ALL,
        ),
        Misconception(
            "over-everything",
            "You divide by one number for all pictures and pixels. The albedo of a pixel is then "
            "still there, next to that of its neighbours.",
            divided(partial(root_of_squares, axes=None)),
            ALL,
        ),
        Misconception(
            "standardised-over-the-lights",
            "You pool the right values, and then standardise them: subtract the mean over the "
            "lights, divide by the spread. The albedo is gone, and with the mean so is the common "
            "part of all pictures, which belongs to the shape. Divide, and subtract nothing.",
            standardised_over_lights,
            ALL,
        ),
        Misconception(
            "sum-of-brightness",
            "You divide by the sum of the brightnesses. The albedo does cancel. The exercise asks "
            "for the length of the vector of brightnesses: the root of the sum of the squares.",
            divided(lambda images: images.sum(0)),
            ALL,
        ),
        Misconception(
            "largest-brightness",
            "You divide by the largest brightness of each pixel. The albedo does cancel, but one "
            "noisy picture decides for all. The exercise asks for the root of the sum of the "
            "squares.",
            divided(lambda images: images.max(0)),
            ALL,
        ),
        Misconception(
            "mean-for-sum",
            "Your output is too large by the root of the number of pictures: a mean of squares "
            "where their sum is meant.",
            divided(lambda images: np.sqrt((images**2).mean(0))),
            ALL,
        ),
        Misconception(
            "no-root",
            "You divide by the sum of the squares, without the root. Think of units: brightness "
            "over brightness has none.",
            divided(lambda images: (images**2).sum(0)),
            ALL,
        ),
        Misconception(
            "nothing-by-nothing",
            "Black pixels become 0 / 0. They should stay 0.",
            naively,
            ("black",),
        ),
        Misconception(
            "adds-a-small-number",
            "You add a small number to be safe from 0 / 0. In near darkness it is not small, and "
            "the albedo is back. Deal with black pixels by themselves.",
            divided(root_of_squares, eps=1e-9),
            ("faint",),
            a_little_shorter,
        ),
        Misconception(
            "centred-first",
            "Your pixels lose their mean over the pictures before they are divided. Nothing is "
            "subtracted here: brightness is light times paint, and a quotient is all that takes "
            "the paint away.",
            lambda images: observation_normalise(images - images.mean(0)),
            ALL,
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but they are written into the pictures that you were given.",
            lit_in_place,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "Painting the surface another colour (another factor for each pixel, the same in all "
            "pictures) changes your output. The albedo should cancel.",
            albedo_cancels,
        ),
        Property(
            "Your output at one pixel changes when other pixels do. Each is normalised by itself.",
            observed_pixel_by_pixel,
        ),
    ),
)

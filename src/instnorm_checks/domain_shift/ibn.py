"""The exercise "ibn": half of the channels to instance norm, the others to batch norm."""

import numpy as np

from instnorm import mixtures

from ..cases import FAINT, FLAT, PAIR, bright, counts, faint_pictures, some_shape, with_affine
from ..engine.compare import agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property
from ..wrong import beside, fixed_eps, per_channel, root, standardise, variance_itself, without_eps

INSTANCE, BATCH = (2, 3), (0, 2, 3)


def ibn_reference(x, gamma, beta, eps=1e-5):
    return mixtures.ibn(x, gamma, beta, eps=eps)


def applied(y, gamma, beta):
    return per_channel(gamma) * y + per_channel(beta)


def is_first(channels):
    """True for those that go to instance norm."""
    return np.arange(channels) < channels // 2


def divided_by(
    first=is_first,
    axes=(INSTANCE, BATCH),
    ddof=0,
    scale=root,
    finish=applied,
):
    """An answer that divides the channels, or standardises a part, or goes on, in another way."""

    def answer(x, gamma, beta, eps=1e-5):
        chosen, y = first(x.shape[1]), np.empty(x.shape)
        for part, over in ((chosen, axes[0]), (~chosen, axes[1])):
            if part.any():
                y[:, part] = standardise(x[:, part], eps, over, ddof, scale)
        return finish(y, gamma, beta)

    return answer


def batch_norm_first_in_the_result(x, gamma, beta, eps=1e-5):
    half = x.shape[1] // 2
    parts = standardise(x[:, half:], eps, BATCH), standardise(x[:, :half], eps, INSTANCE)
    return applied(np.concatenate(parts, axis=1), gamma, beta)


def halves_of_the_batch(x, gamma, beta, eps=1e-5):
    half = len(x) // 2
    parts = [
        standardise(part, eps, over) for part, over in ((x[:half], INSTANCE), (x[half:], BATCH))
    ]
    return applied(np.concatenate(parts), gamma, beta)


def one_behind_the_other(x, gamma, beta, eps=1e-5):
    return applied(standardise(standardise(x, eps, INSTANCE), eps, BATCH), gamma, beta)


def second_half_as_it_came(x, gamma, beta, eps=1e-5):
    y = np.where(is_first(x.shape[1])[:, None, None], standardise(x, eps, INSTANCE), x)
    return applied(y, gamma, beta)


def blend(x, gamma, beta, eps=1e-5):
    y = 0.5 * standardise(x, eps, INSTANCE) + 0.5 * standardise(x, eps, BATCH)
    return applied(y, gamma, beta)


def first_gamma_for_both(y, gamma, beta):
    half = len(gamma) // 2
    front = np.arange(len(gamma))
    front[half:] = (front[half:] - half) % max(half, 1)
    return applied(y, gamma[front], beta[front])


def affine_on_a_part(part):
    """gamma and beta for the channels where `part(is_first)` is true, 1 and 0 for the others."""

    def finish(y, gamma, beta):
        own = part(is_first(len(gamma)))
        return applied(y, np.where(own, gamma, 1), np.where(own, beta, 0))

    return finish


def in_place(x, gamma, beta, eps=1e-5):
    x[...] = ibn_reference(x, gamma, beta, eps)
    return x


# --- Cases ---


def plainly(x, **rest):
    channels = x.shape[1]
    return {"x": x, "gamma": np.ones(channels), "beta": np.zeros(channels), **rest}


def some_sizes(rng, channels):
    """(N, C, H, W) with so many channels; no other axis is as long."""
    sizes = [size for size in (2, 3, 5, 7, 8) if size != channels]
    n, h, w = (int(size) for size in rng.choice(sizes, 3, replace=False))
    return n, channels, h, w


def long_in_turn(rng, channels):
    """Three shapes with few channels, so that half of another axis is more than half of these."""
    for axis in (0, 2, 3):
        shape = [*rng.integers(2, 4, 4)]
        shape[axis], shape[1] = rng.integers(6, 9), channels
        yield tuple(map(int, shape))


def told_apart_in(rng, shape, told):
    """Planes with moments of their own in the channels `told`; in the others all are alike."""
    x = bright(rng, shape)
    x[:, told] = counts(rng, shape)[:, told]
    return plainly(x)


def in_the_first_half(rng, shape):
    return told_apart_in(rng, shape, is_first(shape[1]))


def in_the_second_half(rng, shape):
    return told_apart_in(rng, shape, ~is_first(shape[1]))


def in_the_middle(rng, shape):
    return told_apart_in(rng, shape, [shape[1] // 2])


def faint(rng):
    for arguments in faint_pictures(rng):
        x = arguments.pop("x")
        yield plainly(np.repeat(x, 2, axis=1) if x.shape[1] == 1 else x, **arguments)


def the_other_images_do_not_matter_to_the_first_half(run, arguments):
    x = arguments["x"].copy()
    half = x.shape[1] // 2
    x[1:] = 3 * x[1:] + 1
    return agree(run(x=x)[0][:1, :half], run()[0][:1, :half])


def a_brighter_image_is_brighter_in_the_second_half(run, arguments):
    x = arguments["x"].copy()
    x[:1] += np.ptp(x)
    means = run(x=x)[0][:, x.shape[1] // 2 :].mean((2, 3))
    return len(x) == 1 or bool((np.ptp(means, axis=0) > 1e-3).any())


FIXED = np.random.default_rng(31)
SIX = bright(np.random.default_rng(32), (2, 4, 1, 3))
# The images differ in the second channel: means of 8000 and 3000, deviations of 4000 and 1000.
TALL = np.array(
    [[[[1000.0, 3000.0]], [[4000.0, 12000.0]]], [[[3000.0, 1000.0]], [[2000.0, 4000.0]]]]
)

IBN = Exercise(
    id="ibn",
    signature="ibn(x, gamma, beta, eps=1e-5)",
    returns=("y",),
    reference=ibn_reference,
    aspects=(
        Aspect(
            "instance",
            1,
            "The first half of the channels: one mean and one variance for each plane.",
            public=(
                in_the_first_half(FIXED, shape=(3, 4, 1, 2)),
                in_the_first_half(FIXED, shape=(2, 6, 1, 2)),
            ),
            hidden=lambda rng: [in_the_first_half(rng, some_sizes(rng, c)) for c in (4, 4, 6, 6)],
        ),
        Aspect(
            "batch",
            1,
            "The second half: one mean and one variance for each channel, over all images.",
            public=(plainly(TALL), in_the_second_half(FIXED, shape=(2, 4, 1, 3))),
            hidden=lambda rng: [
                in_the_second_half(rng, shape)
                for shape in (*long_in_turn(rng, 2), some_sizes(rng, 4), some_sizes(rng, 6))
            ],
        ),
        Aspect(
            "odd",
            1,
            "With an odd number of channels, the one in the middle goes to batch norm.",
            public=(in_the_middle(FIXED, shape=(2, 3, 2, 2)),),
            hidden=lambda rng: [
                in_the_middle(rng, shape) for shape in (*long_in_turn(rng, 3), some_sizes(rng, 7))
            ],
        ),
        Aspect(
            "gain",
            1,
            "Each channel, of either half, has its own gamma and beta.",
            public=(
                {
                    "x": SIX,
                    "gamma": np.array([2.0, 3.0, -1.0, 0.5]),
                    "beta": np.array([10.0, 20.0, -10.0, 40.0]),
                },
            ),
            hidden=lambda rng: [
                with_affine(rng, bright(rng, some_sizes(rng, int(channels))))
                for channels in rng.choice([4, 5, 6], 3)
            ],
        ),
        Aspect(
            "eps",
            1,
            "eps is added to every variance, inside the root.",
            public=(plainly(FAINT, eps=1e-3), plainly(FAINT), plainly(np.repeat(FLAT, 2, axis=1))),
            hidden=faint,
        ),
        Aspect(
            "array",
            1,
            "Right values, in a new float64 array of x's shape; no argument is changed.",
            public=(plainly(PAIR),),
            hidden=lambda rng: [plainly(bright(rng, some_shape(rng))) for _ in range(2)],
            strict=True,
        ),
    ),
    misconceptions=(
        Misconception(
            "swaps-the-halves",
            "Your first half goes to batch norm and your second to instance norm. It is the other "
            "way round.",
            divided_by(axes=(BATCH, INSTANCE)),
            ("instance", "batch", "odd"),
        ),
        Misconception(
            "all-to-instance-norm",
            "Your output is instance norm of all channels. The second half is to keep what tells "
            "the images apart.",
            divided_by(axes=(INSTANCE, INSTANCE)),
            ("batch", "odd"),
        ),
        Misconception(
            "all-to-batch-norm",
            "Your output is batch norm of all channels. In the first half, each image is "
            "standardised by itself.",
            divided_by(axes=(BATCH, BATCH)),
            ("instance",),
        ),
        Misconception(
            "every-other-channel",
            "Your channels go to the two norms in turn. It is the first half and the second.",
            divided_by(first=lambda channels: np.arange(channels) % 2 == 0),
            ("instance", "batch"),
        ),
        Misconception(
            "rounds-up",
            "With an odd number of channels your instance norm takes the one in the middle. Half "
            "of it is rounded down: C // 2.",
            divided_by(first=lambda channels: np.arange(channels) < (channels + 1) // 2),
            ("odd",),
        ),
        Misconception(
            "halves-of-the-batch",
            "You divide the images: the first half of the batch to one norm, the rest to the "
            "other. It is the channels that are divided.",
            halves_of_the_batch,
            ("instance", "batch", "odd"),
        ),
        Misconception(
            "one-after-the-other",
            "All your channels go through instance norm and then through batch norm. What the "
            "first has taken away, the second cannot give back. Each half has one norm.",
            one_behind_the_other,
            ALL,
        ),
        Misconception(
            "half-of-each",
            "Your output is the average of both norms, in every channel. Here each channel goes to "
            "one of them, whole.",
            blend,
            ("instance", "batch", "odd"),
        ),
        Misconception(
            "joined-the-wrong-way-round",
            "Your halves are right, and are joined in the wrong order. The next layer expects each "
            "channel where it was.",
            batch_norm_first_in_the_result,
            ALL,
        ),
        Misconception(
            "layer-norm-in-the-first-half",
            "Your first half has one mean for all of its channels: that is a layer norm. Instance "
            "norm has one for each channel.",
            divided_by(axes=((1, 2, 3), BATCH)),
            ("instance",),
        ),
        Misconception(
            "one-mean-for-the-second-half",
            "Your second half has one mean and one variance for everything. Batch norm pools the "
            "images, and keeps the channels apart.",
            divided_by(axes=(INSTANCE, (0, 1, 2, 3))),
            ("batch", "odd"),
        ),
        Misconception(
            "no-gamma-in-the-first-half",
            "Your first half has no gamma and no beta. (PyTorch's InstanceNorm2d has none unless "
            "it is told affine=True.)",
            divided_by(finish=affine_on_a_part(np.logical_not)),
            ("gain",),
        ),
        Misconception(
            "no-gamma-in-the-second-half",
            "Your second half has no gamma and no beta.",
            divided_by(finish=affine_on_a_part(lambda first: first)),
            ("gain",),
        ),
        Misconception(
            "forgets-gamma-and-beta",
            "Your output is standardised and no more: gamma and beta have no effect on it.",
            divided_by(finish=lambda y, gamma, beta: y),
            ("gain",),
        ),
        Misconception(
            "first-gammas-for-both",
            "Your second half has the gamma and beta of the first. They are as long as there are "
            "channels: divide them as well.",
            divided_by(finish=first_gamma_for_both),
            ("gain",),
        ),
        Misconception(
            "shifts-before-scaling",
            "Your output is what you get when beta is added first and multiplied by gamma as well.",
            divided_by(finish=lambda y, gamma, beta: per_channel(gamma) * (y + per_channel(beta))),
            ("gain",),
        ),
        Misconception(
            "divides-by-m-minus-1",
            "Your output is what you get when the variance is divided by m - 1. To normalise, "
            "both norms take the plain mean of the squared deviations.",
            divided_by(ddof=1),
            ALL,
        ),
        Misconception(
            "divides-by-the-variance",
            "Your output is what you get when you divide by the variance, without a root.",
            divided_by(scale=variance_itself),
            ALL,
        ),
        Misconception(
            "eps-outside-the-root",
            "Your output is what you get when eps is added to the standard deviation. The "
            "definition adds it to something else, one step earlier.",
            divided_by(scale=beside),
            ("eps",),
        ),
        Misconception(
            "forgets-eps",
            "Your output is what you get with eps = 0. A flat plane becomes 0 / 0.",
            divided_by(scale=without_eps),
            ("eps",),
        ),
        Misconception(
            "ignores-the-eps-argument",
            "Your output is what you get with eps = 1e-5 whatever the caller asks for. Is the "
            "number written out somewhere in your function?",
            divided_by(scale=fixed_eps),
            ("eps",),
        ),
        Misconception(
            "layer-norm-in-the-second-half",
            "Your second half is standardised image by image, over its channels: that is layer "
            "norm. Batch norm pools the images, and leaves the channels apart.",
            divided_by(axes=(INSTANCE, (1, 2, 3))),
            ("batch", "odd"),
        ),
        Misconception(
            "second-half-as-it-came",
            "Your second half is not standardised at all. The first half goes to instance norm, "
            "the second to batch norm.",
            second_half_as_it_came,
            ALL,
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but they are written into the array that you were given. Make "
            "a new array for the result.",
            in_place,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "In the first half, the output for one image changes when another image changes. "
            "Instance norm knows of no other image.",
            the_other_images_do_not_matter_to_the_first_half,
        ),
        Property(
            "In the second half, an image that is made brighter is no brighter than the others in "
            "your output. Batch norm keeps such differences.",
            a_brighter_image_is_brighter_in_the_second_half,
        ),
    ),
)

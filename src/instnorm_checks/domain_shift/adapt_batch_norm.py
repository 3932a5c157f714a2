"""The exercise "adapt-batch-norm": stored moments, corrected by what is measured now."""

import numpy as np

from instnorm.mixtures import adapt_batch_norm

from ..cases import FAINT, FLAT, PAIR, bright, counts, faint_pictures, some_shape
from ..engine.compare import agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property
from ..wrong import beside, fixed_eps, root, variance_itself, without_eps

BATCH_AXES = (0, 2, 3)
PLANE_AXES = (2, 3)


def adapt_reference(x, running_mean, running_var, gamma, beta, prior, eps=1e-5):
    return adapt_batch_norm(x, running_mean, running_var, gamma, beta, prior=prior, eps=eps)


def per_channel(parameter):
    return parameter[:, None, None]


def measured_over(axes, ddof=0):
    return lambda x: (x.mean(axes, keepdims=True), x.var(axes, keepdims=True, ddof=ddof))


measured_together = measured_over(BATCH_AXES)


def share_of(prior, x):
    """How much the stored moments count."""
    return prior / (prior + len(x))


def blended(stored, measured, share):
    return tuple(share * a + (1 - share) * b for a, b in zip(stored, measured, strict=True))


def applied(xhat, gamma, beta):
    return gamma * xhat + beta


def adapted_by(
    measure=measured_together,
    share=share_of,
    blend=blended,
    scale=root,
    finish=applied,
):
    """An answer with something else in one place."""

    def answer(x, running_mean, running_var, gamma, beta, prior, eps=1e-5):
        stored = per_channel(running_mean), per_channel(running_var)
        mean, var = blend(stored, measure(x), share(prior, x))
        return finish((x - mean) / scale(var, eps), per_channel(gamma), per_channel(beta))

    return answer


def averaged_variances(x):
    """The mean over all values; the variance of each plane, averaged over the images."""
    return x.mean(BATCH_AXES, keepdims=True), x.var(PLANE_AXES, keepdims=True).mean(0)


def deviations(stored, measured, share):
    mean, _ = blended(stored, measured, share)
    return mean, (share * np.sqrt(stored[1]) + (1 - share) * np.sqrt(measured[1])) ** 2


def as_one_sample(stored, measured, share):
    """The variance of both sets together."""
    mean, var = blended(stored, measured, share)
    return mean, var + share * (1 - share) * (stored[0] - measured[0]) ** 2


def around_the_mixed_mean(stored, measured, share):
    """The batch's variance is taken about the mixture of the means."""
    mean, var = blended(stored, measured, share)
    return mean, var + (1 - share) * (mean - measured[0]) ** 2


def mean_alone(stored, measured, share):
    return blended(stored, measured, share)[0], stored[1]


def variance_alone(stored, measured, share):
    return stored[0], blended(stored, measured, share)[1]


def mixes_the_outputs(x, running_mean, running_var, gamma, beta, prior, eps=1e-5):
    share = share_of(prior, x)
    in_use, measured = (
        adapted_by(share=lambda prior, x, s=s: s)(
            x, running_mean, running_var, gamma, beta, prior, eps
        )
        for s in (1.0, 0.0)
    )
    return share * in_use + (1 - share) * measured


def eps_twice(x, running_mean, running_var, gamma, beta, prior, eps=1e-5):
    return adapted_by(scale=lambda var, eps: root(var + eps, eps))(
        x, running_mean, running_var, gamma, beta, prior, eps
    )


def swaps_gamma_and_beta(x, running_mean, running_var, gamma, beta, prior, eps=1e-5):
    return adapt_reference(x, running_mean, running_var, beta, gamma, prior, eps)


def in_place(x, *rest):
    x[...] = adapt_reference(x, *rest)
    return x


def updates_what_is_stored(x, running_mean, running_var, gamma, beta, prior, eps=1e-5):
    y = adapt_reference(x, running_mean, running_var, gamma, beta, prior, eps)
    mean, var = x.mean(BATCH_AXES), x.var(BATCH_AXES)
    running_mean[...], running_var[...] = blended(
        (running_mean, running_var), (mean, var), share_of(prior, x)
    )
    return y


# --- Cases ---


def given(x, running_mean, running_var, prior, gamma=None, beta=None, **rest):
    channels = x.shape[1]
    return {
        "x": x,
        "running_mean": running_mean,
        "running_var": running_var,
        "gamma": np.ones(channels) if gamma is None else gamma,
        "beta": np.zeros(channels) if beta is None else beta,
        "prior": float(prior),
        **rest,
    }


def elsewhere(rng, x, prior, **rest):
    """Stored moments in camera counts, which are not those of the batch."""
    channels = x.shape[1]
    mean, var = rng.uniform(8e3, 3e4, channels), rng.uniform(2e3, 6e3, channels) ** 2
    return given(x, mean, var, prior, **rest)


def settled(rng, x, **rest):
    """The stored moments are those of x already: it does not matter how much they count."""
    prior = float(rng.uniform(1, 3) * len(x))
    return given(x, x.mean(BATCH_AXES), x.var(BATCH_AXES), prior, **rest)


def affine(rng, channels):
    """gamma and beta of either sign, and never near the 1 and 0 that change nothing."""
    gamma, beta = rng.uniform(1.5, 3, (2, channels)) * rng.choice([-1, 1], (2, channels))
    return {"gamma": gamma, "beta": beta}


def some_prior(rng, x):
    """Of the size of the batch, but not near it; with one image in the batch, more."""
    return len(x) * rng.choice([rng.uniform(0.3, 0.6), rng.uniform(1.7, 5)])


def mixtures(rng):
    for _ in range(3):
        x = counts(rng, some_shape(rng))
        yield elsewhere(rng, x, some_prior(rng, x))
    yield elsewhere(rng, counts(rng, (1, *some_shape(rng)[1:])), rng.uniform(2, 20))


def a_new_gain_and_offset_do_not_matter_once_measured(run, arguments):
    """Where the stored moments count for nothing."""
    x, eps = arguments["x"], arguments.get("eps", 1e-5)
    louder = run(x=2 * x + np.ptp(x), prior=0.0, eps=4 * eps)[0]
    return agree(louder, run(prior=0.0, eps=eps)[0])


def neighbours_do_not_matter_to_a_firm_prior(run, arguments):
    x = arguments["x"].copy()
    x[1:] = 3 * x[1:] + 1
    return agree(run(x=x, prior=1e14)[0][:1], run(prior=1e14)[0][:1])


# Two images of two channels. By hand, the first channel: mean 5000, variance 5 million.
SMALL = np.array([[[[2000.0, 4000.0]], [[900.0, 500.0]]], [[[6000.0, 8000.0]], [[3000.0, 1600.0]]]])
STORED = np.array([2000.0, 1200.0]), np.array([1e6, 4e6])
FIXED = np.random.default_rng(21)

ADAPT_BATCH_NORM = Exercise(
    id="adapt-batch-norm",
    signature="adapt_batch_norm(x, running_mean, running_var, gamma, beta, prior, eps=1e-5)",
    returns=("y",),
    reference=adapt_reference,
    aspects=(
        Aspect(
            "measured",
            1,
            "With prior = 0 nothing of what is stored is used: mean and variance of each channel "
            "are those of the batch.",
            public=(given(SMALL, *STORED, 0),),
            hidden=lambda rng: [elsewhere(rng, counts(rng, some_shape(rng)), 0) for _ in range(3)],
        ),
        Aspect(
            "mixed",
            3,
            "The stored moments count for `prior` images, those of the batch for the images in it.",
            public=(
                given(SMALL, *STORED, 6),
                given(SMALL[:1], *STORED, 3),
                given(SMALL, *STORED, 0.5),
            ),
            hidden=mixtures,
        ),
        Aspect(
            "gain",
            1,
            "What is standardised is multiplied by gamma and shifted by beta.",
            public=(
                settled(FIXED, PAIR, gamma=np.array([2.0, -0.5]), beta=np.array([10.0, 20.0])),
            ),
            hidden=lambda rng: [
                settled(rng, x, **affine(rng, x.shape[1]))
                for x in (bright(rng, some_shape(rng)) for _ in range(3))
            ],
        ),
        Aspect(
            "eps",
            1,
            "eps is added to the mixed variance, inside the root.",
            public=(
                settled(FIXED, FAINT, eps=1e-3),
                settled(FIXED, FAINT),
                settled(FIXED, FLAT),
            ),
            hidden=lambda rng: [settled(rng, **arguments) for arguments in faint_pictures(rng)],
        ),
        Aspect(
            "array",
            1,
            "Right values, in a new float64 array of x's shape; no argument is changed.",
            public=(given(PAIR, *STORED, 0),),
            hidden=lambda rng: [elsewhere(rng, bright(rng, some_shape(rng)), 0) for _ in range(2)],
            strict=True,
        ),
    ),
    misconceptions=(
        Misconception(
            "stored-moments-alone",
            "Your output is that of batch norm in use: the new batch has no say. It should be "
            "measured as well.",
            adapted_by(share=lambda prior, x: 1.0),
            ("measured", "mixed", "array"),
        ),
        Misconception(
            "measured-moments-alone",
            "Your output is that of batch norm in training: what is stored has no say. With a "
            "single image it would be instance norm. How much the stored moments count, prior "
            "says.",
            adapted_by(share=lambda prior, x: 0.0),
            ("mixed",),
        ),
        Misconception(
            "swaps-the-weights",
            "Your two weights are exchanged. The larger the prior, the more the stored moments "
            "count.",
            adapted_by(share=lambda prior, x: 1 - share_of(prior, x)),
            ("measured", "mixed", "array"),
        ),
        Misconception(
            "half-and-half",
            "Your stored and your measured moments count the same. Their weights are prior and "
            "the number of images.",
            adapted_by(share=lambda prior, x: 0.5),
            ("measured", "mixed", "array"),
        ),
        Misconception(
            "one-step-of-the-running-mean",
            "Your moments are moved a tenth of the way, as running moments are in training. Here "
            "the step depends on prior, and on how many images there are.",
            adapted_by(share=lambda prior, x: 0.9),
            ("measured", "mixed", "array"),
        ),
        Misconception(
            "counts-pixels",
            "You count the pixels of the batch. prior counts images, so count images here too: "
            "neighbouring pixels say much the same.",
            adapted_by(share=lambda prior, x: prior / (prior + x[:, 0].size)),
            ("mixed",),
        ),
        Misconception(
            "counts-channels",
            "You count the channels of the batch, where its images are to be counted. They are "
            "along the first axis.",
            adapted_by(share=lambda prior, x: prior / (prior + x.shape[1])),
            ("mixed",),
        ),
        Misconception(
            "mixes-deviations",
            "You mix the standard deviations and square the result. Here the variances are mixed.",
            adapted_by(blend=deviations),
            ("mixed",),
        ),
        Misconception(
            "variance-of-both-together",
            "In your variance the distance between the two means counts as spread, as if both sets "
            "were thrown together. The scanners differ by that distance, not the pictures. Mix "
            "the two variances as they are.",
            adapted_by(blend=as_one_sample),
            ("mixed",),
            also=(adapted_by(blend=around_the_mixed_mean),),
        ),
        Misconception(
            "mixes-the-outputs",
            "You normalise twice, by the stored moments and by the measured ones, and mix what "
            "comes out. Mix the moments, and normalise once.",
            mixes_the_outputs,
            ("mixed",),
        ),
        Misconception(
            "adapts-the-mean-alone",
            "Your mean is adapted, and your variance is still the stored one.",
            adapted_by(blend=mean_alone),
            ("measured", "mixed", "array"),
        ),
        Misconception(
            "adapts-the-variance-alone",
            "Your variance is adapted, and your mean is still the stored one.",
            adapted_by(blend=variance_alone),
            ("measured", "mixed", "array"),
        ),
        Misconception(
            "each-image-by-itself",
            "Your measured moments are those of each image by itself. Here all images of the "
            "batch come from the new scanner, and are measured together.",
            adapted_by(measured_over(PLANE_AXES)),
            ("measured", "mixed"),
        ),
        Misconception(
            "averages-the-variances",
            "Your measured variance is that of each image, averaged. The images also differ in "
            "their means, and that is part of the variance of the batch.",
            adapted_by(averaged_variances),
            ("measured", "mixed"),
        ),
        Misconception(
            "forgets-gamma-and-beta",
            "Your output is standardised and no more. The network after it was trained with gamma "
            "and beta, and needs them.",
            adapted_by(finish=lambda xhat, gamma, beta: xhat),
            ("gain",),
        ),
        Misconception(
            "forgets-beta",
            "Your output is multiplied by gamma, and beta is missing.",
            adapted_by(finish=lambda xhat, gamma, beta: gamma * xhat),
            ("gain",),
        ),
        Misconception(
            "shifts-before-scaling",
            "Your output is what you get when beta is added first and multiplied by gamma as well.",
            adapted_by(finish=lambda xhat, gamma, beta: gamma * (xhat + beta)),
            ("gain",),
        ),
        Misconception(
            "swaps-gamma-and-beta",
            "Your output is what you get when beta multiplies and gamma is added.",
            swaps_gamma_and_beta,
            ALL,
        ),
        Misconception(
            "divides-by-m-minus-1",
            "Your measured variance divides by m - 1. What batch norm stores does so; what it "
            "normalises a batch by does not, and nor does this.",
            adapted_by(measured_over(BATCH_AXES, ddof=1)),
            ALL,
        ),
        Misconception(
            "divides-by-the-variance",
            "Your output is what you get when you divide by the variance, without a root.",
            adapted_by(scale=variance_itself),
            ALL,
        ),
        Misconception(
            "eps-outside-the-root",
            "Your output is what you get when eps is added to the standard deviation. The "
            "definition adds it to something else, one step earlier.",
            adapted_by(scale=beside),
            ("eps",),
        ),
        Misconception(
            "eps-twice",
            "Your eps is added twice: to the variances before they are mixed, and to the mixture.",
            eps_twice,
            ("eps",),
        ),
        Misconception(
            "forgets-eps",
            "Your output is what you get with eps = 0. A flat channel becomes 0 / 0.",
            adapted_by(scale=without_eps),
            ("eps",),
        ),
        Misconception(
            "ignores-the-eps-argument",
            "Your output is what you get with eps = 1e-5 whatever the caller asks for. Is the "
            "number written out somewhere in your function?",
            adapted_by(scale=fixed_eps),
            ("eps",),
        ),
        Misconception(
            "squares-the-stored-variance",
            "Your output is what you get when running_var is squared. It is a variance already: "
            "the square of a deviation.",
            adapted_by(
                blend=lambda stored, measured, share: blended(
                    (stored[0], stored[1] ** 2), measured, share
                )
            ),
            ("mixed", "gain", "eps"),
        ),
        Misconception(
            "whole-images-of-prior",
            "Your prior is cut down to a whole number. It need not be one: 2.5 images count as "
            "two and a half.",
            adapted_by(share=lambda prior, x: int(prior) / (int(prior) + len(x))),
            ("mixed",),
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but they are written into the array that you were given. Make "
            "a new array for the result.",
            in_place,
            ("array",),
        ),
        Misconception(
            "updates-what-is-stored",
            "Your numbers are right, but what was stored is overwritten. The next batch would "
            "start from this one, and the first scanner would be forgotten.",
            updates_what_is_stored,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "With prior = 0, a gain and an offset of the scanner change your output, though they "
            "should have been measured and taken away.",
            a_new_gain_and_offset_do_not_matter_once_measured,
        ),
        Property(
            "Even with an enormous prior, the output for one image changes with the others of its "
            "batch, though nearly nothing should be taken from them.",
            neighbours_do_not_matter_to_a_firm_prior,
        ),
    ),
)

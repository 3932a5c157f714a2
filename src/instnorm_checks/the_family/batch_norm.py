"""The exercise "batch-norm": batch norm, with its memory."""

from functools import partial

import numpy as np

from instnorm.norms import batch_norm

from ..cases import BATCH, FAINT, FLAT, PAIR, bright, counts, faint_pictures, shuffled, some_shape
from ..engine.compare import agree
from ..engine.exercise import Aspect, Exercise, Misconception, Property
from ..wrong import root
from .identify_norm import shape_with
from .shared import AXES, first_image_stays, wrong_arithmetic


def batch_norm_reference(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    moments = {"running_mean": running_mean.copy(), "running_var": running_var.copy()}
    y = batch_norm(x, **moments, training=training, momentum=momentum, eps=eps)
    return y, *moments.values()


def moments_of(x, ddof=0):
    return x.mean(AXES["BN"]), x.var(AXES["BN"], ddof=ddof)


def moved(old, to, momentum):
    return tuple((1 - momentum) * a + momentum * b for a, b in zip(old, to, strict=True))


def used(x, old, new, training):
    """The moments that standardise x."""
    return moments_of(x) if training else old


def remembered(x, old, training, momentum):
    """The running moments after the call."""
    return moved(old, moments_of(x, ddof=1), momentum) if training else old


def with_memory(use=used, remember=remembered, scale=root):
    """An answer that uses or remembers other moments, or divides by something else."""

    def answer(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
        old = running_mean, running_var
        new = remember(x, old, training, momentum)
        mean, var = (moment[..., None, None] for moment in use(x, old, new, training))
        return (x - mean) / scale(var, eps), *new

    return answer


def remembering(what):
    """An answer that moves towards other moments, `what(x)`, or in another way."""
    return with_memory(
        remember=lambda x, old, training, momentum: (
            moved(old, what(x), momentum) if training else old
        )
    )


def unbiased_by_images(x):
    mean, var = moments_of(x)
    with np.errstate(all="ignore"):
        return mean, var * np.float64(len(x)) / (len(x) - 1)


def unbiased_by_pixels(x):
    mean, var = moments_of(x)
    m = x[0, 0].size
    return mean, var * m / (m - 1)


def deviation_for_variance(x):
    mean, var = moments_of(x, ddof=1)
    return mean, np.sqrt(var)


def plane_moments(x):
    return x.mean((2, 3)), x.var((2, 3))


def averaged_variances(x, ddof=0):
    """The mean over all values; the variance of each plane, averaged over the images."""
    m = x[:, 0].size
    return x.mean(AXES["BN"]), x.var((2, 3)).mean(0) * m / (m - ddof)


def averages_the_variances(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    old = running_mean, running_var
    answer = with_memory(
        use=lambda x, old, new, training: averaged_variances(x) if training else old,
        remember=lambda x, old, training, momentum: (
            moved(old, averaged_variances(x, 1), momentum) if training else old
        ),
    )
    return answer(x, *old, training, momentum, eps)


def remembers_the_output(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    y, *_ = batch_norm_reference(x, running_mean, running_var, training, momentum, eps)
    new = remembered(y, (running_mean, running_var), training, momentum)
    return y, *new


def eps_in_memory(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    y, mean, var = batch_norm_reference(x, running_mean, running_var, training, momentum, eps)
    return y, mean, var + momentum * eps * training


def exchanges_the_variances(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    use = with_memory(use=lambda x, old, new, training: moments_of(x, 1) if training else old)
    y, _, _ = use(x, running_mean, running_var, training, momentum, eps)
    return y, *remembering(moments_of)(x, running_mean, running_var, training, momentum, eps)[1:]


def updates_in_place(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    y, mean, var = batch_norm_reference(x, running_mean, running_var, training, momentum, eps)
    running_mean[...], running_var[...] = mean, var
    return y, running_mean, running_var


def running_moments(rng, channels):
    """Running moments in camera counts, which are not those of any batch."""
    return {
        "running_mean": rng.uniform(8e3, 3e4, channels),
        "running_var": rng.uniform(2e3, 6e3, channels) ** 2,
    }


def mode_of(rng, training, shape=None):
    shape = shape or some_shape(rng)
    momentum = rng.choice([rng.uniform(0.02, 0.08), rng.uniform(0.2, 0.4)])
    x = counts(rng, shape)
    return {
        "x": x,
        **running_moments(rng, shape[1]),
        "training": training,
        "momentum": float(momentum),
    }


def settled(x, training, **rest):
    """The running moments are those of x already: it does not matter which are used."""
    mean, var = moments_of(x)
    return {
        "x": x,
        "running_mean": mean,
        "running_var": var,
        "training": training,
        "momentum": 0.1,
        **rest,
    }


def in_both_modes(x, **rest):
    return tuple(settled(x, training, **rest) for training in (True, False))


def faint_memory(rng):
    """Variances near eps, and running ones too: what is learned must not hold eps."""
    shape, eps = some_shape(rng), 10 ** rng.uniform(-2, -1)
    channels = shape[1]
    return {
        "x": rng.uniform(-1, 1) + np.sqrt(eps * 10 ** rng.uniform(-1, 1)) * shuffled(rng, shape),
        "running_mean": rng.uniform(-1, 1, channels),
        "running_var": eps * rng.uniform(0.5, 2, channels),
        "training": True,
        "momentum": rng.uniform(0.2, 0.4),
        "eps": eps,
    }


def faint_batches(rng):
    for arguments in faint_pictures(rng):
        yield from in_both_modes(**arguments)


def told_apart(rng, x):
    """In training the running moments change, so writing to them in place shows."""
    moments = running_moments(rng, x.shape[1])
    return settled(x, True, **moments), settled(x, False)


def whatever_was_before(run, arguments):
    later = run(
        running_mean=arguments["running_mean"] + 1, running_var=arguments["running_var"] + 1
    )
    return not arguments["training"] or agree(later[0], run()[0])


# Up to 2000, with a variance of some hundred thousands: two images, three channels.
SMALL = 100.0 * np.random.default_rng(1).integers(0, 21, BATCH.shape)
PUBLIC_RUNNING = {
    "running_mean": np.array([900.0, 600.0, 1200.0]),
    "running_var": np.array([250000.0, 160000.0, 490000.0]),
}


def public_batch(training, momentum=0.1, x=SMALL):
    return {"x": x, **PUBLIC_RUNNING, "training": training, "momentum": momentum}


MOMENTUM_UNSAID = {"x": SMALL, **PUBLIC_RUNNING, "training": True}

BATCH_ASPECTS = (
    Aspect(
        "training",
        2,
        "In training, y is standardised by the moments of this batch; with one image it is IN.",
        public=(public_batch(True), public_batch(True, x=SMALL[:1])),
        hidden=lambda rng: [
            mode_of(rng, True),
            mode_of(rng, True),
            mode_of(rng, True, shape_with(rng, N=1)),
        ],
    ),
    Aspect(
        "running-mean",
        1,
        "In training, running_mean moves towards the batch's mean, by the fraction momentum.",
        public=(public_batch(True), public_batch(True, 0.25), MOMENTUM_UNSAID),
        hidden=lambda rng: [mode_of(rng, True) for _ in range(3)],
        judges=(1,),
    ),
    Aspect(
        "running-var",
        1,
        "In training, running_var moves towards the batch's unbiased variance.",
        public=(
            public_batch(True),
            public_batch(True, 0.25),
            faint_memory(np.random.default_rng(12)),
        ),
        hidden=lambda rng: [*(mode_of(rng, True) for _ in range(3)), faint_memory(rng)],
        judges=(2,),
    ),
    Aspect(
        "eval",
        2,
        "Outside training, y is standardised by the running moments, and they stay as they are.",
        public=(public_batch(False), public_batch(False, x=SMALL[:1])),
        hidden=lambda rng: [
            mode_of(rng, False),
            mode_of(rng, False),
            mode_of(rng, False, shape_with(rng, N=1)),
        ],
        judges=(0, 1, 2),
    ),
    Aspect(
        "eps",
        1,
        "eps is added to the variance, inside the root, whichever variance it is.",
        public=(
            *in_both_modes(FAINT, eps=1e-3),
            *in_both_modes(FAINT),
            *in_both_modes(FLAT),
        ),
        hidden=faint_batches,
    ),
    Aspect(
        "array",
        1,
        "Right y, in a new float64 array of x's shape; no argument is changed.",
        public=told_apart(np.random.default_rng(11), PAIR),
        hidden=lambda rng: told_apart(rng, bright(rng, some_shape(rng))),
        strict=True,
    ),
)
STATISTICS = ("running-mean", "running-var")

WITH_MEMORY = Exercise(
    id="batch-norm",
    signature="batch_norm(x, running_mean, running_var, training, momentum=0.1, eps=1e-5)",
    returns=("y", "new_mean", "new_var"),
    reference=batch_norm_reference,
    aspects=BATCH_ASPECTS,
    misconceptions=(
        Misconception(
            "batch-moments-in-eval",
            "Outside training your y still uses the moments of the batch. A picture's output would "
            "then depend on which other pictures are sent along with it. That is what the running "
            "moments are kept for.",
            with_memory(use=lambda x, old, new, training: moments_of(x)),
            ("eval",),
        ),
        Misconception(
            "learns-in-eval",
            "Your running moments go on moving outside training. The model would change with "
            "every picture that it is shown.",
            with_memory(remember=lambda x, old, training, m: remembered(x, old, True, m)),
            ("eval",),
        ),
        Misconception(
            "always-trains",
            "Your function does the same whether training is True or False.",
            with_memory(
                use=lambda x, old, new, training: moments_of(x),
                remember=lambda x, old, training, m: remembered(x, old, True, m),
            ),
            ("eval",),
        ),
        Misconception(
            "old-running-moments-in-training",
            "In training your y is standardised by the running moments. They are for later. In "
            "training every batch is standardised by its own moments.",
            with_memory(use=lambda x, old, new, training: old),
            ("training", "array"),
        ),
        Misconception(
            "new-running-moments-in-training",
            "In training your y is standardised by the running moments, just updated. They are for "
            "later. In training every batch is standardised by its own moments.",
            with_memory(use=lambda x, old, new, training: new),
            ("training", "eps", "array"),
        ),
        Misconception(
            "momentum-the-wrong-way-round",
            "Your running moments keep the fraction momentum of the old value. Here, as in "
            "PyTorch, it is the weight of the new batch: 0.1 is a small step. (Other libraries "
            "mean the opposite.)",
            with_memory(remember=lambda x, old, training, m: remembered(x, old, training, 1 - m)),
            STATISTICS,
        ),
        Misconception(
            "ignores-the-momentum-argument",
            "Your running moments move by a tenth, whatever momentum the caller asks for. Is the "
            "number written out somewhere in your function?",
            with_memory(remember=lambda x, old, training, m: remembered(x, old, training, 0.1)),
            STATISTICS,
        ),
        Misconception(
            "forgets-the-past",
            "Your running moments are simply those of the last batch. They should move towards it "
            "by the fraction momentum, so that many batches have a say.",
            with_memory(remember=lambda x, old, training, m: remembered(x, old, training, 1.0)),
            STATISTICS,
        ),
        Misconception(
            "remembers-nothing",
            "In training your running moments come back as they were given. They should have moved "
            "a little towards the batch.",
            with_memory(remember=lambda x, old, training, m: old),
            STATISTICS,
            plain=True,
        ),
        # After the two mistakes that it combines.
        Misconception(
            "never-trains",
            "Your function behaves as in evaluation even when training is True: nothing is learned "
            "from the batch. How do the running moments come about in the first place?",
            with_memory(
                use=lambda x, old, new, training: old,
                remember=lambda x, old, training, m: old,
            ),
            ("training", *STATISTICS, "array"),
            plain=True,
        ),
        Misconception(
            "biased-running-variance",
            "Your running variance moves towards the variance divided by m. To standardise this "
            "batch that is right. The running variance is an estimate for pictures yet to come, "
            "and estimates divide by m - 1.",
            remembering(moments_of),
            ("running-var",),
        ),
        Misconception(
            "unbiased-variance-in-y",
            "Your y is what you get when the batch is standardised with the variance divided by "
            "m - 1. Two variances are at work: y takes the plain mean of the squared deviations, "
            "and only the running variance divides by m - 1.",
            with_memory(use=lambda x, old, new, training: moments_of(x, 1) if training else old),
            ("training", "eps", "array"),
        ),
        Misconception(
            "exchanges-the-variances",
            "Your two variances are exchanged: y is standardised with the one divided by m - 1, "
            "the running variance learns the one divided by m. Which of them describes these "
            "values, and which estimates others?",
            exchanges_the_variances,
            ("training", "running-var", "eps", "array"),
        ),
        Misconception(
            "eps-in-the-running-variance",
            "Your running variance has eps in it. eps is added when a value is divided, under the "
            "root; what is remembered is the variance itself, or the next call would add it once "
            "more.",
            eps_in_memory,
            ("running-var",),
        ),
        Misconception(
            "counts-the-images-alone",
            "Your running variance is corrected by N / (N - 1). The mean was taken over m = N·H·W "
            "values, so the factor is m / (m - 1).",
            remembering(unbiased_by_images),
            ("running-var",),
        ),
        Misconception(
            "remembers-the-deviation",
            "Your running variance moves towards the batch's standard deviation. Compare the "
            "units: a variance is a square.",
            remembering(deviation_for_variance),
            ("running-var",),
        ),
        Misconception(
            "averages-the-variances",
            "Your variance is the mean of the variances of single images. These are deviations "
            "from each image's own mean; what the images' means differ among each other is "
            "missing. Take one variance of all the channel's values, about their one mean.",
            averages_the_variances,
            ("training", "running-var"),
        ),
        Misconception(
            "remembers-the-output",
            "Your running moments learn from y, after it has been standardised. Its mean is "
            "always 0 and its variance 1: nothing is to be learned from that. Take the moments of "
            "x.",
            remembers_the_output,
            STATISTICS,
        ),
        Misconception(
            "instance-norm-in-training",
            "In training your y is instance norm: each image has its own moments. That agrees with "
            "batch norm for a single image only. How many means does a batch have?",
            with_memory(use=lambda x, old, new, training: plane_moments(x) if training else old),
            ("training",),
        ),
        *wrong_arithmetic(partial(with_memory), ("training", "eval", "eps", "array")),
        Misconception(
            "counts-the-pixels-alone",
            "Your running variance is multiplied by m / (m - 1) with m = H W. A channel's "
            "statistics come from all images: m is N H W.",
            remembering(unbiased_by_pixels),
            ("running-var",),
        ),
        Misconception(
            "in-place",
            "The running moments that you were given are not what they were before the call. Here "
            "the caller keeps them: hand back new arrays. (Did you write += ?)",
            updates_in_place,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "In training your y changes when only the running moments change. It should depend on "
            "the batch alone.",
            whatever_was_before,
        ),
        Property(
            "Outside training your output for one image changes when another image of the batch "
            "changes. Then no image should know of the others.",
            lambda run, arguments: arguments["training"] or first_image_stays(run, arguments["x"]),
        ),
    ),
)

"""The exercise "batch-leakage": how far an image's score depends on the others of its batch."""

from functools import partial

import numpy as np

from instnorm.family import MEMBERS, batch_leakage, normalize

from ..cases import counts, shuffled, some_shape
from ..engine.compare import agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property
from ..wrong import beside, standardise, without_eps

AXES = {"BN": (0, 2, 3), "LN": (1, 2, 3), "IN": (2, 3)}


def with_company(image, company):
    return np.concatenate([image[None], company])


def first_score(y, weight):
    return np.sum(weight * y[0])


def largest_difference(scores):
    return np.ptp(scores, axis=1)


def leak_by(
    gather=with_company,
    norm=normalize,
    score=first_score,
    measure=largest_difference,
):
    """An answer with something else in one place; `measure` is given scores (N, K)."""

    def answer(x, others, weight, mode, eps=1e-5):
        scores = [
            [score(norm(gather(image, company), mode, eps), weight) for company in others]
            for image in x
        ]
        return measure(np.array(scores))

    return answer


def standardised(batch, mode, eps, scale=None):
    change = {"scale": scale} if scale else {}
    return standardise(batch, eps, AXES[mode], **change)


def by_the_others_alone(batch, mode, eps):
    """Batch norm in which the first image is no part of its own batch."""
    if mode != "BN":
        return normalize(batch, mode, eps)
    others = batch[1:]
    mean, var = others.mean(AXES["BN"], keepdims=True), others.var(AXES["BN"], keepdims=True)
    return (batch - mean) / np.sqrt(var + eps)


def in_the_place_of_another(image, company):
    return np.concatenate([image[None], company[1:]])


def from_the_first(scores):
    return np.abs(scores - scores[:, :1]).max(1)


def last_minus_first(scores):
    return scores[:, -1] - scores[:, 0]


def from_one_to_the_next(scores):
    return np.abs(np.diff(scores, axis=1)).max(1)


def from_their_mean(scores):
    return np.abs(scores - scores.mean(1, keepdims=True)).max(1)


def relative(scores):
    return largest_difference(scores) / np.abs(scores).max(1)


def worst_for_all(scores):
    return np.full(len(scores), largest_difference(scores).max())


def largest_pixel(x, others, weight, mode, eps=1e-5):
    """The change of the normalised image, not of its score."""
    leaks = []
    for image in x:
        seen = [normalize(with_company(image, company), mode, eps)[0] for company in others]
        leaks.append(np.ptp(seen, axis=0).max())
    return np.array(leaks)


def all_in_one_batch(x, others, weight, mode, eps=1e-5):
    scores = []
    for company in others:
        y = normalize(np.concatenate([x, company]), mode, eps)[: len(x)]
        scores.append(np.sum(weight * y, axis=(1, 2, 3)))
    return np.ptp(scores, axis=0)


def spoils_x(x, others, weight, mode, eps=1e-5):
    leak = batch_leakage(x, others, weight, mode, eps)
    x -= x.mean()
    return leak


# --- Cases ---


def some_weight(rng, shape):
    """Of either sign, and never near the 1 that changes nothing."""
    return rng.uniform(0.3, 3, shape) * rng.choice([-1, 1], shape)


def some_sizes(rng):
    """(N, C, H, W), few images."""
    return (int(rng.integers(2, 4)), *some_shape(rng)[1:])


def judged(rng, mode="BN", shape=None, companies=None, size=None):
    """Images, companies and a weight; every image has a brightness and a contrast of its own."""
    n, *image = shape or some_sizes(rng)
    k = int(rng.integers(3, 6)) if companies is None else companies
    size = int(rng.integers(2, 5)) if size is None else size
    return {
        "x": counts(rng, (n, *image)),
        "others": counts(rng, (k * size, *image)).reshape(k, size, *image),
        "weight": some_weight(rng, image),
        "mode": mode,
    }


def faint(rng):
    """The same, in units in which the variances are within a factor of ten or so of eps."""
    for _ in range(2):
        eps, (n, *image) = 10 ** rng.uniform(-6, -1), some_sizes(rng)
        unit = np.sqrt(eps * 10 ** rng.uniform(-0.5, 0.5))
        yield {
            "x": unit * shuffled(rng, (n, *image)),
            "others": unit
            * rng.uniform(0.5, 2, (3, 1, 1, 1, 1))
            * shuffled(rng, (6, *image)).reshape(3, 2, *image),
            "weight": some_weight(rng, image),
            "mode": "BN",
            "eps": float(eps),
        }
    plain = judged(rng)
    yield {**plain, "x": 1e-6 * plain["x"], "others": 1e-6 * plain["others"]}


def the_order_of_the_companies_does_not_matter(run, arguments):
    return agree(run(others=arguments["others"][::-1].copy())[0], run()[0])


def the_other_judged_images_do_not_matter(run, arguments):
    x = arguments["x"].copy()
    x[1:] = 3 * x[1:] + 1
    return agree(run(x=x)[0][:1], run()[0][:1])


def twice_the_weight_twice_the_leak(run, arguments):
    return agree(run(weight=2 * arguments["weight"])[0], 2 * run()[0])


# One channel of two pixels. The pictures that are judged: 1000 3000 and 0 6000.
PIXELS = {
    "x": np.array([[[[1000.0, 3000.0]]], [[[0.0, 6000.0]]]]),
    # One stranger in each company, and no two neighbours that are furthest apart.
    "others": np.array(
        [[2000.0, 4000.0], [5000.0, 9000.0], [4000.0, 4500.0], [0.0, 1000.0]]
    ).reshape(4, 1, 1, 1, 2),
    "weight": np.array([[[2.0, 0.5]]]),
    "mode": "BN",
}
# A difference of two sums is not known better in single precision, which costs "array" alone.
DIFFERENCE = 1e-4
FIXED = np.random.default_rng(41)
SOME = judged(FIXED, shape=(2, 2, 1, 2), companies=3, size=2)

BATCH_LEAKAGE = Exercise(
    id="batch-leakage",
    signature="batch_leakage(x, others, weight, mode, eps=1e-5)",
    returns=("leak",),
    reference=batch_leakage,
    aspects=(
        Aspect(
            "neighbours",
            3,
            "Batch norm: the largest score of each image minus its smallest, over the companies.",
            public=(PIXELS, SOME),
            hidden=lambda rng: [judged(rng) for _ in range(4)],
            tolerance=DIFFERENCE,
        ),
        Aspect(
            "norms",
            1,
            "In whichever mode: instance norm and layer norm leak nothing, batch norm does.",
            public=tuple({**SOME, "mode": mode} for mode in MEMBERS),
            hidden=lambda rng: [judged(rng, mode) for mode in MEMBERS],
            tolerance=DIFFERENCE,
        ),
        Aspect(
            "eps",
            1,
            "The norm has the eps that is asked for.",
            public=(
                {**PIXELS, "x": 1e-5 * PIXELS["x"], "others": 1e-5 * PIXELS["others"], "eps": 1e-3},
                {**PIXELS, "x": 1e-6 * PIXELS["x"], "others": 1e-6 * PIXELS["others"]},
            ),
            hidden=faint,
            tolerance=DIFFERENCE,
        ),
        Aspect(
            "array",
            1,
            "Right values, in a new float64 array with one leak for each image; no argument is "
            "changed.",
            public=(PIXELS,),
            hidden=lambda rng: [judged(rng) for _ in range(2)],
            strict=True,
        ),
    ),
    misconceptions=(
        Misconception(
            "from-the-first-company",
            "Your leak is the largest change from the first company. Two other companies may lie "
            "further apart: the largest score minus the smallest.",
            leak_by(measure=from_the_first),
            ALL,
        ),
        Misconception(
            "from-one-company-to-the-next",
            "You compare each company with the next one only. The largest and the smallest score "
            "may belong to any two.",
            leak_by(measure=from_one_to_the_next),
            ALL,
        ),
        Misconception(
            "last-minus-first",
            "Your leak is the last score minus the first. Which company comes last should not "
            "matter.",
            leak_by(measure=last_minus_first),
            ALL,
            also=(leak_by(measure=lambda scores: np.abs(last_minus_first(scores))),),
        ),
        Misconception(
            "from-the-mean-score",
            "Your leak is the largest distance of a score from their mean. Asked is how far two "
            "scores of an image can be apart.",
            leak_by(measure=from_their_mean),
            ALL,
        ),
        Misconception(
            "deviation-of-the-scores",
            "Your leak is the standard deviation of the scores. Asked is the largest minus the "
            "smallest: what the worst company can do.",
            leak_by(measure=partial(np.std, axis=1)),
            ALL,
        ),
        Misconception(
            "relative-to-the-score",
            "Your leak is divided by the size of the score. It is asked in the unit of the score.",
            leak_by(measure=relative),
            ALL,
        ),
        Misconception(
            "worst-image-for-all",
            "Your leaks are all the same, that of the worst image. Each image has its own.",
            leak_by(measure=worst_for_all),
            ALL,
        ),
        Misconception(
            "largest-change-of-a-pixel",
            "You measure how far a normalised pixel moves. Asked is the score: all pixels of the "
            "image, weighted and added.",
            largest_pixel,
            ALL,
        ),
        Misconception(
            "forgets-the-weight",
            "Your score is the plain sum of the normalised image. Each channel and position has a "
            "weight.",
            leak_by(score=lambda y, weight: np.sum(y[0])),
            ALL,
        ),
        Misconception(
            "averages-in-place-of-adding",
            "Your score is a mean over channels and positions. It is their sum.",
            leak_by(score=lambda y, weight: np.mean(weight * y[0])),
            ALL,
        ),
        Misconception(
            "scores-the-whole-batch",
            "Your score is that of all images of the batch together. The image is one of them: "
            "its score alone counts.",
            leak_by(score=lambda y, weight: np.sum(weight * y)),
            ALL,
        ),
        Misconception(
            "scores-another-image",
            "Your score is that of an image of the company. Where in the batch is the image that "
            "you judge?",
            leak_by(score=lambda y, weight: np.sum(weight * y[-1])),
            ALL,
            also=(leak_by(score=lambda y, weight: np.sum(weight * y[1])),),
        ),
        Misconception(
            "in-the-place-of-another",
            "Your image takes the place of one of the company, which is then one short. It joins "
            "them: B others make a batch of B + 1.",
            leak_by(gather=in_the_place_of_another),
            ALL,
        ),
        Misconception(
            "by-the-others-alone",
            "Your image is normalised by the statistics of the others alone. It is part of its own "
            "batch.",
            leak_by(norm=by_the_others_alone),
            ALL,
        ),
        Misconception(
            "all-judged-in-one-batch",
            "All images of x are in your batch at once. Each is judged by itself, in a batch of "
            "its own: it and its company.",
            all_in_one_batch,
            ALL,
        ),
        Misconception(
            "always-batch-norm",
            "Your norm is batch norm, whatever the mode. With instance norm and layer norm the "
            "leak should be 0.",
            leak_by(norm=lambda batch, mode, eps: normalize(batch, "BN", eps)),
            ("norms",),
        ),
        Misconception(
            "ignores-the-eps-argument",
            "Your norm has eps = 1e-5 whatever the caller asks for. Is eps handed on?",
            leak_by(norm=lambda batch, mode, eps: normalize(batch, mode)),
            ("eps",),
        ),
        Misconception(
            "forgets-eps",
            "Your norm has eps = 0.",
            leak_by(norm=partial(standardised, scale=without_eps)),
            ("eps",),
        ),
        Misconception(
            "eps-outside-the-root",
            "Your norm adds eps to the standard deviation. The definition adds it to something "
            "else, one step earlier.",
            leak_by(norm=partial(standardised, scale=beside)),
            ("eps",),
        ),
        Misconception(
            "spoils-x",
            "Your leaks are right, but x is not what it was: your function has changed its "
            "argument.",
            spoils_x,
            ("array",),
        ),
        Misconception(
            "largest-score",
            "Your leak is the largest score, without its sign. How high a score is says nothing "
            "of the company: what counts is how far it moves, from the smallest to the largest.",
            leak_by(measure=lambda scores: np.abs(scores).max(1)),
            ALL,
            also=(leak_by(measure=lambda scores: scores.max(1)),),
        ),
    ),
    properties=(
        Property(
            "With the companies in another order your leak is another.",
            the_order_of_the_companies_does_not_matter,
        ),
        Property(
            "The leak of one image changes when another image of x changes. Each is judged by "
            "itself.",
            the_other_judged_images_do_not_matter,
        ),
        Property(
            "With twice the weight every score is twice as large, and the leak should be.",
            twice_the_weight_twice_the_leak,
        ),
    ),
)

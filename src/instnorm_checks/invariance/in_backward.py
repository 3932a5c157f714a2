"""The exercise "in-backward": the way back."""

from functools import partial

import numpy as np

from instnorm.norms import batch_norm_backward, instance_norm_backward, layer_norm_backward

from ..cases import contrasted, picture, shuffled, upstream, with_gamma
from ..engine.compare import agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property
from ..wrong import (
    PLANE_AXES,
    backward_by,
    beside,
    eps_beside_differentiated,
    fixed_eps,
    hats,
    per_channel,
    plane_mean,
    right_dx,
    sum_by_m_minus_1,
    without_eps,
)
from .shared import PUZZLE


def in_backward(dy, x, gamma, eps):
    return instance_norm_backward(dy, x, gamma, eps=eps)


def changed(dx=None, dgamma=None, dbeta=None):
    """The right gradients, some of them replaced by what a function of the arguments gives."""

    def answer(dy, x, gamma, eps):
        right = in_backward(dy, x, gamma, eps)
        rules = (dx, dgamma, dbeta)
        return tuple(
            rule(dy, x, gamma, eps) if rule else part
            for rule, part in zip(rules, right, strict=True)
        )

    return answer


def whole_sums(g, x_hat, s):
    total = partial(np.sum, axis=PLANE_AXES, keepdims=True)
    return (g - total(g) - x_hat * total(g * x_hat)) / s


def projects_by_a_sum(g, x_hat, s):
    return (g - plane_mean(g) - x_hat * np.sum(g * x_hat, PLANE_AXES, keepdims=True)) / s


def scales_dy_in_place(dy, x, gamma, eps):
    result = in_backward(dy, x, gamma, eps)
    dy *= per_channel(gamma)
    return result


def planes_of_dx_sum_to_nothing(run, arguments):
    total = run()[0].sum(PLANE_AXES)
    return agree(total, np.zeros(total.shape))


def dx_is_orthogonal_to_the_outputs(run, arguments):
    product = np.sum(run(eps=0.0)[0] * hats(arguments["x"], 0.0), PLANE_AXES)
    return agree(product, np.zeros(product.shape))


def is_linear_in_dy(run, arguments):
    twice = run(dy=2 * arguments["dy"])
    return all(agree(a, 2 * b) for a, b in zip(twice, run(), strict=True))


def images_have_their_own_gradients(run, arguments):
    dy = arguments["dy"].copy()
    dy[1:] = 3 * dy[1:] ** 2 + 1
    return agree(run(dy=dy)[0][:1], run()[0][:1])


# Small enough to follow by hand: deviations of -2 and 2, and an upstream gradient of mixed sign.
EVEN_PLANE = np.array([[1.0, 5.0], [5.0, 1.0]])
UPSTREAM = np.array([[1.0, -2.0], [3.0, 0.5]])
BY_HAND = {"dy": UPSTREAM[None, None], "x": EVEN_PLANE[None, None], "gamma": np.ones(1)}
BATCH = with_gamma(
    np.random.default_rng(5), 0.3 + 1.7 * shuffled(np.random.default_rng(4), (2, 3, 4, 5))
)
OWN = with_gamma(np.random.default_rng(7), contrasted(np.random.default_rng(8), (2, 3, 4, 5)))
ONE_CHANNEL = upstream(np.random.default_rng(6), PUZZLE.reshape(1, 1, 2, 3) / 10)

BACKWARD_ASPECTS = (
    Aspect(
        "one-plane",
        1,
        "dx for a single plane, with gamma = 1 and eps = 0.",
        public=({**BY_HAND, "eps": 0.0}, ONE_CHANNEL, {**ONE_CHANNEL, "x": ONE_CHANNEL["x"] / 16}),
        hidden=lambda rng: [upstream(rng, picture(rng, 1, 1)) for _ in range(3)],
    ),
    Aspect(
        "every-plane",
        2,
        "dx for a batch: each plane by itself, with the gamma of its channel.",
        public=(OWN, {**OWN, "x": OWN["x"] / 64}),
        hidden=lambda rng: [with_gamma(rng, contrasted(rng)) for _ in range(3)],
    ),
    Aspect(
        "dgamma",
        1,
        "dgamma collects what every image and every pixel says about gamma.",
        public=(BATCH,),
        hidden=lambda rng: [with_gamma(rng, picture(rng)) for _ in range(3)],
        judges=(1,),
    ),
    Aspect(
        "dbeta",
        1,
        "dbeta does the same for beta.",
        public=(BATCH,),
        hidden=lambda rng: [with_gamma(rng, picture(rng)) for _ in range(3)],
        judges=(2,),
    ),
    Aspect(
        "eps",
        1,
        "dx and dgamma where eps counts, wherever it occurs.",
        public=({**BY_HAND, "eps": 5.0}, {**ONE_CHANNEL, "eps": 0.1}),
        hidden=lambda rng: [
            upstream(rng, x, eps=float(x.var() * 10 ** rng.uniform(-1, 1)))
            for x in (picture(rng, 1, 1), picture(rng, 1, 1))
        ],
        judges=(0, 1),
    ),
    Aspect(
        "array",
        1,
        "Right values, in three new float64 arrays; no argument is changed.",
        public=(
            {**BY_HAND, "gamma": np.array([-2.0]), "eps": 0.0},
            {**ONE_CHANNEL, "x": ONE_CHANNEL["x"] / 16},
        ),
        hidden=lambda rng: [with_gamma(rng, picture(rng, 1, 1)) for _ in range(2)],
        judges=(0, 1, 2),
        strict=True,
    ),
)
DX = ("one-plane", "every-plane", "eps", "array")
STATISTICS = (*DX[:2], "dgamma", *DX[2:])

BACKWARD = Exercise(
    id="in-backward",
    signature="in_backward(dy, x, gamma, eps)",
    returns=("dx", "dgamma", "dbeta"),
    reference=in_backward,
    aspects=BACKWARD_ASPECTS,
    misconceptions=(
        Misconception(
            "statistics-held-constant",
            "Your dx is gamma · dy / s: right if mean and variance were constants. They are "
            "computed from x, so x has three ways to reach the output, and you have followed one.",
            backward_by(lambda g, x_hat, s: g / s),
            DX,
        ),
        Misconception(
            "mean-held-constant",
            "Your dx lacks the term that comes from the mean. Shifting a plane changes nothing "
            "downstream, so each plane of dx must sum to 0. Add up yours.",
            backward_by(lambda g, x_hat, s: (g - x_hat * plane_mean(g * x_hat)) / s),
            DX,
        ),
        Misconception(
            "spread-held-constant",
            "Your dx lacks the term that comes from the variance. At eps = 0 more contrast "
            "changes nothing downstream, so the product of dx with x̂ must sum to 0. Add up yours.",
            backward_by(lambda g, x_hat, s: (g - plane_mean(g)) / s),
            DX,
        ),
        Misconception(
            "sums-instead-of-means",
            "Your dx subtracts the sums of g and of g · x̂ over the plane. Each pixel has an m-th "
            "part in the mean and in the variance, so what is subtracted are means.",
            backward_by(whole_sums),
            DX,
        ),
        Misconception(
            "projection-without-direction",
            "Your dx subtracts the mean of g · x̂ itself from every pixel. That number says how "
            "much is to be taken away along x̂; it has to be multiplied by x̂ again.",
            backward_by(lambda g, x_hat, s: (g - plane_mean(g) - plane_mean(g * x_hat)) / s),
            DX,
        ),
        Misconception(
            "projection-added",
            "Your dx adds the term with x̂ where it should be subtracted.",
            backward_by(
                lambda g, x_hat, s: (g - plane_mean(g) + x_hat * plane_mean(g * x_hat)) / s
            ),
            DX,
        ),
        Misconception(
            "projection-twice",
            "Your dx takes away twice as much along x̂ as it should. The variance does grow by 2 "
            "(x - mean) / m when a pixel is pushed; but s is its root, and the root halves that "
            "again.",
            backward_by(
                lambda g, x_hat, s: (g - plane_mean(g) - 2 * x_hat * plane_mean(g * x_hat)) / s
            ),
            DX,
        ),
        Misconception(
            "projection-on-the-deviations",
            "Your dx takes the deviations x - mean for x̂ in its last term. Both factors there "
            "still have to be divided by s.",
            backward_by(lambda g, x_hat, s: right_dx(g, s * x_hat, s)),
            DX,
        ),
        Misconception(
            "not-divided-by-the-spread",
            "Your dx lacks the factor 1 / s. A faint plane is blown up on the way forth, so its "
            "gradient is blown up on the way back.",
            backward_by(lambda g, x_hat, s: s * right_dx(g, x_hat, s)),
            DX,
        ),
        Misconception(
            "forgets-gamma",
            "Your dx leaves out gamma. The forward pass multiplied by it last, so the gradient "
            "meets it first.",
            changed(dx=lambda dy, x, gamma, eps: in_backward(dy, x, np.ones_like(gamma), eps)[0]),
            ("every-plane", "array"),
        ),
        Misconception(
            "batch-norm",
            "Your dx is that of batch norm: its means run over all images. In instance norm an "
            "image's gradient depends on that image alone.",
            changed(dx=lambda dy, x, gamma, eps: batch_norm_backward(dy, x, gamma, eps=eps)[0]),
            ("every-plane",),
        ),
        Misconception(
            "layer-norm",
            "Your dx is that of layer norm: its means run over all channels of an image. In "
            "instance norm each channel stands by itself.",
            changed(dx=lambda dy, x, gamma, eps: layer_norm_backward(dy, x, gamma, eps=eps)[0]),
            ("every-plane",),
        ),
        Misconception(
            "upstream-of-ones",
            "Your gradients do not depend on dy: they are those of the loss sum(y), whose upstream "
            "gradient is 1 everywhere. For that loss dx is 0, since every plane of y has the same "
            "sum.",
            lambda dy, x, gamma, eps: in_backward(np.ones_like(dy), x, gamma, eps),
            ALL,
            plain=True,
        ),
        Misconception(
            "dgamma-per-image",
            "Your dgamma and dbeta are summed over the pixels only, and have a row for each "
            "image. gamma has shape (C,): all images share it, and each adds its part.",
            changed(
                dgamma=lambda dy, x, gamma, eps: np.sum(dy * hats(x, eps), PLANE_AXES),
                dbeta=lambda dy, x, gamma, eps: dy.sum(PLANE_AXES),
            ),
            ("dgamma", "dbeta", "eps", "array"),
        ),
        Misconception(
            "dgamma-averaged",
            "Your dgamma and dbeta are means. Nothing in y = gamma · x̂ + beta divides by a "
            "number of pixels: the parts of all pixels are added.",
            changed(
                dgamma=lambda dy, x, gamma, eps: np.mean(dy * hats(x, eps), (0, 2, 3)),
                dbeta=lambda dy, x, gamma, eps: dy.mean((0, 2, 3)),
            ),
            ("dgamma", "dbeta", "eps", "array"),
        ),
        Misconception(
            "dgamma-averaged-over-images",
            "Your dgamma and dbeta are summed over the pixels and averaged over the images. The "
            "loss counts every image in full: add them.",
            changed(
                dgamma=lambda dy, x, gamma, eps: np.sum(dy * hats(x, eps), (0, 2, 3)) / len(x),
                dbeta=lambda dy, x, gamma, eps: dy.sum((0, 2, 3)) / len(x),
            ),
            ("dgamma", "dbeta"),
        ),
        Misconception(
            "dgamma-of-the-input",
            "Your dgamma is the sum of dy · x. In the forward pass gamma multiplies x̂, not x.",
            changed(dgamma=lambda dy, x, gamma, eps: np.sum(dy * x, (0, 2, 3))),
            ("dgamma", "eps", "array"),
        ),
        Misconception(
            "dgamma-through-gamma",
            "Your dgamma and dbeta are sums of gamma · dy, which is the gradient at x̂. gamma and "
            "beta sit after x̂: they see dy itself.",
            changed(
                dgamma=lambda dy, x, gamma, eps: gamma * np.sum(dy * hats(x, eps), (0, 2, 3)),
                dbeta=lambda dy, x, gamma, eps: gamma * dy.sum((0, 2, 3)),
            ),
            ("dgamma", "dbeta", "array"),
        ),
        Misconception(
            "swaps-dgamma-and-dbeta",
            "Your dgamma and dbeta are right and in the wrong order: return dx, dgamma, dbeta.",
            lambda dy, x, gamma, eps: tuple(in_backward(dy, x, gamma, eps)[k] for k in (0, 2, 1)),
            ("dgamma", "dbeta", "eps", "array"),
        ),
        Misconception(
            "divides-by-m-minus-1",
            "Your gradients are those of a normalisation whose variance is divided by m - 1. "
            "Instance norm takes the plain mean of the squared deviations.",
            backward_by(sum_by_m_minus_1, ddof=1),
            STATISTICS,
        ),
        Misconception(
            "m-minus-1-in-the-spread",
            "Your formulas are right, but the s in them comes from a variance divided by m - 1. "
            "Instance norm takes the plain mean of the squared deviations.",
            backward_by(ddof=1),
            STATISTICS,
        ),
        Misconception(
            "eps-outside-the-root",
            "Your formulas have std + eps for s. The definition adds eps to something else, one "
            "step earlier.",
            backward_by(scale=beside),
            ("eps",),
        ),
        Misconception(
            "eps-outside-the-root-differentiated",
            "Your gradients are the exact ones of another function: the one that divides by "
            "std + eps. Instance norm adds eps to something else, one step earlier.",
            eps_beside_differentiated,
            ("eps",),
        ),
        Misconception(
            "ignores-the-eps-argument",
            "Your gradients are those for eps = 1e-5, whatever the caller asks for. Is the number "
            "written out somewhere in your function?",
            backward_by(scale=fixed_eps),
            STATISTICS,
        ),
        Misconception(
            "forgets-eps",
            "Your gradients are those for eps = 0. Nobody sees the difference in a contrasty "
            "plane. In a faint one eps is what keeps the gradient from growing without end.",
            backward_by(scale=without_eps),
            ("eps",),
        ),
        Misconception(
            "outputs-without-eps",
            "Your 1 / s holds eps, but your x̂ does not. It is the same s in both places.",
            backward_by(hat_scale=without_eps),
            ("eps",),
        ),
        Misconception(
            "sum-in-the-projection",
            "Your dx subtracts x̂ times the sum of g · x̂ over the plane. Each pixel has only an "
            "m-th part in the variance, so it is the mean of g · x̂ that belongs there.",
            backward_by(projects_by_a_sum),
            DX,
        ),
        Misconception(
            "multiplies-by-the-spread",
            "Your dx is multiplied by s where it should be divided. A faint plane is blown up on "
            "the way forth, so its gradient is blown up on the way back.",
            backward_by(lambda g, x_hat, s: s * s * right_dx(g, x_hat, s)),
            DX,
        ),
        Misconception(
            "means-over-the-batch",
            "Your dx subtracts means over all images of the batch. In instance norm each plane "
            "has statistics of its own, so the means run over height and width of one image.",
            backward_by(partial(right_dx, axes=(0, 2, 3))),
            ("every-plane",),
        ),
        Misconception(
            "gamma-twice",
            "Your dx has gamma in it twice. Multiply dy by gamma once, at the beginning.",
            changed(dx=lambda dy, x, gamma, eps: in_backward(dy, x, gamma * gamma, eps)[0]),
            ("every-plane", "array"),
        ),
        Misconception(
            "only-dgamma-averaged",
            "Your dgamma is a mean. Nothing in y = gamma · x̂ + beta divides by a number of "
            "pixels: the parts of all pixels are added.",
            changed(dgamma=lambda dy, x, gamma, eps: np.mean(dy * hats(x, eps), (0, 2, 3))),
            ("dgamma", "eps", "array"),
        ),
        Misconception(
            "only-dbeta-averaged",
            "Your dbeta is a mean. Nothing in y = gamma · x̂ + beta divides by a number of "
            "pixels: the parts of all pixels are added.",
            changed(dbeta=lambda dy, x, gamma, eps: dy.mean((0, 2, 3))),
            ("dbeta", "array"),
        ),
        Misconception(
            "only-dgamma-through-gamma",
            "Your dgamma is the sum of gamma · dy · x̂. gamma sits after x̂: its gradient begins "
            "with dy itself, and gamma is no part of it.",
            changed(dgamma=lambda dy, x, gamma, eps: gamma * np.sum(dy * hats(x, eps), (0, 2, 3))),
            ("dgamma", "array"),
        ),
        Misconception(
            "dgamma-of-the-first-image",
            "Your dgamma is that of the first image alone. All images share gamma, and each adds "
            "its part.",
            changed(dgamma=lambda dy, x, gamma, eps: np.sum(dy * hats(x, eps), PLANE_AXES)[0]),
            ("dgamma",),
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but an array that you were given is changed on the way, as "
            "in `dy *= ...`. The caller may still need it. Make a new array.",
            scales_dy_in_place,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "A shift of a plane changes nothing downstream, so each plane of dx must sum to 0, "
            "for every eps. Yours does not.",
            planes_of_dx_sum_to_nothing,
        ),
        Property(
            "At eps = 0 the contrast of a plane changes nothing downstream, so the product of dx "
            "with x̂ must sum to 0 over each plane. Yours does not.",
            dx_is_orthogonal_to_the_outputs,
        ),
        Property(
            "Twice the upstream gradient must give twice the gradients. Yours do not follow dy.",
            is_linear_in_dy,
        ),
        Property(
            "Your dx for one image changes when the dy of another image changes. In instance norm "
            "no image knows of the others.",
            images_have_their_own_gradients,
        ),
    ),
)

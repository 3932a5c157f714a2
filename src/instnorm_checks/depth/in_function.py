"""The exercise "in-function": a layer for PyTorch."""

from dataclasses import replace

import numpy as np

from instnorm.norms import (
    batch_norm,
    batch_norm_backward,
    instance_norm,
    instance_norm_backward,
    layer_norm,
    layer_norm_backward,
)

from ..cases import contrasted, picture, shuffled, with_gamma
from ..engine.compare import agree
from ..engine.exercise import Aspect, Exercise, Misconception, Property
from ..invariance.in_backward import BACKWARD
from ..wrong import (
    backward_by,
    beside,
    eps_beside_differentiated,
    fixed_eps,
    hats,
    per_channel,
    right_dx,
    root,
    standardise,
    sum_by_m_minus_1,
    without_eps,
)


def in_function(x, gamma, beta, dy, eps):
    dx, dgamma, dbeta = instance_norm_backward(dy, x, gamma, eps=eps)
    return instance_norm(x, gamma, beta, eps=eps), dx, dgamma, dbeta


def function_by(y=instance_norm, gradients=instance_norm_backward):
    """An answer from another kernel for the way forth, the way back, or both."""

    def answer(x, gamma, beta, dy, eps):
        return y(x, gamma, beta, eps=eps), *gradients(dy, x, gamma, eps=eps)

    return answer


def standardised_by(**change):
    """The way forth, standardised in another way."""

    def y(x, gamma, beta, eps):
        return per_channel(gamma) * standardise(x, eps, **change) + per_channel(beta)

    return y


def keeps_the_output(x, gamma, beta, dy, eps):
    """The way back with y in the place of x̂."""
    y, s = instance_norm(x, gamma, beta, eps=eps), root(x.var((2, 3), keepdims=True), eps)
    dx = right_dx(per_channel(gamma) * dy, y, s)
    return y, dx, np.sum(dy * y, (0, 2, 3)), dy.sum((0, 2, 3))


def recognised_before(*names):
    """Misconceptions of the exercise "in-backward", in the aspects of this one."""
    here = {"one-plane": "dx", "every-plane": "dx"}
    for wrong in map(BACKWARD.misconception, names):
        loses = tuple(dict.fromkeys(here.get(aspect, aspect) for aspect in wrong.loses))
        function = function_by(gradients=wrong.implementation)
        yield replace(wrong, implementation=function, loses=loses)


def forth_and_back(rng, x):
    """gamma of either sign, beta, and a random gradient above."""
    arguments = with_gamma(rng, x)
    beta = rng.uniform(1, 2, x.shape[1]) * rng.choice([-1, 1], x.shape[1])
    gamma, dy = arguments["gamma"], arguments["dy"]
    return {"x": x, "gamma": gamma, "beta": beta, "dy": dy, "eps": 0.0}


def plain_affine(arguments, eps):
    gamma, beta = np.ones_like(arguments["gamma"]), np.zeros_like(arguments["beta"])
    return {**arguments, "gamma": gamma, "beta": beta, "eps": float(eps)}


def faint_planes(rng):
    for _ in range(2):
        x = picture(rng, 1, 1)
        yield plain_affine(forth_and_back(rng, x), x.var() * 10 ** rng.uniform(-1, 1))


def own_planes(rng):
    """Planes, each with its own mean and spread."""
    return forth_and_back(rng, contrasted(rng))


def dx_sums_to_nothing(run, arguments):
    total = run()[1].sum((2, 3))
    return agree(total, np.zeros_like(total))


def gradients_follow_dy(run, arguments):
    twice = run(dy=2 * arguments["dy"])
    return all(agree(a, 2 * b) for a, b in zip(twice[1:], run()[1:], strict=True))


EVEN_PLANE = {
    "x": np.array([[[[1.0, 5.0], [5.0, 1.0]]]]),
    "gamma": np.array([-2.0]),
    "beta": np.array([0.5]),
    "dy": np.array([[[[1.0, -2.0], [3.0, 0.5]]]]),
    "eps": 0.0,
}


def small(arguments):
    """The same with less contrast, where the smallest eps would show."""
    return {**arguments, "x": arguments["x"] / 64}


TWO_IMAGES = forth_and_back(
    np.random.default_rng(25), 0.3 + 1.7 * shuffled(np.random.default_rng(26), (2, 3, 4, 5))
)

FUNCTION_ASPECTS = (
    Aspect(
        "forward",
        1,
        "y: instance norm with gamma and beta.",
        public=(EVEN_PLANE, own_planes(np.random.default_rng(27)), small(EVEN_PLANE)),
        hidden=lambda rng: [own_planes(rng) for _ in range(3)],
    ),
    Aspect(
        "dx",
        2,
        "dx: the gradient at x, by all the ways that lead from x to y.",
        public=(own_planes(np.random.default_rng(28)), small(TWO_IMAGES)),
        hidden=lambda rng: [own_planes(rng) for _ in range(3)],
        judges=(1,),
    ),
    Aspect(
        "dgamma",
        1,
        "dgamma: the gradient at gamma, summed over images and positions.",
        public=(TWO_IMAGES,),
        hidden=lambda rng: [forth_and_back(rng, picture(rng)) for _ in range(3)],
        judges=(2,),
    ),
    Aspect(
        "dbeta",
        1,
        "dbeta: the gradient at beta, likewise.",
        public=(TWO_IMAGES,),
        hidden=lambda rng: [forth_and_back(rng, picture(rng)) for _ in range(3)],
        judges=(3,),
    ),
    Aspect(
        "eps",
        1,
        "The same where eps counts, forth and back.",
        public=(plain_affine(EVEN_PLANE, 5.0),),
        hidden=faint_planes,
        judges=(0, 1, 2),
    ),
    Aspect(
        "array",
        1,
        "Right values, all in float64.",
        public=(EVEN_PLANE, {**EVEN_PLANE, "x": EVEN_PLANE["x"] / 3}),
        hidden=lambda rng: [forth_and_back(rng, picture(rng, 1, 1)) for _ in range(2)],
        judges=(0, 1, 2, 3),
        strict=True,
    ),
)

FUNCTION = Exercise(
    id="in-function",
    signature="in_function(x, gamma, beta, dy, eps)",
    returns=("y", "dx", "dgamma", "dbeta"),
    reference=in_function,
    aspects=FUNCTION_ASPECTS,
    misconceptions=(
        Misconception(
            "divides-by-m-minus-1",
            "Your variance is divided by m - 1, forth and back. gradcheck is content: both "
            "agree. In PyTorch `var` does that unless you say `correction=0`.",
            function_by(standardised_by(ddof=1), backward_by(sum_by_m_minus_1, ddof=1)),
            ("forward", "dx", "dgamma", "eps", "array"),
        ),
        Misconception(
            "m-minus-1-in-the-spread",
            "Your formulas are right, but the s in them comes from a variance divided by m - 1. In "
            "PyTorch `var` does that unless you say `correction=0`.",
            function_by(standardised_by(ddof=1), backward_by(ddof=1)),
            ("forward", "dx", "dgamma", "eps", "array"),
        ),
        Misconception(
            "eps-outside-the-root",
            "Your layer divides by the deviation plus eps, and its gradients are right for that: "
            "gradcheck is content. The definition adds eps one step earlier.",
            function_by(standardised_by(scale=beside), eps_beside_differentiated),
            ("eps",),
        ),
        Misconception(
            "deviation-plus-eps-for-s",
            "Your formulas have the deviation plus eps for s, forth and back. The definition adds "
            "eps one step earlier.",
            function_by(standardised_by(scale=beside), backward_by(scale=beside)),
            ("eps",),
        ),
        Misconception(
            "forgets-eps",
            "Your layer does not depend on eps, neither forth nor back.",
            function_by(standardised_by(scale=without_eps), backward_by(scale=without_eps)),
            ("eps",),
        ),
        Misconception(
            "ignores-the-eps-argument",
            "Your layer has eps = 1e-5 forth and back, whatever the caller asks for. Is the "
            "number written out somewhere in your functions?",
            function_by(standardised_by(scale=fixed_eps), backward_by(scale=fixed_eps)),
            ("forward", "dx", "dgamma", "eps", "array"),
        ),
        Misconception(
            "forgets-beta",
            "Your forward leaves out beta.",
            function_by(lambda x, gamma, beta, eps: instance_norm(x, gamma, eps=eps)),
            ("forward", "array"),
        ),
        Misconception(
            "forgets-gamma-and-beta",
            "Your forward returns x̂. gamma and beta come after it.",
            function_by(lambda x, gamma, beta, eps: hats(x, eps)),
            ("forward", "array"),
        ),
        Misconception(
            "statistics-of-the-batch",
            "Your layer is batch norm: its statistics run over the images too, forth and back.",
            function_by(
                lambda x, gamma, beta, eps: batch_norm(x, gamma, beta, eps=eps),
                batch_norm_backward,
            ),
            ("forward", "dx"),
        ),
        Misconception(
            "statistics-of-the-image",
            "Your layer is layer norm: its statistics run over the channels too, forth and back.",
            function_by(layer_norm, layer_norm_backward),
            ("forward", "dx"),
        ),
        Misconception(
            "keeps-the-output",
            "Your way back has y where the formula has x̂. They differ by gamma and beta: which of "
            "the two did you save for the way back?",
            keeps_the_output,
            ("dx", "dgamma", "array"),
        ),
        *recognised_before(
            "statistics-held-constant",
            "mean-held-constant",
            "spread-held-constant",
            "sums-instead-of-means",
            "projection-without-direction",
            "projection-added",
            "not-divided-by-the-spread",
            "forgets-gamma",
            "upstream-of-ones",
            "dgamma-averaged",
            "dgamma-of-the-input",
            "dgamma-through-gamma",
            "swaps-dgamma-and-dbeta",
        ),
    ),
    properties=(
        Property(
            "A shift of a plane changes nothing downstream, so each plane of dx must sum to 0, "
            "for every eps. Yours does not.",
            dx_sums_to_nothing,
        ),
        Property(
            "Twice the upstream gradient must give twice the gradients. Yours do not follow dy.",
            gradients_follow_dy,
        ),
    ),
)

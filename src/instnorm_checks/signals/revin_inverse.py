"""The exercise "revin-inverse": RevIN on the way out."""

import numpy as np

from instnorm.series import revin_inverse

from ..engine.compare import agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property
from ..wrong import beside, fixed_eps, root, variance_itself, without_eps
from .revin import down, scaled_then_shifted, some_affine
from .shared import some_sizes


def inverse_reference(y, mean, var, gamma, beta, eps=1e-5):
    return revin_inverse(y, (mean, var), gamma, beta, eps=eps)


def unshifted_then_unscaled(y, gamma, beta):
    return (y - down(beta)) / down(gamma)


def back(
    affine=unshifted_then_unscaled, scale=root, rule=lambda xhat, mean, std: xhat * std + mean
):
    """The right answer with one step replaced."""

    def answer(y, mean, var, gamma, beta, eps=1e-5):
        xhat = affine(y, gamma, beta)
        return rule(xhat, mean[..., None], scale(var, eps)[..., None])

    return answer


def shared(statistic):
    """One value for all windows."""
    return np.broadcast_to(statistic.mean(0), statistic.shape)


def back_with_shared_statistics(y, mean, var, gamma, beta, eps=1e-5):
    return inverse_reference(y, shared(mean), shared(var), gamma, beta, eps)


def beside_gamma(small):
    """An answer that divides by gamma + small(eps)."""
    return lambda y, mean, var, gamma, beta, eps=1e-5: inverse_reference(
        y, mean, var, gamma + small(eps), beta, eps
    )


def standardises_the_forecast(y, mean, var, gamma, beta, eps=1e-5):
    own = (y - y.mean(-1, keepdims=True)) / np.sqrt(y.var(-1, keepdims=True) + eps)
    return inverse_reference(own, mean, var, gamma, beta, eps)


def back_in_place(y, mean, var, gamma, beta, eps=1e-5):
    y -= down(beta)
    y /= down(gamma)
    y *= np.sqrt(var + eps)[..., None]
    y += mean[..., None]
    return y


def forecast(rng, shape, **rest):
    """A normalised forecast of any length, with the statistics of the windows it is for.

    The level is high above 0, where the tolerance would count in units of the last digit.
    """
    n, c, _ = shape
    return {
        "y": rng.uniform(-1, 1, shape),
        "mean": rng.uniform(3e4, 6e4, (n, c)),
        "var": rng.uniform(2e3, 6e3, (n, c)) ** 2,
        **unaffected(c),
        **rest,
    }


def unaffected(channels):
    return {"gamma": np.ones(channels), "beta": np.zeros(channels)}


def same_windows(rng, shape, **rest):
    """A forecast whose windows all have the same statistics."""
    n, c, horizon = shape
    statistics = {
        "mean": np.tile(rng.uniform(3e4, 6e4, c), (n, 1)),
        "var": np.tile(rng.uniform(2e3, 6e3, c) ** 2, (n, 1)),
    }
    return forecast(rng, (n, c, horizon), **{**statistics, **rest})


def faint_forecasts(rng):
    # What is of the size of eps², beside gamma, shows where eps is large.
    for low, high in ((-6, -1), (-1.5, -0.5)):
        c = int(rng.integers(2, 5))
        eps = 10 ** rng.uniform(low, high)
        var = np.full((1, c), eps * 10 ** rng.uniform(-1, 1))
        mean = rng.uniform(-1, 1, (1, c))
        yield forecast(rng, (1, c, 5), mean=mean, var=var, eps=eps)
    yield forecast(rng, (1, 2, 4), mean=np.ones((1, 2)), var=np.zeros((1, 2)))


def gamma_beta_and_y_in_step(run, arguments):
    y, gamma, beta = (arguments[name] for name in ("y", "gamma", "beta"))
    return agree(run(y=2 * y + 1, gamma=2 * gamma, beta=2 * beta + 1)[0], run()[0])


def statistics_stay_with_their_window(run, arguments):
    mean, var = arguments["mean"].copy(), arguments["var"].copy()
    mean[1:] += 1000
    var[1:] *= 4
    return agree(run(mean=mean, var=var)[0][:1], run()[0][:1])


PUBLIC_FORECAST = {
    "y": np.array([[[0.0, 1.0, -1.0]] * 2, [[2.0, 0.5, 0.0], [0.0, -2.0, 1.0]]]),
    "mean": np.array([[30000.0, 50000.0], [20000.0, 80000.0]]),
    "var": np.array([[4e6, 9e6], [2.5e7, 1.6e7]]),
}
SMALL_FORECAST = {
    "y": np.array([[[0.0, 1.0, -1.0, 0.5], [1.0, 0.0, 2.0, -0.5]]]),
    "mean": np.array([[1.0, 2.0]]),
    "var": np.array([[2e-5, 2e-5]]),
    **unaffected(2),
}

BACK_ASPECTS = (
    Aspect(
        "statistics",
        2,
        "Each window and variable gets its own deviation and its own mean back, in that order.",
        public=({**PUBLIC_FORECAST, **unaffected(2)},),
        hidden=lambda rng: [
            *(forecast(rng, some_sizes(rng)) for _ in range(3)),
            forecast(rng, (4, 3, 1)),
        ],
    ),
    Aspect(
        "affine",
        2,
        "Before that, gamma and beta are undone, the last step first.",
        public=(
            # C = H = 3: broadcasting along the wrong axis goes unnoticed here.
            same_windows(
                np.random.default_rng(7), (2, 3, 3), **some_affine(np.random.default_rng(6), 3)
            ),
            {
                **PUBLIC_FORECAST,
                "mean": np.full((2, 2), 30000.0),
                "var": np.full((2, 2), 4e6),
                "gamma": np.array([2.0, -0.5]),
                "beta": np.array([10.0, 20.0]),
            },
        ),
        hidden=lambda rng: [
            same_windows(rng, shape, **some_affine(rng, shape[1]))
            for shape in (some_sizes(rng) for _ in range(3))
        ],
    ),
    Aspect(
        "eps",
        1,
        "eps is added to the variance, inside the root, as on the way there.",
        public=(
            {**SMALL_FORECAST, "eps": 1e-3},
            {**SMALL_FORECAST, "eps": 0.1},
            SMALL_FORECAST,
            {**SMALL_FORECAST, "var": np.zeros((1, 2))},
        ),
        hidden=lambda rng: list(faint_forecasts(rng)),
    ),
    Aspect(
        "array",
        1,
        "Right values, in a new float64 array of y's shape; no argument is changed.",
        public=(same_windows(np.random.default_rng(8), (2, 3, 4)),),
        hidden=lambda rng: [same_windows(rng, some_sizes(rng)) for _ in range(2)],
        strict=True,
    ),
)

BACK = Exercise(
    id="revin-inverse",
    signature="revin_inverse(y, mean, var, gamma, beta, eps=1e-5)",
    returns=("x",),
    reference=inverse_reference,
    aspects=BACK_ASPECTS,
    misconceptions=(
        Misconception(
            "forgets-the-mean",
            "Your forecast has the right swing around 0. The level of the window is missing.",
            back(rule=lambda xhat, mean, std: xhat * std),
            ALL,
        ),
        Misconception(
            "forgets-the-deviation",
            "Your forecast has the right level, and a swing of about 1 whatever the series. What "
            "was divided by on the way there?",
            back(rule=lambda xhat, mean, std: xhat + mean),
            ALL,
        ),
        Misconception(
            "mean-before-deviation",
            "Your output is what you get when the mean is added first and the sum is multiplied. "
            "On the way there the mean was taken off first; so on the way back it comes last.",
            back(rule=lambda xhat, mean, std: (xhat + mean) * std),
            ALL,
        ),
        Misconception(
            "normalises-once-more",
            "Your output is what you get when the mean is subtracted and the deviation divided by, "
            "a second time. This function goes the other way.",
            back(rule=lambda xhat, mean, std: (xhat - mean) / std),
            ALL,
        ),
        Misconception(
            "multiplies-by-the-variance",
            "Your output is what you get when the forecast is multiplied by the variance. Which "
            "power of it was divided by?",
            back(scale=variance_itself),
            ALL,
        ),
        Misconception(
            "statistics-of-the-batch",
            "Your output is what you get when all windows get the same mean and variance back, "
            "averaged over the batch. Each window came with its own.",
            back_with_shared_statistics,
            ("statistics",),
        ),
        Misconception(
            "forgets-beta",
            "Your output is divided by gamma, and beta is still in it.",
            back(affine=lambda y, gamma, beta: y / down(gamma)),
            ("affine",),
        ),
        Misconception(
            "forgets-gamma",
            "Your output has lost beta, and gamma is still in it.",
            back(affine=lambda y, gamma, beta: y - down(beta)),
            ("affine",),
        ),
        Misconception(
            "forgets-gamma-and-beta",
            "Your output is right where gamma is 1 and beta is 0. Elsewhere they are still in it.",
            back(affine=lambda y, gamma, beta: y),
            ("affine",),
        ),
        Misconception(
            "gamma-and-beta-once-more",
            "Your output is what you get when gamma and beta are applied a second time. They were "
            "put on last, so they have to be taken off first.",
            back(affine=scaled_then_shifted),
            ("affine",),
        ),
        Misconception(
            "unscales-before-unshifting",
            "Your output is what you get from y / gamma - beta. On the way there beta came last, "
            "so it has to go first.",
            back(affine=lambda y, gamma, beta: y / down(gamma) - down(beta)),
            ("affine",),
        ),
        Misconception(
            "affine-at-the-end",
            "Your output is what you get when mean and deviation are put back first and gamma and "
            "beta undone afterwards. Shoes come off before socks.",
            lambda y, mean, var, gamma, beta, eps=1e-5: unshifted_then_unscaled(
                y * np.sqrt(var + eps)[..., None] + mean[..., None], gamma, beta
            ),
            ("affine",),
        ),
        Misconception(
            "gamma-along-time",
            "Your output is what you get when gamma and beta run along the last axis, time. They "
            "belong to the variables.",
            back(affine=lambda y, gamma, beta: (y - beta) / gamma),
            ALL,
            raises=ValueError,
        ),
        Misconception(
            "eps-outside-the-root",
            "Your output is what you get when eps is added to the standard deviation. The way back "
            "has to use what the way there used.",
            back(scale=beside),
            ("eps",),
        ),
        Misconception(
            "forgets-eps",
            "Your output is what you get with eps = 0. The way there divided by a root with eps in "
            "it; multiply by the same.",
            back(scale=without_eps),
            ("eps",),
        ),
        Misconception(
            "ignores-the-eps-argument",
            "Your output is what you get with eps = 1e-5 whatever the caller asks for.",
            back(scale=fixed_eps),
            ("eps",),
        ),
        Misconception(
            "a-small-number-beside-gamma",
            "You divide by gamma plus a small number, to be safe where gamma is 0. The way there "
            "multiplied by gamma itself, and only gamma itself undoes that.",
            beside_gamma(lambda eps: eps**2),
            ("eps",),
            also=(beside_gamma(lambda eps: eps), beside_gamma(lambda eps: 1e-5)),
        ),
        Misconception(
            "standardises-the-forecast",
            "Your output is what you get when the forecast is standardised first, by its own mean "
            "and variance. The statistics are those you were given; the forecast's own have "
            "nothing to do with it.",
            standardises_the_forecast,
            ALL,
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but they are written into the forecast that you were given. "
            "Make a new array.",
            back_in_place,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "If the network's y, gamma and beta all move together (y and beta by 1, after gamma, y "
            "and beta are doubled), the forecast is the same. Yours is not.",
            gamma_beta_and_y_in_step,
        ),
        Property(
            "The forecast for one window changes with the statistics of another window.",
            statistics_stay_with_their_window,
        ),
    ),
)

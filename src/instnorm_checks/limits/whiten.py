"""The exercise "whiten": whitening."""

from functools import partial

import numpy as np

from instnorm.norms import instance_norm
from instnorm.whitening import whiten, whitening_matrix

from ..engine.compare import DOUBLE, FAIR, agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property


def whiten_reference(x, method, eps=0.0):
    if method == "in":
        return instance_norm(x[None], eps=eps)[0], np.diag((x.var(1) + eps) ** -0.5)
    return whiten(x, method, eps=eps)


def white_rows(rng, channels, positions):
    """(C, M) with mean 0 and, but for rounding, the identity for covariance."""
    columns = np.column_stack([np.ones(positions), rng.standard_normal((positions, channels))])
    return np.sqrt(positions) * np.linalg.qr(columns)[0][:, 1:].T


def principal_variances(rng, channels):
    """Falling, and well apart."""
    return np.cumprod(rng.uniform(1.8, 3, channels))[::-1]


def rotation(rng, channels):
    """A turn by up to half a right angle in each pair of channels, a little less in all."""
    turned = np.eye(channels)
    for i in range(channels):
        for j in range(i + 1, channels):
            angle = rng.uniform(0.2, 0.4) * rng.choice([-1, 1])
            pair = np.eye(channels)
            pair[[i, i, j, j], [i, j, i, j]] = [
                np.cos(angle),
                -np.sin(angle),
                np.sin(angle),
                np.cos(angle),
            ]
            turned = turned @ pair
    return turned


def channels_of(rng, turn=rotation):
    """Channels (C, M) with means well away from 0; correlated, unless `turn` is the identity."""
    channels, positions = int(rng.integers(3, 5)), int(rng.integers(7, 12))
    deviations = np.sqrt(principal_variances(rng, channels))[:, None]
    mean = rng.uniform(1, 3, (channels, 1)) * rng.choice([-1, 1], (channels, 1))
    return mean + turn(rng, channels) @ (deviations * white_rows(rng, channels, positions))


def uncorrelated(rng):
    return channels_of(rng, lambda rng, channels: np.eye(channels))


def in_matrix(sigma):
    return np.diag(np.diag(sigma) ** -0.5)


RIGHT_MATRIX = {
    "in": in_matrix,
    **{
        method: partial(whitening_matrix, method=method)
        for method in ("zca", "pca", "cholesky", "zca-cor")
    },
}


def covariance(x, eps, ddof=0):
    return np.cov(x, ddof=ddof) + eps * np.eye(len(x))


def centred(w, x):
    return w @ (x - x.mean(1, keepdims=True)), w


def whiten_by(matrices=None, of=covariance, apply=centred):
    """The right answer with one step replaced: a method's matrix, Σ, or what is done with W."""
    table = {**RIGHT_MATRIX, **(matrices or {})}

    def answer(x, method, eps=0.0):
        return apply(table[method](of(x, eps)), x)

    return answer


def about_zero(x, eps):
    return x @ x.T / x.shape[1] + eps * np.eye(len(x))


def eigen(sigma):
    """Falling variances, and the axes in columns with a positive diagonal."""
    variances, u = np.linalg.eigh(sigma)
    u = u[:, ::-1]
    return variances[::-1], u * np.where(np.diag(u) < 0, -1.0, 1.0)


def power(exponent):
    def matrix(sigma):
        variances, u = eigen(sigma)
        return u * variances**exponent @ u.T

    return matrix


def beside_the_root(x, method, eps=0.0):
    """eps added to standard deviations."""
    sigma = covariance(x, 0.0)
    if method in ("in", "zca-cor"):
        by = np.diag(1 / (np.sqrt(np.diag(sigma)) + eps))
        root = np.eye(len(sigma)) if method == "in" else power(-0.5)(np.corrcoef(x))
        return centred(root @ by, x)
    variances, u = eigen(sigma)
    pca = u.T / (np.sqrt(variances) + eps)[:, None]
    if method == "cholesky":
        return centred(np.linalg.cholesky(np.linalg.inv(u * (variances + eps) @ u.T)).T, x)
    return centred(u @ pca if method == "zca" else pca, x)


def correlation_without_eps(x, method, eps=0.0):
    if method != "zca-cor":
        return whiten_reference(x, method, eps)
    root = whitening_matrix(correlation(covariance(x, 0.0)))
    return centred(root @ in_matrix(covariance(x, eps)), x)


def axes_in_rows(sigma):
    variances, u = eigen(sigma)
    return u / np.sqrt(variances)[:, None]


def not_turned_back(sigma):
    return whitening_matrix(sigma, "pca")


def rising(sigma):
    variances, u = np.linalg.eigh(sigma)
    return u.T * np.where(np.diag(u) < 0, -1.0, 1.0)[:, None] / np.sqrt(variances)[:, None]


def values_turned_alone(sigma):
    variances, u = np.linalg.eigh(sigma)
    w = u.T / np.sqrt(variances[::-1])[:, None]
    return w * np.where(np.diag(w) < 0, -1.0, 1.0)[:, None]


def correlation(sigma):
    scale = np.diag(sigma) ** -0.5
    return scale[:, None] * sigma * scale


def correlation_only(sigma):
    return power(-0.5)(correlation(sigma))


def scaled_last(sigma):
    return np.diag(np.diag(sigma) ** -0.5) @ correlation_only(sigma)


def whitened_in_place(x, method, eps=0.0):
    z, w = whiten_reference(x, method, eps)
    x -= x.mean(1, keepdims=True)
    return z, w


def turned_over(theirs, expected):
    """The same rows, some of them with the other sign."""
    same = [agree(a, b) or agree(a, -b) for a, b in zip(theirs, expected, strict=True)]
    return all(same)


def whitened_ignores_brightness(run, arguments):
    x = arguments["x"]
    return agree(run(x=x + np.arange(1.0, len(x) + 1)[:, None])[0], run()[0])


def whitened_ignores_units(run, arguments):
    x, eps = arguments["x"], arguments.get("eps", 0.0)
    return agree(run(x=2 * x, eps=4 * eps)[0], run()[0])


def uncorrelated_when_whitened(run, arguments):
    if arguments["method"] == "in":
        return True
    sigma = np.cov(run(eps=0.0)[0], ddof=0)
    return agree(sigma, np.diag(np.diag(sigma)))


def z_is_w_times_the_deviations(run, arguments):
    z, w = run()
    return agree(z, centred(w, arguments["x"])[0])


# Two channels that nearly agree: deviations (-5, 1, 1, 3) and (-1, -1, 1, 1).
PAIR = np.array([[1.0, 7.0, 7.0, 9.0], [4.0, 4.0, 6.0, 6.0]])
THREE = channels_of(np.random.default_rng(20))
CROSS = np.array([[3.0, 7.0, 3.0, 7.0], [4.0, 4.0, 2.0, 2.0]])  # uncorrelated, deviations 2 and 1


def by_method(method, rng, cases=3):
    return [{"x": channels_of(rng), "method": method} for _ in range(cases)]


def method_aspect(method, points, says):
    return Aspect(
        "instance-norm" if method == "in" else method,
        points,
        says,
        public=({"x": PAIR, "method": method}, {"x": THREE, "method": method}),
        hidden=partial(by_method, method),
        judges=(0, 1),
        tolerance=FAIR,
    )


def exactly_uncorrelated(rng):
    """No rounding error turns the sign of an eigenvector."""
    fainter, stronger = sorted(2.0 ** rng.integers(-2, 3, 2))
    return CROSS[:, rng.permutation(4)] * np.array([[stronger], [fainter]])


def beside_the_variances(rng):
    """eps within a factor of three of the smallest variance."""
    special = {"zca-cor": channels_of, "pca": exactly_uncorrelated}
    for method in RIGHT_MATRIX:
        x = special.get(method, uncorrelated)(rng)
        eps = float(x.var(1).min() * 10 ** rng.uniform(-0.5, 0.5))
        yield {"x": x, "method": method, "eps": eps}


WHITEN_ASPECTS = (
    method_aspect("in", 1, "'in': each channel loses its mean and is divided by its own spread."),
    method_aspect("zca", 2, "'zca': the symmetric W that makes the covariance of z the identity."),
    method_aspect("pca", 1, "'pca': principal axes, by falling variance, W's diagonal positive."),
    method_aspect("cholesky", 1, "'cholesky': W is upper triangular, from the inverse of Σ."),
    method_aspect("zca-cor", 1, "'zca-cor': instance norm first, then whitening what it left."),
    Aspect(
        "eps",
        1,
        "eps is added to the diagonal of Σ, before anything is done with it.",
        public=(
            *({"x": CROSS, "method": m, "eps": 0.5} for m in ("in", "zca", "pca", "cholesky")),
            {"x": PAIR, "method": "zca-cor", "eps": 0.5},
        ),
        hidden=lambda rng: list(beside_the_variances(rng)),
        judges=(0, 1),
        tolerance=FAIR,
    ),
    Aspect(
        "array",
        1,
        "Right values, in two new float64 arrays (C, M) and (C, C); x is unchanged.",
        public=({"x": PAIR, "method": "in"}, {"x": PAIR / 7, "method": "in"}),
        hidden=partial(by_method, "in", cases=2),
        judges=(0, 1),
        strict=True,
        tolerance=DOUBLE,
    ),
)
WHITENERS = ("zca", "pca", "cholesky", "zca-cor")

WHITEN = Exercise(
    id="whiten",
    signature="whiten(x, method, eps=0.0)",
    returns=("z", "w"),
    reference=whiten_reference,
    aspects=WHITEN_ASPECTS,
    misconceptions=(
        Misconception(
            "unit-variance-is-enough",
            "Your z is instance norm, whatever the method. Every channel has variance 1, and the "
            "channels still follow each other as they did. White means that the covariances "
            "between them are 0 as well.",
            whiten_by(dict.fromkeys(WHITENERS, in_matrix)),
            (*WHITENERS, "eps"),
        ),
        Misconception(
            "not-turned-back",
            "Your 'zca' stops half-way: it turns the channels into the principal axes and scales "
            "them there. The result is white, but its rows are no longer your channels. ZCA "
            "turns back afterwards, and so does the second half of 'zca-cor'.",
            whiten_by(
                {
                    "zca": not_turned_back,
                    "zca-cor": lambda sigma: not_turned_back(correlation(sigma)) @ in_matrix(sigma),
                }
            ),
            ("zca", "zca-cor", "eps"),
        ),
        Misconception(
            "axes-in-rows",
            "Your 'pca' uses the matrix of eigenvectors as it comes. NumPy puts the eigenvectors "
            "into its columns; to find a channel's part along each of them, they have to be the "
            "rows of W.",
            whiten_by({"pca": axes_in_rows}),
            ("pca",),
        ),
        Misconception(
            "smallest-variance-first",
            "Your 'pca' has its axes in the order of rising variance, as eigh returns them. The "
            "convention is the other way round: the axis that explains most comes first.",
            whiten_by({"pca": rising}),
            ("pca", "eps"),
        ),
        Misconception(
            "signs-left-to-chance",
            "Your 'pca' is right but for signs. An axis has no front and no back, so a program may "
            "return either, and another machine the other. That is why the exercise fixes them: "
            "the diagonal of W is positive.",
            whiten_by({"pca": lambda sigma: -whitening_matrix(sigma, "pca")}),
            ("pca", "eps"),
            turned_over,
        ),
        Misconception(
            "no-square-root",
            "Your 'zca' and 'zca-cor' multiply by the inverse of the matrix, not by the inverse of "
            "its square root. W meets Σ twice, W Σ Wᵀ, once from each side; each has to do half "
            "the work.",
            whiten_by(
                {"zca": power(-1), "zca-cor": lambda s: power(-1)(correlation(s)) @ in_matrix(s)}
            ),
            ("zca", "zca-cor", "eps"),
        ),
        Misconception(
            "colours-instead",
            "Your 'zca' and 'zca-cor' multiply by the square root where its inverse is meant. That "
            "makes correlations stronger: it is the way back, which colours white data.",
            whiten_by(
                {"zca": power(0.5), "zca-cor": lambda s: power(0.5)(correlation(s)) @ in_matrix(s)}
            ),
            ("zca", "zca-cor", "eps"),
        ),
        Misconception(
            "cholesky-of-the-covariance",
            "Your 'cholesky' is the inverse of the factor of Σ. It is lower triangular, and it "
            "does whiten; there are many ways. The one asked for is the factor of the inverse of "
            "Σ, transposed: upper triangular.",
            whiten_by({"cholesky": lambda sigma: np.linalg.inv(np.linalg.cholesky(sigma))}),
            ("cholesky",),
        ),
        Misconception(
            "cholesky-not-transposed",
            "Your 'cholesky' is the factor L of Σ⁻¹ = L Lᵀ itself, and that does not whiten. Put "
            "it into W Σ Wᵀ, and then try its transpose.",
            whiten_by({"cholesky": lambda sigma: np.linalg.cholesky(np.linalg.inv(sigma))}),
            ("cholesky",),
        ),
        Misconception(
            "zca-cor-is-zca",
            "Your 'zca-cor' is the same as 'zca'. Here instance norm comes first, and what is "
            "whitened is its output, whose covariance is another matrix than Σ.",
            whiten_by({"zca-cor": RIGHT_MATRIX["zca"]}),
            ("zca-cor", "eps"),
        ),
        Misconception(
            "correlation-without-the-spreads",
            "Your 'zca-cor' applies R^(-1/2) to the channels as they are. R is the covariance of "
            "the standardised channels, so they have to be divided by their spreads before.",
            whiten_by({"zca-cor": correlation_only}),
            ("zca-cor", "eps"),
        ),
        Misconception(
            "spreads-after-the-rotation",
            "Your 'zca-cor' has its two factors in the wrong order. In W (x - mean) the factor on "
            "the right acts first, and instance norm is the first half.",
            whiten_by({"zca-cor": scaled_last}),
            ("zca-cor", "eps"),
        ),
        Misconception(
            "divides-by-m-minus-1",
            "Your covariance is divided by M - 1, as np.cov does unless told otherwise. Instance "
            "norm takes the plain mean, and so does everything here: np.cov(x, bias=True).",
            whiten_by(of=partial(covariance, ddof=1)),
            ALL,
        ),
        Misconception(
            "not-centred",
            "Your W is right, but it multiplies x itself. The means of the channels are still "
            "there, stretched and mixed. Subtract them first.",
            whiten_by(apply=lambda w, x: (w @ x, w)),
            ALL,
        ),
        Misconception(
            "covariance-about-zero",
            "Your Σ is built from x and not from its deviations from the mean. A bright channel "
            "then looks as though it varied a lot.",
            whiten_by(of=about_zero),
            ALL,
        ),
        Misconception(
            "w-transposed",
            "Your z is right, and the W that you return is the transpose of the one that made it.",
            whiten_by(apply=lambda w, x: (centred(w, x)[0], w.T)),
            ("pca", "cholesky", "zca-cor", "eps"),
        ),
        Misconception(
            "correlation-without-eps",
            "Your 'zca-cor' has eps in the spreads, and not in the correlations. Both belong to "
            "the same matrix, Σ + eps·I: its diagonal gives the one, its other entries, divided by "
            "the spreads, the other.",
            correlation_without_eps,
            ("eps",),
        ),
        Misconception(
            "forgets-eps",
            "Your output is the one for eps = 0. With eps, Σ + eps·I takes the place of Σ, in "
            "every method.",
            whiten_by(of=lambda x, eps: covariance(x, 0.0)),
            ("eps",),
        ),
        Misconception(
            "ignores-the-eps-argument",
            "Your output is the one for eps = 1e-5, whatever the caller asks for. Is the number "
            "written out somewhere in your function?",
            whiten_by(of=lambda x, eps: covariance(x, 1e-5)),
            ALL,
        ),
        Misconception(
            "eps-outside-the-root",
            "Your eps joins the standard deviations. It belongs to the variances, before any root "
            "is taken.",
            beside_the_root,
            ("eps",),
        ),
        Misconception(
            "variances-in-place-of-deviations",
            "Your 'in' divides each channel by its variance. V to the power -1/2 holds one over "
            "the standard deviation.",
            whiten_by({"in": lambda sigma: np.diag(1 / np.diag(sigma))}),
            ("instance-norm", "eps", "array"),
        ),
        Misconception(
            "no-eps-for-instance-norm",
            "Your 'in' has no eps in it. V is the diagonal of Σ, to which eps has been added.",
            lambda x, method, eps=0.0: whiten_reference(x, method, 0.0 if method == "in" else eps),
            ("eps",),
        ),
        Misconception(
            "eigenvalues-turned-alone",
            "Your 'pca' has the eigenvalues in falling order and the eigenvectors still in rising "
            "order. Each value belongs to its column: reverse both.",
            whiten_by({"pca": values_turned_alone}),
            ("pca", "eps"),
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but x is changed on the way: `x -= ...` writes into the "
            "caller's array. Make a new one for the deviations.",
            whitened_in_place,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "Adding a number to all values of a channel changes your z, though the mean should "
            "take it away again.",
            whitened_ignores_brightness,
        ),
        Property(
            "Doubling x (and eps fourfold, in step with the variances) changes your z, though the "
            "spread should take the factor away again.",
            whitened_ignores_units,
        ),
        Property(
            "At eps = 0 the channels of your z are still correlated. Look at np.cov(z, bias=True): "
            "everything off its diagonal should be 0.",
            uncorrelated_when_whitened,
        ),
        Property(
            "Your two results don't fit together: z should be W times the deviations of x from "
            "the means of its channels.",
            z_is_w_times_the_deviations,
        ),
    ),
)

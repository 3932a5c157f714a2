"""The assignment "Limits": what instance norm leaves in, what it takes away, and how to tell.

The cases keep the ideas apart. Channels are correlated, with principal variances at least a factor
of 1.8 apart and no principal axis near a right angle to its own channel, so that the order and the
signs that PCA whitening is asked for are never a matter of rounding. Where eps counts the channels
are uncorrelated: there every method is the same diagonal matrix, and hardly anybody loses the point
for eps by a wrong rotation. ('zca-cor' has correlated ones: eps must show in both its factors.)
No pixel is in a shadow. A box's numbers change with the exposure by rounding, or by far more.
"""

from functools import partial

import numpy as np

from ..identifiability import identifiable
from ..norms import instance_norm
from ..photometric import observation_normalise, photometric_stereo, render
from ..whitening import whiten, whitening_matrix
from .compare import agree
from .exercise import Aspect, Exercise, Misconception, Property

# --- Whitening ------------------------------------------------------------------------------------


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
    """An answer with something else in one place: a method's matrix, Σ, or what is done with W."""
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
    )


def beside_the_variances(rng):
    """eps within a factor of three of the smallest variance."""
    for method in RIGHT_MATRIX:
        x = channels_of(rng) if method == "zca-cor" else uncorrelated(rng)
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
    ),
    Aspect(
        "array",
        1,
        "Right values, in two new float64 arrays (C, M) and (C, C); x is unchanged.",
        public=({"x": PAIR, "method": "in"},),
        hidden=partial(by_method, "in", cases=2),
        judges=(0, 1),
        strict=True,
    ),
)
WHITEN_ALL = tuple(aspect.name for aspect in WHITEN_ASPECTS)
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
            WHITEN_ALL,
        ),
        Misconception(
            "not-centred",
            "Your W is right, but it multiplies x itself. The means of the channels are still "
            "there, stretched and mixed. Subtract them first.",
            whiten_by(apply=lambda w, x: (w @ x, w)),
            WHITEN_ALL,
        ),
        Misconception(
            "covariance-about-zero",
            "Your Σ is built from x and not from its deviations from the mean. A bright channel "
            "then looks as though it varied a lot.",
            whiten_by(of=about_zero),
            WHITEN_ALL,
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
            "eps-outside-the-root",
            "Your eps joins the standard deviations. It belongs to the variances, before any root "
            "is taken.",
            beside_the_root,
            ("eps",),
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
            "everything beside its diagonal should be 0.",
            uncorrelated_when_whitened,
        ),
        Property(
            "Your two results don't fit together: z should be W times the deviations of x from "
            "the means of its channels.",
            z_is_w_times_the_deviations,
        ),
    ),
)


# --- Photometric stereo ---------------------------------------------------------------------------


def directions(rng, count):
    """Unit vectors (count, 3) around the camera's axis, none of them near it."""
    azimuth = 2 * np.pi * (np.arange(count) + rng.uniform(-0.2, 0.2, count)) / count
    tilt = rng.uniform(0.3, 0.5, count)
    flat = np.sin(tilt) * np.stack([np.cos(azimuth), np.sin(azimuth)])
    return np.column_stack([*flat, np.cos(tilt)])


def surface(rng, h, w):
    """Normals (3, H, W), at most 36° from the camera's axis, and an albedo without order."""
    slope = rng.uniform(-0.5, 0.5, (2, h, w))
    normals = np.stack([*slope, np.ones((h, w))])
    return normals / np.linalg.norm(normals, axis=0), rng.uniform(0.2, 1, (h, w))


def sizes(rng):
    """(K, H, W), all different."""
    count = int(rng.integers(4, 7))
    return count, *map(int, rng.choice([n for n in range(2, 8) if n != count], 2, replace=False))


def scene(rng, shape=None, strength=lambda rng, count: 1.0, noise=0.0, black=0):
    count, h, w = shape or sizes(rng)
    normals, albedo = surface(rng, h, w)
    albedo.flat[:black] = 0
    lights = directions(rng, count) * np.reshape(strength(rng, count), (-1, 1))
    images = render(normals, albedo, lights)
    return {"images": images + noise * rng.uniform(0, 1, images.shape), "lights": lights}


def unequal(rng, count):
    return rng.permutation(np.linspace(0.5, 2, count))


def scenes(rng, **rest):
    return [scene(rng, **rest) for _ in range(3)]


def per_pixel_length(vectors):
    return np.linalg.norm(vectors, axis=0)


def fit(images, lights):
    """albedo times normal, by least squares."""
    return np.tensordot(np.linalg.pinv(lights), images, 1)


def unit(g, lengths=per_pixel_length):
    length = lengths(g)
    return np.divide(g, length, out=np.zeros_like(g), where=length != 0)


def stereo_by(fit=fit, normals=unit, albedo=per_pixel_length, prepare=lambda images: images):
    """An answer with something else in one place."""

    def answer(images, lights):
        with np.errstate(all="ignore"):
            g = fit(prepare(images), lights)
            return normals(g), albedo(g)

    return answer


def albedo_by(rule):
    """The right normals, and an albedo that comes from the pictures themselves."""

    def answer(images, lights):
        return photometric_stereo(images, lights)[0], rule(images)

    return answer


def in_each_picture(images):
    return instance_norm(images[None])[0]


def towards_the_camera(g):
    normals = unit(g)
    normals[2] = np.where((g == 0).all(0), 1.0, normals[2])
    return normals


def channels_last(images, lights):
    normals, albedo = photometric_stereo(images, lights)
    return np.moveaxis(normals, 0, -1), albedo


def shades_in_place(images, lights):
    result = photometric_stereo(images, lights)
    images /= images.max()
    return result


def exposure_is_albedo(run, arguments):
    (normals, albedo), (same, twice) = run(), run(images=2 * arguments["images"])
    return agree(same, normals) and agree(twice, 2 * albedo)


def pixels_are_independent(run, arguments):
    images = arguments["images"].copy()
    images[:, 1:] *= 3
    return all(
        agree(a[..., :1, :], b[..., :1, :]) for a, b in zip(run(images=images), run(), strict=True)
    )


def order_of_the_lights(run, arguments):
    turned = run(images=arguments["images"][::-1], lights=arguments["lights"][::-1])
    return all(agree(a, b) for a, b in zip(turned, run(), strict=True))


# One row of three pixels, lights along three edges of a cube: brightness is albedo times normal.
BY_HAND = {
    "images": np.array([[[0.6, 0.0, 1.0]], [[0.0, 0.0, 2.0]], [[0.8, 0.5, 2.0]]]),
    "lights": np.eye(3),
}
SOME = np.random.default_rng(30)

STEREO_ASPECTS = (
    Aspect(
        "normals",
        2,
        "normals, from exact pictures: unit vectors, one for each pixel.",
        public=(BY_HAND, scene(SOME, (4, 2, 3))),
        hidden=scenes,
    ),
    Aspect(
        "albedo",
        1,
        "albedo, from exact pictures: one number for each pixel.",
        public=(BY_HAND, scene(SOME, (4, 2, 3))),
        hidden=scenes,
        judges=(1,),
    ),
    Aspect(
        "strength",
        1,
        "normals, where some lights are stronger than others: l is longer, not only turned.",
        public=(scene(SOME, (4, 2, 3), unequal),),
        hidden=partial(scenes, strength=unequal),
    ),
    Aspect(
        "least-squares",
        1,
        "normals, from noisy pictures: all lights have a say, by least squares.",
        public=(scene(SOME, (5, 2, 3), noise=0.2),),
        hidden=partial(scenes, noise=0.2),
    ),
    Aspect(
        "black",
        1,
        "A pixel that is black in all pictures has albedo 0, and 0 for its normal.",
        public=(scene(SOME, (4, 2, 3), black=1),),
        hidden=partial(scenes, black=2),
        judges=(0,),
    ),
    Aspect(
        "array",
        1,
        "Right values, in new float64 arrays (3, H, W) and (H, W); no argument is changed.",
        public=(scene(SOME, (4, 2, 3)),),
        hidden=lambda rng: [scene(rng, (3, 4, 5)) for _ in range(2)],
        judges=(0, 1),
        strict=True,
    ),
)
STEREO_ALL = tuple(aspect.name for aspect in STEREO_ASPECTS)
NORMALS = tuple(name for name in STEREO_ALL if name != "albedo")
ALBEDO = ("albedo", "array")

STEREO = Exercise(
    id="photometric-stereo",
    signature="photometric_stereo(images, lights)",
    returns=("normals", "albedo"),
    reference=photometric_stereo,
    aspects=STEREO_ASPECTS,
    misconceptions=(
        Misconception(
            "albedo-left-in-the-normals",
            "Your normals are albedo times normal, the vector g that the fit gives. A normal is a "
            "direction: it has length 1. The length of g is the other thing that you want.",
            stereo_by(normals=lambda g: g),
            NORMALS,
        ),
        Misconception(
            "one-length-for-the-whole-picture",
            "Your normals are divided by one number for the whole picture. Each pixel has a vector "
            "g of its own, and so a length of its own: which axis holds its three numbers?",
            stereo_by(normals=partial(unit, lengths=np.linalg.norm)),
            NORMALS,
        ),
        Misconception(
            "squared-length",
            "Your albedo is the square of what it should be: the sum of the squares of g, without "
            "the root.",
            stereo_by(albedo=lambda g: (g**2).sum(0)),
            ALBEDO,
        ),
        Misconception(
            "albedo-is-mean-brightness",
            "Your albedo is the mean brightness of each pixel. A white wall that the lights only "
            "graze is darker than a grey one that faces them. The fit knows the difference: look "
            "at the length of g.",
            albedo_by(lambda images: images.mean(0)),
            ALBEDO,
        ),
        Misconception(
            "albedo-is-largest-brightness",
            "Your albedo is the brightness of each pixel in the picture where it is brightest. It "
            "would be so if one of the lights stood exactly in front of every pixel.",
            albedo_by(lambda images: images.max(0)),
            ALBEDO,
        ),
        Misconception(
            "transpose-for-inverse",
            "Your g is Lᵀ I. That is the right-hand side of the normal equations, LᵀL g = Lᵀ I; "
            "they still have to be solved. (With three lights at right angles the two agree.)",
            stereo_by(fit=lambda images, lights: np.tensordot(lights.T, images, 1)),
            ("normals", "albedo", "strength", "least-squares", "black", "array"),
        ),
        Misconception(
            "directions-only",
            "You divide each light by its length. A light's length is its strength: a lamp that is "
            "twice as strong makes a picture twice as bright, and the surface is none the steeper "
            "for it.",
            stereo_by(
                fit=lambda images, lights: fit(
                    images, lights / np.linalg.norm(lights, axis=1, keepdims=True)
                )
            ),
            ("strength",),
        ),
        Misconception(
            "three-lights-are-enough",
            "You use the first three pictures alone. Where nothing is noisy they are enough. Where "
            "it is, every further picture helps to average the noise away.",
            stereo_by(fit=lambda images, lights: fit(images[:3], lights[:3])),
            ("least-squares",),
        ),
        Misconception(
            "nothing-by-nothing",
            "A black pixel has a g of length 0, and you divide by it: 0 / 0. It has no normal that "
            "a camera could see; the exercise asks for 0 there.",
            stereo_by(normals=lambda g: g / per_pixel_length(g)),
            ("black",),
        ),
        Misconception(
            "black-faces-the-camera",
            "You give black pixels a normal towards the camera. Nothing is known of them: the "
            "exercise asks for 0.",
            stereo_by(normals=towards_the_camera),
            ("black",),
        ),
        Misconception(
            "normalised-over-the-lights-first",
            "Your normals are right and your albedo is what you get when each pixel is divided by "
            "its size over the lights beforehand. That takes the albedo away: it was that size, "
            "for the most part.",
            stereo_by(prepare=observation_normalise),
            ALBEDO,
        ),
        Misconception(
            "normalised-over-the-picture-first",
            "Your output is what you get when each picture goes through instance norm beforehand. "
            "Its mean brightness, which that takes away, said how much of the surface faces that "
            "light. Fit the pictures as they are.",
            stereo_by(prepare=in_each_picture),
            STEREO_ALL,
        ),
        Misconception(
            "channels-last",
            "Your normals have the shape (H, W, 3). The exercise asks for (3, H, W): x, y and z "
            "are planes, like the channels of a picture.",
            channels_last,
            NORMALS,
        ),
        Misconception(
            "swaps-the-results",
            "Your two results are right and in the wrong order: return normals, albedo.",
            lambda images, lights: photometric_stereo(images, lights)[::-1],
            STEREO_ALL,
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but the pictures that you were given are not what they were. "
            "Which line writes into them?",
            shades_in_place,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "With twice the exposure every albedo should double and every normal stay as it is. "
            "Yours do not.",
            exposure_is_albedo,
        ),
        Property(
            "Your result at one pixel changes when other pixels do. Each is solved by itself.",
            pixels_are_independent,
        ),
        Property(
            "Your result depends on the order in which the lights and their pictures are given.",
            order_of_the_lights,
        ),
    ),
)


# --- Normalising over the lights ------------------------------------------------------------------


def pictures(rng, black=0, level=1.0):
    """Brightness without order, well away from 0; the first pixels may be black."""
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
DIM = np.random.default_rng(31)

OBSERVED_ASPECTS = (
    Aspect(
        "each-pixel",
        2,
        "Each pixel is divided by the root of the sum of its squares, over the pictures.",
        public=({"images": THREE_FOUR_FIVE}, pictures(DIM)),
        hidden=several,
    ),
    Aspect(
        "faint",
        1,
        "The same for pictures taken in near darkness: nothing is added to the root.",
        public=({"images": 1e-7 * THREE_FOUR_FIVE},),
        hidden=partial(several, level=1e-7),
    ),
    Aspect(
        "black",
        1,
        "A pixel that is black in all pictures stays black.",
        public=({"images": THREE_FOUR_FIVE * np.array([1.0, 0.0, 1.0])},),
        hidden=partial(several, black=2),
    ),
    Aspect(
        "array",
        1,
        "Right values, in a new float64 array of the shape of images, which are unchanged.",
        public=({"images": THREE_FOUR_FIVE},),
        hidden=several,
        strict=True,
    ),
)
OBSERVED_ALL = tuple(aspect.name for aspect in OBSERVED_ASPECTS)

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
            OBSERVED_ALL,
        ),
        Misconception(
            "instance-norm",
            "Your output is instance norm: each picture loses its mean and is divided by its "
            "spread. Here it is each pixel that is normalised, over the pictures, and nothing is "
            "subtracted.",
            in_each_picture,
            OBSERVED_ALL,
        ),
        Misconception(
            "over-everything",
            "You divide by one number for all pictures and pixels. The albedo of a pixel is then "
            "still there, next to that of its neighbours.",
            divided(partial(root_of_squares, axes=None)),
            OBSERVED_ALL,
        ),
        Misconception(
            "standardised-over-the-lights",
            "You pool the right values, and then standardise them: subtract the mean over the "
            "lights, divide by the spread. The albedo is gone, and with the mean so is the common "
            "part of all pictures, which belongs to the shape. Divide, and subtract nothing.",
            standardised_over_lights,
            OBSERVED_ALL,
        ),
        Misconception(
            "sum-of-brightness",
            "You divide by the sum of the brightnesses. The albedo does cancel. The exercise asks "
            "for the length of the vector of brightnesses: the root of the sum of the squares.",
            divided(lambda images: images.sum(0)),
            OBSERVED_ALL,
        ),
        Misconception(
            "largest-brightness",
            "You divide by the largest brightness of each pixel. The albedo does cancel, but one "
            "noisy picture decides for all. The exercise asks for the root of the sum of the "
            "squares.",
            divided(lambda images: images.max(0)),
            OBSERVED_ALL,
        ),
        Misconception(
            "mean-for-sum",
            "Your output is too large by the root of the number of pictures: a mean of squares "
            "where their sum is meant.",
            divided(lambda images: np.sqrt((images**2).mean(0))),
            OBSERVED_ALL,
        ),
        Misconception(
            "no-root",
            "You divide by the sum of the squares, without the root. Think of units: brightness "
            "over brightness has none.",
            divided(lambda images: (images**2).sum(0)),
            OBSERVED_ALL,
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


# --- Is the exposure still in there? --------------------------------------------------------------


def boxes(rng, make):
    """Boxes (B, E, D), at least one of each kind: `make(rng, level, shape)` gives pairs of them.

    `level` is what a box says when the exposure has no influence, (D,).
    """
    exposures, numbers = int(rng.integers(3, 6)), int(rng.integers(3, 7))
    pairs = [
        make(rng, rng.uniform(1, 2, numbers) * rng.choice([-1, 1], numbers), (exposures, numbers))
        for _ in range(2)
    ]
    return {"outputs": rng.permutation(np.concatenate(pairs))}


def blind(level, shape):
    return np.broadcast_to(level, shape)


def following(rng, level, shape):
    """Every number grows with the exposure."""
    return level + rng.uniform(0.1, 0.3) * np.arange(shape[0])[:, None] * np.abs(level)


def rounded(rng, level, shape):
    """Two boxes that only round differently; the second does so in a number that should be 0."""
    noise = 1e-15 * rng.choice([-1.0, 1.0], shape)
    noise[:2, 0] = 1e-15, -1e-15
    nothing = level * (np.arange(level.size) > 0)
    return [blind(level, shape) + noise, nothing + noise, following(rng, level, shape)]


def loud_and_quiet(rng, level, shape):
    return [blind(1e7 * level, shape), following(rng, level, shape)]


def tiny(rng, level, shape):
    return [1e-12 * blind(level, shape), 1e-12 * following(rng, level, shape)]


def in_one_number(rng, level, shape):
    """A box that follows the exposure in one number, one that does in two, whose sum is fixed."""
    one, two = blind(level, shape).copy(), blind(level, shape).copy()
    change = 0.5 * np.linspace(0, 1, shape[0])
    one[:, 1] += change
    two[:, 0] += change
    two[:, 1] -= change
    return [one, two, blind(level, shape)]


def at_one_exposure(rng, level, shape):
    """A box that answers to one exposure, neither the first nor the last."""
    one = blind(level, shape).copy()
    one[rng.integers(1, shape[0] - 1)] += 0.5
    return [one, blind(level, shape)]


def slowly(rng):
    """A box that drifts, a little at every exposure, next to one that does not."""
    exposures = int(rng.integers(30, 50))
    level = np.ones((exposures, 2)) * rng.uniform(1, 2)
    drift = 4e-7 * np.arange(exposures)[:, None] * level
    return {"outputs": rng.permutation(np.stack([level, level + drift]))}


def changes_by(change, size=None, tolerance=1e-6):
    """An answer that compares a change, (B,), with a share of another size, (B,) or a number."""

    def answer(outputs):
        own = np.abs(outputs).max((1, 2))
        measure = own if size is None else size(outputs)
        return (change(outputs) > tolerance * measure).astype(float)

    return answer


def largest_range(outputs):
    return np.ptp(outputs, 1).max(1)


def exactly(outputs):
    return (outputs != outputs[:, :1]).any((1, 2)).astype(float)


def relative_to_itself(outputs):
    with np.errstate(all="ignore"):
        ratio = np.ptp(outputs, 1) / np.abs(outputs).max(1)
    return (ratio > 1e-6).any(1).astype(float)


def between_boxes(outputs):
    return (np.ptp(outputs, 0).max(1) > 1e-6 * np.abs(outputs).max()).astype(float)


def sharpened_in_place(outputs):
    found = identifiable(outputs)
    outputs -= outputs[:, :1].copy()
    return found


def verdicts_ignore_units(run, arguments):
    units = (2.0**-40, 2.0**40)
    return all(agree(run(outputs=unit * arguments["outputs"])[0], run()[0]) for unit in units)


def verdicts_ignore_order(run, arguments):
    outputs = arguments["outputs"]
    turns = range(1, outputs.shape[1])
    return all(agree(run(outputs=np.roll(outputs, k, 1))[0], run()[0]) for k in turns)


def boxes_are_independent(run, arguments):
    outputs = arguments["outputs"].copy()
    outputs[1:] = outputs[1:, :1]
    return agree(run(outputs=outputs)[0][:1], run()[0][:1])


PLAIN = np.stack([blind([1.0, 2.0], (3, 2)), [[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]])
THREE_NUMBERS = np.array([1.0, -2.0, 1.5])
ROUNDED = np.stack(rounded(np.random.default_rng(40), THREE_NUMBERS, (3, 3)))

IDENTIFIABLE_ASPECTS = (
    Aspect(
        "rounding",
        1,
        "A box whose numbers differ by rounding alone does not depend on the exposure.",
        public=({"outputs": ROUNDED},),
        hidden=lambda rng: [boxes(rng, rounded) for _ in range(3)],
    ),
    Aspect(
        "size",
        1,
        "Changes are measured against the largest number of the same box, however small.",
        public=tuple(
            {"outputs": np.stack(make(np.random.default_rng(41), THREE_NUMBERS, (3, 3)))}
            for make in (loud_and_quiet, tiny)
        ),
        hidden=lambda rng: [boxes(rng, make) for make in (loud_and_quiet, tiny)],
    ),
    Aspect(
        "any-number",
        1,
        "One number that follows the exposure is enough.",
        public=(
            {"outputs": np.stack(in_one_number(np.random.default_rng(42), THREE_NUMBERS, (3, 3)))},
        ),
        hidden=lambda rng: [boxes(rng, in_one_number) for _ in range(3)],
    ),
    Aspect(
        "any-two-exposures",
        1,
        "Some two exposures that differ are enough, whichever they are.",
        public=(
            {
                "outputs": np.stack(
                    at_one_exposure(np.random.default_rng(43), THREE_NUMBERS, (4, 3))
                )
            },
            slowly(np.random.default_rng(44)),
        ),
        hidden=lambda rng: [
            *(boxes(rng, at_one_exposure) for _ in range(3)),
            slowly(rng),
        ],
    ),
    Aspect(
        "array",
        1,
        "Right values, in a new float64 array (B,); outputs is unchanged.",
        public=({"outputs": PLAIN},),
        hidden=lambda rng: [
            boxes(rng, lambda rng, *box: [blind(*box), following(rng, *box)]) for _ in range(2)
        ],
        strict=True,
    ),
)
IDENTIFIABLE_ALL = tuple(aspect.name for aspect in IDENTIFIABLE_ASPECTS)

IDENTIFIABLE = Exercise(
    id="identifiable",
    signature="identifiable(outputs)",
    returns=("found",),
    reference=identifiable,
    aspects=IDENTIFIABLE_ASPECTS,
    misconceptions=(
        Misconception(
            "blind-for-identifiable",
            "Your ones and zeros are exchanged: you mark the boxes that are blind to the exposure. "
            "1 stands for a box from which it can still be read.",
            lambda outputs: 1 - identifiable(outputs),
            IDENTIFIABLE_ALL,
        ),
        Misconception(
            "exactly-equal",
            "You ask whether the numbers are equal to the last digit. A box that forgets the "
            "exposure divides by it somewhere, and rounding leaves a trace. No reader could use "
            "that trace.",
            exactly,
            ("rounding",),
        ),
        Misconception(
            "each-number-against-itself",
            "You measure each change against the number that changes. One that should be 0, and "
            "is 1e-17 here and -1e-17 there, then seems to change a lot. Measure against the "
            "largest number of the box.",
            relative_to_itself,
            ("rounding",),
        ),
        Misconception(
            "absolute-tolerance",
            "You compare changes with a fixed small number. A box may answer in millions or in "
            "billionths: a change is small or large only next to the box's own numbers. (And "
            "np.allclose has a fixed number inside, its atol.)",
            changes_by(largest_range, size=lambda outputs: 1.0),
            ("size",),
        ),
        Misconception(
            "largest-of-all-boxes",
            "You measure the changes of every box against the largest number of all of them. One "
            "loud box then hides the quiet ones.",
            changes_by(largest_range, size=lambda outputs: np.abs(outputs).max()),
            ("size",),
        ),
        Misconception(
            "all-numbers-must-change",
            "You want every number to change. One that does is enough to read the exposure from. "
            "(Black pixels stay black in every pipeline.)",
            changes_by(lambda outputs: np.ptp(outputs, 1).min(1)),
            ("any-number",),
        ),
        Misconception(
            "compares-means",
            "You compare the means of the outputs. Two outputs with the same mean may be quite "
            "different: instance norm makes all means 0.",
            changes_by(lambda outputs: np.ptp(outputs.mean(2), 1)),
            ("any-number",),
        ),
        Misconception(
            "first-and-last-only",
            "You compare the first exposure with the last. A box may answer to those in between "
            "alone.",
            changes_by(lambda outputs: np.abs(outputs[:, -1] - outputs[:, 0]).max(1)),
            ("any-two-exposures",),
        ),
        Misconception(
            "neighbours-only",
            "You compare each exposure with the next. A box that drifts a little every time has "
            "gone far by the end.",
            changes_by(lambda outputs: np.abs(np.diff(outputs, axis=1)).max((1, 2))),
            ("any-two-exposures",),
        ),
        Misconception(
            "one-verdict-for-all",
            "You return the same verdict for all boxes: 1 as soon as one of them depends on the "
            "exposure. Each box needs its own.",
            lambda outputs: np.full(len(outputs), identifiable(outputs).max()),
            IDENTIFIABLE_ALL,
        ),
        Misconception(
            "compares-boxes",
            "You compare the boxes with each other. The question is whether one and the same box "
            "says different things at different exposures. Which axis holds those?",
            between_boxes,
            IDENTIFIABLE_ALL,
        ),
        Misconception(
            "in-place",
            "Your verdicts are right, but outputs is changed on the way. Make a new array for the "
            "differences.",
            sharpened_in_place,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "Your verdict changes when all the numbers are given in another unit.",
            verdicts_ignore_units,
        ),
        Property(
            "Your verdict depends on the order in which the exposures come.",
            verdicts_ignore_order,
        ),
        Property(
            "Your verdict on one box changes when the other boxes do.",
            boxes_are_independent,
        ),
    ),
)

EXERCISES = (WHITEN, STEREO, OBSERVED, IDENTIFIABLE)

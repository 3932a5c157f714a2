"""The exercise "photometric-stereo": photometric stereo."""

from functools import partial

import numpy as np

from instnorm.norms import instance_norm
from instnorm.photometric import observation_normalise, photometric_stereo, render

from ..engine.compare import agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property


def directions(rng, count):
    """Unit vectors (count, 3) around the camera's axis, none of them near it."""
    azimuth = 2 * np.pi * (np.arange(count) + rng.uniform(-0.2, 0.2, count)) / count
    tilt = rng.uniform(0.3, 0.5, count)
    flat = np.sin(tilt) * np.stack([np.cos(azimuth), np.sin(azimuth)])
    return np.column_stack([*flat, np.cos(tilt)])


def surface(rng, h, w):
    """Normals (3, H, W), at most 36° from the camera's axis, and a random albedo."""
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


def faint(rng):
    """Pictures that were taken in near darkness."""
    arguments = scene(rng)
    return {**arguments, "images": 1e-9 * arguments["images"]}


def per_pixel_length(vectors):
    return np.linalg.norm(vectors, axis=0)


def fit(images, lights):
    """albedo times normal, by least squares."""
    return np.tensordot(np.linalg.pinv(lights), images, 1)


def unit(g, lengths=per_pixel_length):
    length = lengths(g)
    return np.divide(g, length, out=np.zeros_like(g), where=length != 0)


def stereo_by(fit=fit, normals=unit, albedo=per_pixel_length, prepare=lambda images: images):
    """The right answer with one step replaced."""

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
        "A pixel that is black in all pictures has albedo 0, and 0 for its normal. One that is "
        "merely faint has a normal like any other.",
        public=(scene(SOME, (4, 2, 3), black=1), faint(SOME)),
        hidden=lambda rng: [*scenes(rng, black=2), faint(rng)],
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
NORMALS = tuple(a.name for a in STEREO_ASPECTS if a.name != "albedo")
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
            also=(
                stereo_by(
                    albedo=lambda g: (g**2).sum(0),
                    normals=partial(unit, lengths=lambda g: (g**2).sum(0)),
                ),
            ),
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
            "twice as strong makes a picture twice as bright, and the surface no "
            "steeper.",
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
            ALL,
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
            ALL,
        ),
        Misconception(
            "adds-a-small-number",
            "You add a small number to the length of g, to be safe from 0 / 0. In near darkness "
            "it is not small, and the normals are too short. Deal with black pixels by "
            "themselves.",
            stereo_by(normals=lambda g: g / (per_pixel_length(g) + 1e-8)),
            ("black",),
            also=tuple(
                stereo_by(normals=lambda g, small=small: g / (per_pixel_length(g) + small))
                for small in (1e-9, 1e-10, 1e-12)
            ),
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

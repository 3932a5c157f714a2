"""Photometric stereo: where normalising the wrong way destroys what was to be measured.

A matt surface under light l_k has brightness I_k = albedo · max(0, normal · l_k). From three or
more pictures under different lights, both the normal and the albedo of each pixel follow. Dividing
each *pixel* by its size across the lights removes the albedo and keeps the normals; normalising
each *picture* over its pixels, as instance norm does, destroys both.

All of it is computed in float64.
"""

from . import rows
from .arguments import check_floating
from .arrays import Array

__all__ = [
    "observation_normalise",
    "photometric_stereo",
    "render",
]


def render(normals: Array, albedo: Array, lights: Array) -> Array:
    """Pictures of a matt (Lambertian) surface: I_k = albedo * max(0, normal · l_k).

    Parameters
    ----------
    normals : (3, H, W) float array of unit vectors, or 0 where there is no surface
    albedo : (H, W) float array
    lights : (K, 3) float array, towards each light; its length is the light's intensity

    Returns
    -------
    images : (K, H, W) array, dtype of normals

    Raises
    ------
    TypeError
        If an array does not hold floating-point numbers.
    ValueError
        If a shape does not fit.
    """
    check_floating("normals", normals)
    check_floating("albedo", albedo)
    if normals.ndim != 3 or normals.shape[0] != 3:
        raise ValueError(f"normals must have shape (3, H, W); got {normals.shape}")
    if albedo.shape != normals.shape[1:]:
        raise ValueError(
            f"albedo must have shape {normals.shape[1:]}, the pixels of normals; got {albedo.shape}"
        )
    _check_lights(lights)
    xp = rows.array_module(normals)
    shading = xp.tensordot(lights.astype("float64"), normals.astype("float64"), 1)
    return (albedo.astype("float64") * xp.maximum(shading, 0)).astype(normals.dtype)


def photometric_stereo(images: Array, lights: Array) -> tuple[Array, Array]:
    """Normals and albedo from pictures under known lights, pixel by pixel, by least squares.

    g = albedo * normal solves min Σ_k (l_k · g - I_k)²; its length is the albedo, its direction
    the normal. Exact where the surface is matt and no light is behind it: shadows are not modelled.

    Source: Woodham 1980, Opt. Eng. 19(1):139-144.

    Parameters
    ----------
    images : (K, H, W) float array, one picture per light
    lights : (K, 3) float array, towards each light; its length is the light's intensity

    Returns
    -------
    normals : (3, H, W) array of unit vectors, dtype of images; 0 where the albedo is 0
    albedo : (H, W) array, dtype of images

    Raises
    ------
    TypeError
        If an array does not hold floating-point numbers.
    ValueError
        If a shape does not fit, a light is not finite, or the lights lie in one plane (so fewer
        than 3 never do).
    """
    _check_images(images)
    _check_lights(lights)
    if len(lights) != len(images):
        raise ValueError(
            f"lights must have shape ({len(images)}, 3), one per picture; got {lights.shape}"
        )
    xp = rows.array_module(images)
    directions = lights.astype("float64")
    if not xp.isfinite(directions).all():
        raise ValueError("lights must be finite; they hold NaN or infinity")
    rank = int(xp.linalg.matrix_rank(directions))
    if rank < 3:
        raise ValueError(
            f"lights must span all three dimensions; these {len(lights)} span only {rank}, so the "
            "normals are not determined"
        )
    g = xp.tensordot(xp.linalg.pinv(directions), images.astype("float64"), 1)
    albedo = xp.sqrt((g**2).sum(0))
    return _divided(g, albedo).astype(images.dtype), albedo.astype(images.dtype)


def observation_normalise(images: Array) -> Array:
    """Divide each pixel by the root of its summed squares over the lights: the albedo cancels.

    y_k = I_k / sqrt(Σ_j I_j²) = (normal · l_k) / sqrt(Σ_j (normal · l_j)²): the sum runs over the
    pictures, at one pixel. Pixels that are 0 in all of them stay 0.

    Source: Chen, Han, Shi, Matsushita and Wong 2020, arXiv:2007.13145.

    Parameters
    ----------
    images : (K, H, W) float array, one picture per light

    Returns
    -------
    y : array like images

    Raises
    ------
    TypeError
        If images is not a floating-point array.
    ValueError
        If images is not (K, H, W).
    """
    _check_images(images)
    xp = rows.array_module(images)
    wide = images.astype("float64")
    return _divided(wide, xp.sqrt((wide**2).sum(0))).astype(images.dtype)


def _divided(vectors, lengths):
    """vectors / lengths, and 0 where the length is 0."""
    return vectors / rows.array_module(vectors).where(lengths == 0, 1, lengths)


def _check_images(images):
    check_floating("images", images)
    if images.ndim != 3:
        raise ValueError(f"images must have shape (K, H, W), one per light; got {images.shape}")


def _check_lights(lights):
    check_floating("lights", lights)
    if lights.ndim != 2 or lights.shape[1] != 3:
        raise ValueError(f"lights must have shape (K, 3); got {lights.shape}")

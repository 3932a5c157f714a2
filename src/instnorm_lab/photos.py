"""Real photographs, from files that the scikit-image package carries: nothing is downloaded."""

import numpy as np

#: All of them CC0 or in the public domain, as scikit-image documents.
NAMES = ("astronaut", "chelsea", "coffee", "rocket")

#: Textures, CC0 like the photographs: each the same all over, and grey.
TEXTURES = ("brick", "grass", "gravel")

#: Shares of red, green and blue in a grey (ITU-R BT.709).
_GREY = (0.2126, 0.7152, 0.0722)


def photo(name, *, size=256, grey=True):
    """A square photograph with intensities in [0, 1].

    The largest centred square is cut out and scaled to ``size`` pixels a side.

    Parameters
    ----------
    name : str
        One of ``photos.NAMES``.
    size : int
        Side in pixels.
    grey : bool
        Whether to reduce the colours to one channel.

    Returns
    -------
    ndarray of float64
        Shape (size, size), or (size, size, 3) when `grey` is false.

    Raises
    ------
    ValueError
        If `name` is not a known photograph or `size` is not a positive integer.
    """
    if name not in NAMES:
        raise ValueError(f"name must be one of {', '.join(NAMES)}; got {name!r}")
    if not isinstance(size, int | np.integer) or size < 1:
        raise ValueError(f"size must be a positive number of pixels; got {size!r}")

    import skimage.data
    from PIL import Image

    picture = Image.fromarray(getattr(skimage.data, name)())
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    box = (left, top, left + side, top + side)
    pixels = np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS, box=box)) / 255
    return pixels @ _GREY if grey else pixels


def texture(name):
    """A grey photograph of a surface, with intensities in [0, 1].

    Parameters
    ----------
    name : str
        One of ``photos.TEXTURES``.

    Returns
    -------
    ndarray of float64, shape (512, 512)

    Raises
    ------
    ValueError
        If `name` is not a known texture.
    """
    if name not in TEXTURES:
        raise ValueError(f"name must be one of {', '.join(TEXTURES)}; got {name!r}")

    import skimage.data

    return getattr(skimage.data, name)() / 255

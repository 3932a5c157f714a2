"""Figures to touch: the Python side of the ES modules in ``book/explorables``.

A module has the shape of an anywidget front end, ``export default { render({ model, el }) }``.
On a page of the book, ``host.js`` mounts it with no kernel; in a live notebook, `widget` does.
"""

import base64
import html
import io
import json
import re
from pathlib import Path

import numpy as np

from . import figures

#: Where the modules are, in a checkout of the book.
MODULES = Path(__file__).resolve().parents[2] / "book" / "explorables"

#: The caption of the fall-back figure, for readers without JavaScript or without a web server.
STILL = (
    "A still of a figure with sliders. The sliders need JavaScript and a page from a web server."
)


def names():
    """Names of the explorables: the modules that render something, unlike those they share."""
    modules = MODULES.glob("*.js")
    return sorted(m.stem for m in modules if "export default" in m.read_text(encoding="utf-8"))


def explorable(name, *, alt, fallback, **model):
    """An explorable for a page of the book, to be the last expression of a cell.

    Parameters
    ----------
    name : str
        The module ``book/explorables/<name>.js``.
    alt : str
        What the fall-back figure shows.
    fallback : matplotlib.figure.Figure
        Shown until the module runs, and where it can't run. It is closed.
    **model
        What the module's ``model.get`` returns: JSON values, or a grey photograph as an array
        (H, W) of floats in [0, 1], which is sent with 8 bits a pixel.

    Returns
    -------
    IPython.display.HTML

    Raises
    ------
    FileNotFoundError
        If there is no such module.
    ValueError
        If `alt` is empty or an array is not a grey photograph.
    """
    from IPython.display import HTML
    from matplotlib import pyplot as plt

    module = _module(name)
    figure = figures.svg(fallback, alt=alt)
    plt.close(fallback)
    # Escaped so that no value can end the script element. JSON's own escapes already cover the
    # rest: json.dumps writes nothing but ASCII.
    data = json.dumps(_jsonable(model), allow_nan=False).replace("<", "\\u003c")
    return HTML(
        f'<div class="explorable" data-explorable="{html.escape(module.stem)}">\n'
        f'<div class="explorable-fallback">{figure}<p>{STILL}</p></div>\n'
        f'<script type="application/json">{data}</script>\n'
        "</div>"
    )


def widget(name, **model):
    """The same module as a live widget in a notebook. Arguments as in `explorable`.

    Raises
    ------
    ImportError
        If anywidget is not installed.
    """
    try:
        import anywidget
        import traitlets
    except ImportError as error:
        raise ImportError(
            "a live explorable needs the package anywidget: run `pip install anywidget`"
        ) from error

    body = {
        key: traitlets.Any(default_value=value).tag(sync=True)
        for key, value in _jsonable(model).items()
    }
    body["_esm"] = _alone(_module(name))
    body["_css"] = MODULES / "explorable.css"
    return type("ExplorableWidget", (anywidget.AnyWidget,), body)()


def picture_url(picture):
    """A colour photograph as a ``data:`` address, for a model to hold: a JPEG.

    Parameters
    ----------
    picture : ndarray of floats, shape (H, W, 3)
        Colours in [0, 1].

    Raises
    ------
    ValueError
        If it is not a colour photograph.
    """
    from PIL import Image

    colour = picture.ndim == 3 and picture.shape[2] == 3 and picture.size
    if not (colour and picture.min() >= 0 and picture.max() <= 1):
        raise ValueError(
            "picture must be a colour photograph, shape (H, W, 3) with values in [0, 1]; "
            f"got shape {picture.shape}"
        )
    buffer = io.BytesIO()
    Image.fromarray(np.round(picture * 255).astype(np.uint8)).save(buffer, "jpeg", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _module(name):
    known = names()
    if name not in known:
        raise FileNotFoundError(
            f"name must be an explorable in {MODULES} ({', '.join(known)}); got {name!r}"
        )
    return MODULES / f"{name}.js"


def _alone(module):
    """The text of a module with its imports put into it, since a widget has no folder.

    "Style mixer" loads a network from a file beside it, which is no import; in a notebook it shows
    its fall-back figure only.
    """

    def address(match):
        text = _alone(module.with_name(match[1]))
        return f"data:text/javascript;base64,{base64.b64encode(text.encode()).decode()}"

    return re.sub(r'(?<=from ")\./([\w-]+\.js)(?=")', address, module.read_text())


def _jsonable(model):
    return {
        key: _photograph(key, value) if isinstance(value, np.ndarray) else value
        for key, value in model.items()
    }


def _photograph(key, image):
    ok = image.ndim == 2 and image.size and np.issubdtype(image.dtype, np.floating)
    if not (ok and image.min() >= 0 and image.max() <= 1):
        raise ValueError(
            f"{key} must be a grey photograph, shape (H, W) with floats in [0, 1]; "
            f"got shape {image.shape}, {image.dtype}"
        )
    pixels = np.round(image * 255).astype(np.uint8)
    return {"shape": list(image.shape), "uint8": base64.b64encode(pixels.tobytes()).decode()}

"""Matplotlib figures as part of the page: inline SVG in the page's font and the theme's colours."""

import base64
import hashlib
import io
import re
from xml.etree import ElementTree

from .style import LIGHT, SMALLEST

_SVG = "http://www.w3.org/2000/svg"
_STYLE = f"{{{_SVG}}}style"
_XLINK = "{http://www.w3.org/1999/xlink}href"
#: CSS pixels that a point of the drawing may grow to: a fifth more than its natural 4/3.
_PT = 1.6
#: Inches of ground above and below a drawing.
_EDGE = 0.05

#: Images with fewer pixels a side than this are diagrams of arrays: their pixels stay square.
_PHOTOGRAPH = 64
#: A grey image with more greys than this is a photograph, if it is large enough.
_GREYS = 32


def show(fig, *, alt):
    """Display a figure that follows the page's theme, and close it.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
        Drawn in the colours of `style.LIGHT`; other colours stay as they are in every theme.
        Labels are text on the page, so write Greek letters as such ("μ") and not as mathtext.
    alt : str
        What the figure shows, for readers who do not see it.

    Raises
    ------
    ValueError
        If `alt` is empty.
    """
    from IPython.display import display
    from matplotlib import pyplot as plt

    bundle = {"text/html": svg(fig, alt=alt), "image/png": png(fig)}
    plt.close(fig)
    display(bundle, raw=True)


def compare(picture, after, lights, *, alt):
    """Display a picture in several lights, with another over its right half; a line divides them.

    On a page of the book the reader moves the line, and chooses the light. A light is a gain and an
    offset. The picture is stored once: it is shown with the gain as its opacity, over a grey.

    Parameters
    ----------
    picture, after : ndarray of floats, shape (H, W)
        Grey pictures with values in [0, 1], seen on the left and on the right.
    lights : dict of str to (float, float)
        Name of each light: gain and offset, of which neither is negative, with a sum of 1 at most.
        The first is shown at first.
    alt : str
        What all this shows, for readers who do not see it.

    Raises
    ------
    ValueError
        If a light can't be shown in this way.
    """
    from html import escape

    from IPython.display import HTML, display

    choices, grounds = [], []
    for k, (name, (gain, offset)) in enumerate(lights.items(), 1):
        if not (gain > 0 and offset >= 0 and gain + offset <= 1):
            raise ValueError(f"lights must be gain > 0, offset >= 0, sum <= 1; got {name!r}")
        grey = 100 * offset / (1 - gain) if gain < 1 else 0
        grounds.append(f"--gain-{k}: {gain}; --ground-{k}: hsl(0 0% {grey:.4g}%)")
        checked = " checked" if k == 1 else ""
        choices.append(
            f'<label><input type="radio" name="light"{checked}><span>{escape(name)}</span></label>'
        )
    display(
        HTML(
            f'<div class="compare" style="{"; ".join(grounds)}">'
            f"<fieldset><legend>The light</legend>{''.join(choices)}</fieldset>"
            f'<div class="compare-pictures" role="img" aria-label="{escape(alt)}">'
            f"{_image('before', picture)}{_image('after', after)}</div>"
            '<input type="range" min="0" max="100" value="50" hidden '
            'aria-label="How much of the picture is as the light has it, in percent"></div>'
        )
    )


def _image(kind, picture):
    from PIL import Image

    buffer = io.BytesIO()
    grey = Image.fromarray((picture.clip(0, 1) * 255).round().astype("uint8"))
    grey.save(buffer, "webp", quality=60, method=6)
    text = base64.b64encode(buffer.getvalue()).decode()
    height, width = picture.shape
    return (
        f'<img class="compare-{kind}" src="data:image/webp;base64,{text}" alt="" '
        f'aria-hidden="true" width="{width}" height="{height}">'
    )


def svg(fig, *, alt):
    """The figure as one ``<svg>`` element for use inside HTML. Arguments as in `show`.

    The same drawing gives the same text every time. Its ids begin with a hash of its content, so
    that figures can share a page.
    """
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError(f"alt must be a sentence that says what the figure shows; got {alt!r}")
    import matplotlib as mpl

    _legible(fig)
    buffer = io.StringIO()
    # The salt makes ids the same on every run.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "instnorm"}):
        fig.savefig(
            buffer,
            format="svg",
            facecolor="none",
            metadata={"Date": None, "Creator": None},
            bbox_inches=_as_tall_as_the_drawing(fig),
        )
    root = ElementTree.fromstring(buffer.getvalue())
    for path in ("metadata", f"defs[{_STYLE}]"):  # the style sheet would apply to the whole page
        for element in root.findall(f"{{{_SVG}}}{path}"):
            root.remove(element)
    for element in root.iter():
        _adapt(element)
        element.text, element.tail = (
            _without_blanks(text) for text in (element.text, element.tail)
        )
    _own_ids(root)

    width = float(root.get("viewBox").split()[2])
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("class", "figure")
    root.set("role", "img")
    root.set("aria-label", " ".join(alt.split()))
    root.set(
        "style",
        f"width: 100%; height: auto; max-width: {width * _PT:.0f}px; "
        f"background: var(--fig-background, {LIGHT['paper']}); "
        "stroke-linejoin: round; stroke-linecap: butt",
    )
    ElementTree.register_namespace("", _SVG)
    return ElementTree.tostring(root, encoding="unicode")


def png(fig):
    """The figure as base64 text of a PNG image in the light theme, for where HTML can't go."""
    buffer = io.BytesIO()
    fig.savefig(
        buffer,
        format="png",
        dpi=144,
        metadata={"Software": None},
        bbox_inches=_as_tall_as_the_drawing(fig),
    )
    return base64.b64encode(buffer.getvalue()).decode()


def _as_tall_as_the_drawing(fig):
    """The figure's box in inches, without what is blank above and below.

    Pictures keep their shape, and seldom fill the height that the figure was given.
    """
    from matplotlib.transforms import Bbox

    fig.draw_without_rendering()
    drawn = fig.get_tightbbox()
    width, height = fig.get_size_inches()
    return Bbox([[0, max(0, drawn.y0 - _EDGE)], [width, min(height, drawn.y1 + _EDGE)]])


def _legible(fig):
    """Let no text be smaller than a telephone can show it."""
    from matplotlib.text import Text

    fig.draw_without_rendering()  # only then are all labels there
    for text in fig.findobj(Text):
        if text.get_fontsize() < SMALLEST:
            text.set_fontsize(SMALLEST)


def _adapt(element):
    """Make one element of the drawing fit for a page: its colours, font, links and size."""
    attributes = element.attrib
    if _XLINK in attributes:
        attributes["href"] = attributes.pop(_XLINK)
    if "fill" in attributes:  # a style can hold var(...), an attribute of its own can't
        attributes["style"] = f"fill: {attributes.pop('fill')}"
    if "style" in attributes:
        css = re.sub(r"font-family:[^;]*;?\s*", "", attributes["style"])
        for name, colour in LIGHT.items():
            css = css.replace(colour, f"var(--fig-{name}, {colour})")
        attributes["style"] = css
    if "d" in attributes:
        attributes["d"] = _path(attributes["d"])
    if element.tag == f"{{{_SVG}}}image":
        _shrink(element)


#: Points that each command of a path takes.
_POINTS = {"M": 1, "L": 1, "Q": 2, "C": 3}


def _path(d):
    """A path from point to point, to a hundredth: half as long as the same by absolute places."""
    made, before, here, start = [], None, (0, 0), (0, 0)
    for command, places in re.findall(r"([A-Za-z])([^A-Za-z]*)", d):
        if command in "zZ":
            made.append("z")
            before, here = "z", start
            continue
        numbers = [round(100 * float(number)) for number in places.split()]
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        if len(points) != _POINTS[command]:
            raise ValueError(f"{command} of a path takes {_POINTS[command]} points; got {places}")
        if command == "M":
            made.append(f"M{_hundredths(*points[0])}")
            start = points[0]
        else:
            steps = (_hundredths(x - here[0], y - here[1]) for x, y in points)
            made.append((" " if command == before else command.lower()) + " ".join(steps))
        before, here = command, points[-1]
    return "".join(made)


def _hundredths(*numbers):
    return " ".join(f"{number / 100:g}" for number in numbers)


def _without_blanks(text):
    return text if text and text.strip() else None


def _own_ids(root):
    """Keep only ids that something refers to, and make them this figure's own."""
    prefix = "fig" + hashlib.sha256(ElementTree.tostring(root)).hexdigest()[:8]
    used = set()

    def rename(match):
        used.add(match[2])
        return match[1] + prefix + match[2]

    for element in root.iter():
        for key in set(element.attrib) - {"id", "d"}:
            reference = r"(^#)(\w+)" if key == "href" else r"(url\(#)(\w+)"
            element.set(key, re.sub(reference, rename, element.get(key)))
    for element in root.iter():
        name = element.attrib.pop("id", None)
        if name in used:
            element.set("id", prefix + name)


def _shrink(image):
    """Re-encode an embedded RGBA image as WebP: a photograph with some loss, all else exactly."""
    from PIL import Image

    data = image.get("href").partition(",")[2]
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        opaque = picture.getextrema()[-1][0] == 255
        picture = picture.convert("RGB") if opaque else picture.copy()
    red, green, blue = picture.split()[:3]
    grey = red.tobytes() == green.tobytes() == blue.tobytes()
    smooth = min(picture.size) >= _PHOTOGRAPH
    # A colour map has no more than 256 colours, and a photograph more, or as many greys.
    photograph = opaque and picture.getcolors(_GREYS if smooth and grey else 256) is None
    how = {"quality": 80} if photograph else {"lossless": True, "exact": True}
    buffer = io.BytesIO()
    picture.save(buffer, format="webp", method=6, **how)
    text = base64.b64encode(buffer.getvalue()).decode()
    image.set("href", f"data:image/webp;base64,{text}")
    image.set("style", f"image-rendering: {'auto' if smooth else 'pixelated'}")

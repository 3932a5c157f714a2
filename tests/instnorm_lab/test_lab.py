"""The lab: photographs, plot style, figures for the page, and the Python side of explorables."""

import base64
import io
import json
import re
import socket
import subprocess
import sys
import types
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
import skimage.data
from matplotlib import pyplot as plt
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from instnorm_lab import explorables, figures, photos, style

ROOT = Path(__file__).resolve().parents[2]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def house_style():
    with mpl.rc_context():
        mpl.use("agg")
        style.use()
        yield
    plt.close("all")


# --- the package ----------------------------------------------------------------------------------


def imported_by(statement):
    """Names of the top-level packages in memory after a statement in a fresh interpreter."""
    code = (
        f"{statement}\nimport sys\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_importing_the_lab_imports_nothing_heavy():
    heavy = {"numpy", "matplotlib", "skimage", "torch", "IPython"}
    assert not heavy & imported_by("import instnorm_lab")


def test_the_lab_never_imports_the_kernels():
    modules = "figures, photos, style, explorables"
    names = imported_by(f"from instnorm_lab import {modules}; photos.photo('rocket'); style.use()")
    assert "instnorm_lab" in names
    assert "instnorm" not in names


# --- photographs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", photos.NAMES)
def test_photograph_is_an_array_of_intensities(name, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a photograph asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    grey, colour = photos.photo(name, size=96), photos.photo(name, size=96, grey=False)
    assert grey.shape == (96, 96)
    assert colour.shape == (96, 96, 3)
    for pixels in (grey, colour):
        assert pixels.dtype == np.float64
        assert 0 <= pixels.min() < pixels.max() <= 1
        assert pixels.std() > 0.1
    # A grey lies between the least and the most of its three colours.
    assert (colour.min(axis=2) <= grey + 1e-12).all()
    assert (grey <= colour.max(axis=2) + 1e-12).all()


def test_photographs_differ():
    pixels = [photos.photo(name, size=32) for name in photos.NAMES]
    assert all(np.abs(a - b).mean() > 0.05 for a, b in combinations(pixels, 2))


def test_photograph_is_the_middle_of_the_picture():
    # 400 rows and 600 columns; 8 x 8 pixels of it make one of ours.
    middle = skimage.data.coffee()[:, 100:500] / 255
    blocks = middle.reshape(50, 8, 50, 8, 3).mean(axis=(1, 3))
    assert np.abs(photos.photo("coffee", size=50, grey=False) - blocks).mean() < 0.02


def test_unknown_photograph_lists_the_known():
    with pytest.raises(ValueError, match="astronaut, chelsea, coffee, rocket; got 'mona lisa'"):
        photos.photo("mona lisa")


@pytest.mark.parametrize("size", [0, -3, 2.5, "big"])
def test_photograph_refuses_a_bad_size(size):
    with pytest.raises(ValueError, match="size must be a positive number of pixels"):
        photos.photo("coffee", size=size)


@pytest.mark.parametrize("name", photos.TEXTURES)
def test_texture_is_a_grey_picture_that_is_the_same_all_over(name):
    pixels = photos.texture(name)
    assert pixels.shape == (512, 512)
    assert pixels.dtype == np.float64
    assert 0 <= pixels.min() < pixels.max() <= 1
    assert np.ptp(pixels) > 0.5
    quarters = pixels.reshape(2, 256, 2, 256).std(axis=(1, 3))
    assert quarters.max() < 1.3 * quarters.min()


def test_textures_differ():
    pixels = [photos.texture(name) for name in photos.TEXTURES]
    assert all(np.abs(a - b).mean() > 0.1 for a, b in combinations(pixels, 2))


def test_unknown_texture_lists_the_known():
    with pytest.raises(ValueError, match="brick, grass, gravel; got 'chelsea'"):
        photos.texture("chelsea")


# --- palette and style ----------------------------------------------------------------------------

THEMES = {"light": style.LIGHT, "dark": style.DARK}
TEXT = ("ink", "muted", *style.SERIES)
# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(colour):
    srgb = np.array(mpl.colors.to_rgb(colour))
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def as_seen(colour, vision):
    rgb = np.clip(np.array(VISION[vision]) @ linear(colour), 0, 1)
    srgb = np.where(rgb <= 0.0031308, 12.92 * rgb, 1.055 * rgb ** (1 / 2.4) - 0.055)
    return rgb2lab(srgb[None, None])[0, 0]


def contrast(one, other):
    dark, light = sorted(float(linear(c) @ (0.2126, 0.7152, 0.0722)) for c in (one, other))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("ground", ["paper", "surface"])
def test_text_colours_have_contrast(theme, ground):
    palette = THEMES[theme]
    poor = {name: contrast(palette[name], palette[ground]) for name in TEXT}
    assert min(poor.values()) >= 4.5, poor


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("vision", VISION)
def test_hues_stay_apart_for_every_eye(theme, vision):
    seen = {name: as_seen(THEMES[theme][name], vision) for name in ("ink", *style.SERIES)}
    for one, other in combinations(seen, 2):
        assert deltaE_ciede2000(seen[one], seen[other]) > 10, (one, other)


@pytest.mark.parametrize(
    ("theme", "selector"), [("light", ":root"), ("dark", 'html[data-theme="dark"]')]
)
def test_style_sheet_of_the_design_has_the_palette(theme, selector):
    css = style.css()
    block = css[css.index(f"{selector} {{") :].partition("}")[0]
    found = dict(re.findall(r"--fig-(\w+): (#\w{6});", block))
    assert found == THEMES[theme]


def test_pages_use_only_what_the_design_has():
    """Colours, fonts and sizes that site.css names are there."""
    css = (ROOT / "book" / "style" / "site.css").read_text()
    used = set(re.findall(r"var\((--(?:fig|book|size|width|space)-[\w-]+)", css))
    assert len(used) > 15
    assert used <= set(re.findall(r"(--[\w-]+):", style.css() + css))
    assert not re.findall(r"#[0-9a-f]{6}", css)  # every colour has a name


def test_labels_are_measured_in_the_font_of_the_page():
    path = Path(mpl.font_manager.findfont(mpl.font_manager.FontProperties(family="Book Sans")))
    assert path == ROOT / "src" / "instnorm_lab" / "fonts" / "sans-regular.ttf"
    bold = mpl.font_manager.FontProperties(family="Book Sans", weight="bold")
    assert Path(mpl.font_manager.findfont(bold)).name == "sans-semibold.ttf"


def test_no_label_is_too_small_for_a_telephone():
    fig, ax = plt.subplots()
    ax.set_title("small", fontsize=6)
    ax.tick_params(labelsize=7)
    root = parsed(fig)
    sizes = [
        float(size)
        for node in root.iter(f"{SVG}text")
        for size in re.findall(r"(?:font-size: |font: .*?)([\d.]+)px", node.get("style", ""))
    ]
    assert sizes
    assert min(sizes) >= style.SMALLEST


def test_explorables_fall_back_to_the_palette():
    css = (ROOT / "book" / "explorables" / "explorable.css").read_text()
    found = re.findall(r"var\(--fig-(\w+), (#\w{6})\)", css)
    assert found
    assert all(style.LIGHT[name] == colour for name, colour in found)


def test_lines_differ_by_more_than_colour():
    _, ax = plt.subplots()
    lines = [ax.plot([0, 1], [k, k])[0] for k in range(len(style.SERIES))]
    assert len({line.get_linestyle() for line in lines}) == len(lines)
    assert [line.get_color() for line in lines] == [style.LIGHT[name] for name in style.SERIES]


# --- figures --------------------------------------------------------------------------------------


def drawing(image=None, hue="blue"):
    fig, (left, right) = plt.subplots(1, 2)
    left.plot([0, 1, 2], [1, 3, 2], label="measured", color=style.LIGHT[hue])
    left.fill_between([0, 1], [0.5, 1], hatch="//", color=style.LIGHT["green"])
    left.set_title("σ² by hand")
    left.legend()
    right.imshow(np.arange(100.0).reshape(10, 10) if image is None else image)
    return fig


def parsed(fig, alt="Two panels."):
    return ElementTree.fromstring(figures.svg(fig, alt=alt))


def embedded(root):
    (image,) = root.iter(f"{SVG}image")
    kind, _, data = image.get("href").partition(";base64,")
    return kind, base64.b64decode(data), image


@pytest.mark.parametrize("alt", ["", "  \n", None])
@pytest.mark.parametrize("function", [figures.svg, figures.show])
def test_a_figure_needs_a_text_alternative(function, alt):
    with pytest.raises(ValueError, match="alt must be a sentence"):
        function(drawing(), alt=alt)
    with pytest.raises(TypeError, match="alt"):
        function(drawing())


def test_figure_is_an_image_with_a_name():
    root = parsed(drawing(), 'A "wave" & a <ramp>,\n  side by side.')
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'A "wave" & a <ramp>, side by side.'
    assert root.get("viewBox")
    assert "width: 100%" in root.get("style")
    assert root.get("width") is None


def test_figure_is_the_same_each_time():
    assert figures.svg(drawing(), alt="a") == figures.svg(drawing(), alt="a")


def test_figure_is_no_taller_than_what_is_drawn():
    fig, ax = plt.subplots(figsize=(4, 4))
    ax.imshow(np.zeros((10, 40)))
    ax.set_axis_off()
    _, _, width, height = map(float, parsed(fig).get("viewBox").split())
    assert width == 4 * 72
    assert height < 0.3 * width


def test_figure_takes_its_colours_from_the_page():
    text = figures.svg(drawing(), alt="Two panels.")
    for name in ("ink", "muted", "blue", "green"):
        assert f"var(--fig-{name}, {style.LIGHT[name]})" in text
    bare = re.sub(r"var\(--fig-\w+, #\w{6}\)", "", text)
    assert not [colour for colour in style.LIGHT.values() if colour in bare]


def test_figure_leaves_other_colours_alone():
    fig, ax = plt.subplots()
    ax.plot([0, 1], color="#123456")
    assert "stroke: #123456" in figures.svg(fig, alt="A line.")


def test_figure_has_text_in_the_font_of_the_page():
    root = parsed(drawing())
    assert {"σ² by hand", "measured"} <= {node.text for node in root.iter(f"{SVG}text")}
    assert "font-family" not in ElementTree.tostring(root, encoding="unicode")


def test_figure_brings_no_style_or_script_to_the_page():
    tags = {node.tag for node in parsed(drawing()).iter()}
    assert not tags & {f"{SVG}style", f"{SVG}script", f"{SVG}metadata"}


def test_ids_are_used_and_do_not_clash():
    roots = [parsed(drawing(hue=hue)) for hue in ("blue", "purple")]
    ids = [{node.get("id") for node in root.iter()} - {None} for root in roots]
    assert all(ids)
    assert not ids[0] & ids[1]
    for root, own in zip(roots, ids, strict=True):
        text = ElementTree.tostring(root, encoding="unicode")
        links = set(re.findall(r'href="#(\w+)"', text)) | set(re.findall(r"url\(#(\w+)\)", text))
        assert links == own


def test_grey_photograph_is_embedded_small():
    pixels = photos.photo("chelsea", size=128)
    kind, data, image = embedded(parsed(drawing(pixels)))
    assert kind == "data:image/webp"
    assert len(data) < 128 * 128 / 2
    expected = mpl.colormaps["gray"](mpl.colors.Normalize()(pixels))[..., 0]
    with Image.open(io.BytesIO(data)) as picture:
        assert np.abs(np.asarray(picture.convert("L")) / 255 - expected).mean() < 0.02
    assert image.get("style") == "image-rendering: auto"


def test_grey_array_of_few_levels_is_embedded_exactly():
    levels = np.kron(np.arange(4.0).reshape(2, 2), np.ones((40, 40)))
    _, data, _ = embedded(parsed(drawing(levels)))
    with Image.open(io.BytesIO(data)) as picture:
        np.testing.assert_array_equal(np.asarray(picture.convert("L")), levels * 85)


def test_path_goes_from_point_to_point():
    """Hundredths are taken of places, not of steps, so that no error adds up."""
    third = " ".join(f"L {k / 3} 1" for k in range(1, 31))
    steps = figures._path(f"M 0 0 {third} C 1 2 3 4 5 6 z M 7 8 L 7 9")
    assert steps.startswith("M0 0l0.33 1 0.34 0 0.33 0 ")
    assert steps.endswith("c-9 1 -7 3 -5 5zM7 8l0 1")
    x = [float(pair.split()[0]) for pair in re.findall(r"-?[\d.]+ -?[\d.]+", steps)[1:31]]
    assert sum(x) == pytest.approx(10)
    with pytest.raises(ValueError, match="L of a path takes 1 points"):
        figures._path("M 0 0 L 1 2 3 4")


def test_colour_photograph_is_embedded_small():
    pixels = photos.photo("coffee", size=128, grey=False)
    kind, data, _ = embedded(parsed(drawing(pixels)))
    assert kind == "data:image/webp"
    assert len(data) < 128 * 128 / 2
    with Image.open(io.BytesIO(data)) as picture:
        assert np.abs(np.asarray(picture) / 255 - pixels).mean() < 0.02


def test_small_array_keeps_square_pixels_and_exact_colours():
    cells = np.arange(64.0).reshape(8, 8)
    fig, ax = plt.subplots()
    ax.imshow(cells, cmap="viridis")
    _, data, image = embedded(parsed(fig))
    assert image.get("style") == "image-rendering: pixelated"
    expected = mpl.colormaps["viridis"](cells / 63, bytes=True)[..., :3]
    with Image.open(io.BytesIO(data)) as picture:
        np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), expected)


def test_transparent_image_stays_transparent():
    cells = np.ma.masked_less(np.arange(16.0).reshape(4, 4), 8)
    fig, ax = plt.subplots()
    ax.imshow(cells)
    _, data, _ = embedded(parsed(fig))
    with Image.open(io.BytesIO(data)) as picture:
        alpha = np.asarray(picture.convert("RGBA"))[..., 3]
    np.testing.assert_array_equal(alpha == 0, cells.mask)


def test_show_emits_html_and_png_and_closes(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append((data, raw)))
    fig = drawing()
    figures.show(fig, alt="Two panels.")
    ((bundle, raw),) = shown
    assert raw
    assert set(bundle) == {"text/html", "image/png"}
    assert bundle["text/html"].startswith("<svg")
    with Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))) as picture:
        assert picture.width == round(fig.get_figwidth() * 144)
        # Opaque paper, so that it reads on a dark notebook too.
        assert picture.convert("RGBA").getpixel((1, 1)) == (252, 251, 248, 255)
    assert not plt.fignum_exists(fig.number)


# --- explorables ----------------------------------------------------------------------------------


class Page(HTMLParser):
    """Start tags, and the text of script elements, as a browser would see them."""

    def __init__(self, markup):
        super().__init__()
        self.tags, self.scripts, self.open = [], [], None
        self.feed(markup)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open = tag

    def handle_endtag(self, tag):
        self.open = None

    def handle_data(self, data):
        if self.open == "script":
            self.scripts.append(data)


def test_explorable_carries_its_model_safely():
    hostile = '</script><script>alert(1)</script><!-- & \u2028 "quoted"'
    pixels = np.array([[0.0, 0.5], [0.25, 1.0]])
    shown = explorables.explorable(
        "strip-the-style", alt="Before and after.", fallback=drawing(), image=pixels, note=hostile
    )
    page = Page(shown._repr_html_())
    (script,) = page.scripts
    model = json.loads(script)
    assert model["note"] == hostile
    assert model["image"]["shape"] == [2, 2]
    assert list(base64.b64decode(model["image"]["uint8"])) == [0, 128, 64, 255]
    scripts = [attrs for tag, attrs in page.tags if tag == "script"]
    assert scripts == [{"type": "application/json"}]


def test_explorable_holds_a_figure_for_readers_without_script():
    fig = drawing()
    shown = explorables.explorable("strip-the-style", alt="Before and after.", fallback=fig)
    page = Page(shown._repr_html_())
    assert page.tags[0] == ("div", {"class": "explorable", "data-explorable": "strip-the-style"})
    labels = [attrs.get("aria-label") for tag, attrs in page.tags if tag == "svg"]
    assert labels == ["Before and after."]
    assert not plt.fignum_exists(fig.number)


def test_unknown_explorable_lists_the_known():
    with pytest.raises(FileNotFoundError, match=r"epsilon, .*two-degrees-of-freedom.*; got 'fly'"):
        explorables.explorable("fly", alt="Wings.", fallback=drawing())


def test_what_explorables_share_is_none():
    with pytest.raises(FileNotFoundError, match="got 'host'"):
        explorables.explorable("host", alt="Wings.", fallback=drawing())


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((2, 2, 3)),
        np.zeros((0, 2)),
        np.full((2, 2), 128, np.uint8),
        np.full((2, 2), 1.5),
        np.full((2, 2), np.nan),
    ],
    ids=["colour", "empty", "integers", "too bright", "not numbers"],
)
def test_explorable_refuses_what_is_not_a_grey_photograph(image):
    with pytest.raises(ValueError, match="image must be a grey photograph"):
        explorables.explorable("strip-the-style", alt="x", fallback=drawing(), image=image)


def test_widget_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(ImportError, match="pip install anywidget"):
        explorables.widget("strip-the-style")


def test_widget_syncs_the_model_and_runs_the_same_module(monkeypatch):
    # In place of anywidget: the class it builds on, without a front end.
    import traitlets

    stub = types.ModuleType("anywidget")
    stub.AnyWidget = type("AnyWidget", (traitlets.HasTraits,), {})
    monkeypatch.setitem(sys.modules, "anywidget", stub)
    live = explorables.widget("strip-the-style", image=np.array([[0.0, 1.0]]), gamma=0.5)
    synced = set(live.traits(sync=True))
    assert synced == {"image", "gamma"}
    assert live.gamma == 0.5
    assert live.image == {"shape": [1, 2], "uint8": base64.b64encode(bytes([0, 255])).decode()}
    assert live._css.is_file()
    # It stands alone: what the module imports has become a part of it.
    module = (explorables.MODULES / "strip-the-style.js").read_text()
    assert re.findall(r'from "\./', module)
    assert not re.findall(r'from "\./', live._esm)
    imported = re.findall(r'from "data:text/javascript;base64,(.*?)"', live._esm)
    texts = {base64.b64decode(text).decode() for text in imported}
    assert texts == {
        (explorables.MODULES / f"{name}.js").read_text()
        for name in ("explorable", "plot", "statistics")
    }


def test_lights_of_a_comparison_are_those_of_the_arithmetic(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    cat = photos.photo("chelsea", size=16)
    lights = {"by day": (1, 0), "in fog": (0.25, 0.6)}
    figures.compare(cat, cat, lights, alt="A cat twice.")
    html = shown[0].data
    assert 'aria-label="A cat twice."' in html
    for k, (gain, offset) in enumerate(lights.values(), 1):
        ((opacity, ground),) = re.findall(
            rf"--gain-{k}: (\S+); --ground-{k}: hsl\(0 0% (\S+)%\)", html
        )
        assert float(opacity) == gain
        # A pixel x with this opacity, over that ground.
        assert float(ground) / 100 * (1 - float(opacity)) == pytest.approx(offset)
    for wrong in ((0.5, 0.6), (0, 0.5), (0.5, -0.1)):
        with pytest.raises(ValueError, match="lights must be gain > 0"):
            figures.compare(cat, cat, {"wrong": wrong}, alt="A cat twice.")

"""The book's design: colours in two themes, fonts, sizes, widths and distances.

This is their only source, for pages and for figures. `css` writes them as custom properties, which
``book/style/site.css`` uses; `RC` gives them to matplotlib. Figures are drawn in the light colours;
`figures.show` then turns each of them into the custom property ``--fig-<name>``.
"""

from pathlib import Path

# Text colours have a contrast of at least 4.5:1 on paper and on surface, and the four hues stay
# apart for the three kinds of colour blindness; tests/instnorm_lab/test_lab.py measures both.
LIGHT = {
    "paper": "#fcfbf8",
    "surface": "#f3f1ea",
    "ink": "#1d1f21",
    "muted": "#5c6067",
    "grid": "#dcd9d0",
    "blue": "#0a63c9",
    "vermilion": "#bb3f12",
    "green": "#0e6c56",
    "purple": "#872473",
}
DARK = {
    "paper": "#16181b",
    "surface": "#1f2226",
    "ink": "#e7e5df",
    "muted": "#a4a8ae",
    "grid": "#383c42",
    "blue": "#a3c4ff",
    "vermilion": "#e5835d",
    "green": "#1fbf9f",
    "purple": "#bd7fc4",
}

#: Fonts: the book's own, and what stands in for them.
FONTS = {
    "serif": ["Book Serif", "Charter", "Cambria", "Noto Serif", "Liberation Serif", "serif"],
    "sans": ["Book Sans", "Segoe UI", "Roboto", "Helvetica Neue", "Liberation Sans", "sans-serif"],
    "mono": ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "DejaVu Sans Mono",
             "Liberation Mono", "monospace"],
}  # fmt: skip

#: Sizes of type, in rem. The two headings that are not fixed grow with the window.
SIZES = {"small": 0.8125, "note": 0.9375, "text": 1.125, "h3": 1.25, "h2": 1.625}

#: Widths, in rem: of running text (some 70 letters), of what may be wider than it.
WIDTHS = {"measure": 40, "wide": 56.25}

#: Distances, in rem.
SPACES = {"tight": 0.5, "near": 1, "apart": 1.75, "far": 3.25}

#: The smallest label in points. A telephone shows a figure nearly at its natural size, one CSS
#: pixel to a point, and there no label is smaller than 11 pixels.
SMALLEST = 11

#: Hues in the order in which a plot uses them, each with a line style of its own, so that a
#: figure also reads without colour.
SERIES = {"blue": "-", "vermilion": "--", "green": "-.", "purple": ":"}

RC = {
    # Narrow, so that the text of a figure stays legible when a telephone shrinks it. Keep the
    # width and vary the height.
    "figure.figsize": (4.8, 2.9),
    "figure.constrained_layout.use": True,
    "figure.facecolor": LIGHT["paper"],
    "font.family": ["Book Sans", "DejaVu Sans"],
    "axes.facecolor": "none",
    "axes.edgecolor": LIGHT["muted"],
    "axes.labelcolor": LIGHT["ink"],
    "axes.titlecolor": LIGHT["ink"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.labelsize": SMALLEST,
    "font.size": SMALLEST,
    "text.color": LIGHT["ink"],
    "xtick.color": LIGHT["muted"],
    "ytick.color": LIGHT["muted"],
    "xtick.labelsize": SMALLEST,
    "ytick.labelsize": SMALLEST,
    "legend.fontsize": SMALLEST,
    "legend.handlelength": 1.6,
    "grid.color": LIGHT["grid"],
    "lines.linewidth": 1.8,
    "patch.edgecolor": LIGHT["paper"],
    "legend.frameon": False,
    "image.cmap": "gray",
    # Embed an array as it is, and let the reader's screen do the scaling.
    "image.interpolation": "none",
}


def use():
    """Make this the style of every figure drawn from now on."""
    import matplotlib.pyplot as plt
    from cycler import cycler

    bring_fonts()
    hues = [LIGHT[name] for name in SERIES]
    plt.rcParams.update(RC)
    plt.rcParams["axes.prop_cycle"] = cycler(color=hues) + cycler(linestyle=SERIES.values())


def bring_fonts():
    """Let matplotlib know the book's sans serif: it measures labels as the page sets them."""
    from matplotlib import font_manager

    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    for path in sorted((Path(__file__).parent / "fonts").glob("*.ttf")):
        if str(path) not in known:
            font_manager.fontManager.addfont(path)


def css():
    """The design as custom properties, in a style sheet."""

    def families(names):
        return ", ".join(f'"{name}"' if " " in name else name for name in names)

    def block(selector, properties):
        lines = "".join(f"  {name}: {value};\n" for name, value in properties.items())
        return f"{selector} {{\n{lines}}}\n"

    fixed = {
        **{f"--book-{name}": families(names) for name, names in FONTS.items()},
        **{f"--size-{name}": f"{size}rem" for name, size in SIZES.items()},
        **{f"--width-{name}": f"{width}rem" for name, width in WIDTHS.items()},
        **{f"--space-{name}": f"{space}rem" for name, space in SPACES.items()},
    }
    light, dark = ({f"--fig-{name}": hue for name, hue in each.items()} for each in (LIGHT, DARK))
    return "\n".join(
        [block(":root", light), block('html[data-theme="dark"]', dark), block(":root", fixed)]
    )

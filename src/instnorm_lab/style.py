"""The book's plot style: one palette in two themes, and matplotlib settings drawn from it.

This is the palette's only source. Figures are drawn in its light colours; `figures.show` then
turns each of them into the CSS custom property ``--fig-<name>``, to which ``book/style/site.css``
gives a value per theme.
"""

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

#: Hues in the order in which a plot uses them, each with a line style of its own, so that a
#: figure also reads without colour.
SERIES = {"blue": "-", "vermilion": "--", "green": "-.", "purple": ":"}

RC = {
    # Narrow, so that the text of a figure stays legible when a telephone shrinks it. Keep the
    # width and vary the height.
    "figure.figsize": (4.8, 2.9),
    "figure.constrained_layout.use": True,
    "figure.facecolor": LIGHT["paper"],
    "axes.facecolor": "none",
    "axes.edgecolor": LIGHT["muted"],
    "axes.labelcolor": LIGHT["ink"],
    "axes.titlecolor": LIGHT["ink"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.labelsize": 10,
    "font.size": 10,
    "text.color": LIGHT["ink"],
    "xtick.color": LIGHT["muted"],
    "ytick.color": LIGHT["muted"],
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
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

    hues = [LIGHT[name] for name in SERIES]
    plt.rcParams.update(RC)
    plt.rcParams["axes.prop_cycle"] = cycler(color=hues) + cycler(linestyle=SERIES.values())

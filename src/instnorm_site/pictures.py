"""The small pictures by which chapters are known: one on top of each, and all on the first page.

Each is a function of the name of its chapter, which draws into axes that are 3 wide and 2 high. No
picture has words in it; what it shows is said in ``book/chapters.yml``.
"""

from contextlib import contextmanager

import numpy as np
from PIL import Image

from instnorm_lab import figures, photos, style

INK, MUTED, GRID, BLUE, VERMILION, PAPER = (
    style.LIGHT[name] for name in ("ink", "muted", "grid", "blue", "vermilion", "paper")
)
SIZE = 96  # pixels of a photograph's height


def svg(chapter, alt):
    """The picture of a chapter, such as ``principles/depth``, as an ``<svg>`` element."""
    with _drawn(chapter) as fig:
        return figures.svg(fig, alt=alt)


def image(chapter, width):
    """The same as a PIL image in the light theme, so many pixels wide."""
    with _drawn(chapter) as fig:
        fig.set_dpi(width / fig.get_figwidth())
        fig.canvas.draw()
        return Image.fromarray(np.asarray(fig.canvas.buffer_rgba())).convert("RGB")


@contextmanager
def _drawn(chapter):
    import matplotlib.pyplot as plt

    with plt.rc_context():
        style.use()
        fig = plt.figure(figsize=(2.4, 1.6), layout="none")
        axes = fig.add_axes((0, 0, 1, 1), xlim=(0, 3), ylim=(0, 2))
        axes.set_axis_off()
        DRAWN[chapter](axes)
        yield fig
        plt.close(fig)


def _photo(name, ratio=1.5):
    picture = photos.photo(name, size=int(SIZE * ratio))
    height = int(SIZE * ratio / 1.5)
    top = (picture.shape[0] - height) // 3
    return picture[top : top + height]


def _show(axes, picture, extent=(0, 3, 0, 2), low=0, high=1):
    axes.imshow(picture, cmap="gray", vmin=low, vmax=high, extent=extent, aspect="auto")
    axes.set(xlim=(0, 3), ylim=(0, 2))


def style_and_content(axes):
    cat = _photo("chelsea")
    middle = cat.shape[1] // 2
    _show(axes, np.hstack([0.3 * cat[:, :middle], cat[:, middle:]]))
    axes.axvline(1.5, color=PAPER, linewidth=1.5)


def the_algorithm(axes):
    x = np.linspace(0, 3, 200)
    for (centre, width, height), hue in (((0.9, 0.45, 0.75), BLUE), ((2.3, 0.13, 0.75), VERMILION)):
        axes.plot(
            x, 1.15 + height * np.exp(-(((x - centre) / width) ** 2) / 2), color=hue, linestyle="-"
        )
    both = 0.15 + 0.75 * np.exp(-(((x - 1.5) / 0.4) ** 2) / 2)
    axes.plot(x, both, color=BLUE, linewidth=4, linestyle="-")
    axes.plot(x, both, color=VERMILION, linewidth=1.5, linestyle="-")
    axes.plot([0, 3], [1.1, 1.1], color=GRID, linewidth=1, linestyle="-")


def invariance(axes):
    turn = np.linspace(0, 2 * np.pi, 200)
    axes.plot(1.5 + 0.62 * np.cos(turn), 1 + 0.62 * np.sin(turn), color=INK, linestyle="-")
    rng = np.random.default_rng(4)
    for angle in np.linspace(0.2, 6.2, 11):
        far = rng.uniform(0.15, 1.25)
        way = np.array([np.cos(angle) * 1.15, np.sin(angle) * 0.8])
        start, end = (1.5, 1) + far * way, (1.5 + 0.62 * np.cos(angle), 1 + 0.62 * np.sin(angle))
        axes.annotate("", end, start, arrowprops={"arrowstyle": "-", "color": VERMILION, "lw": 1})
        axes.plot(*start, "o", color=BLUE, markersize=3.5)


def the_family(axes):
    sets = (
        [(0, 0)],
        [(0, 0), (0, 1)],
        [(0, 0), (0, 1), (0, 2), (0, 3)],
        [(0, 0), (1, 0), (2, 0), (3, 0)],
    )
    for (left, bottom), marked in zip(
        ((0.5, 1.08), (1.7, 1.08), (0.5, 0.1), (1.7, 0.1)), sets, strict=True
    ):
        for row in range(4):
            for column in range(4):
                hue = VERMILION if (row, column) in marked else GRID
                axes.bar(left + 0.21 * column, 0.17, 0.18, bottom + 0.63 - 0.21 * row, color=hue,
                         align="edge", linewidth=0)  # fmt: skip


def norms_after_norms(axes):
    x = np.linspace(0, 2.7, 100)
    axes.plot(0.15 + x, 0.25 + 0.6 * x, color=INK, linestyle="-")
    axes.plot(0.15 + x, 0.25 + 1.05 * np.tanh(1.1 * x), color=VERMILION, linestyle="-")
    axes.plot(0.15 + x, 0.25 + 0.55 * np.minimum(1, 30 * x), color=BLUE, linestyle="-")


def depth(axes):
    x = np.linspace(0, 1.3, 50)
    for rate in (-1.3, -0.7, -0.2, 0.5, 1.0):
        axes.plot(
            0.1 + x,
            1 + 0.28 * np.sign(rate) * (np.exp(abs(rate) * x) - 1),
            color=BLUE,
            linestyle="-",
        )
    for k in range(5):
        axes.plot(
            1.6 + x, 1 + 0.06 * (k - 2) + 0.02 * np.sin(9 * x + k), color=VERMILION, linestyle="-"
        )


def limits(axes):
    y, x = np.mgrid[1:-1:64j, -1:1:64j]
    inside = x**2 + y**2 < 1
    z = np.sqrt(np.clip(1 - x**2 - y**2, 0, 1))
    lit = np.clip(0.5 * x + 0.45 * y + 0.74 * z, 0.03, 1)
    for left, shade in ((0.12, lit), (1.58, 0.55 + 0 * lit)):
        picture = np.ma.masked_where(~inside, shade)
        _show(axes, picture, (left, left + 1.3, 0.35, 1.65))


def style_transfer(axes):
    cat, brick = _photo("chelsea"), photos.texture("brick")[:SIZE, : int(1.5 * SIZE)]
    brick = brick[: cat.shape[0], : cat.shape[1]]
    normed = (cat - cat.mean()) / cat.std() + 0.9 * (brick - brick.mean()) / brick.std()
    middle = cat.shape[1] // 2
    painted = 0.5 + 0.17 * normed
    _show(axes, np.clip(np.hstack([cat[:, :middle], painted[:, middle:]]), 0, 1))
    axes.axvline(1.5, color=PAPER, linewidth=1.5)


def generative_models(axes):
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(16, 24))
    noise = sum(np.roll(noise, (i, j), (0, 1)) for i in range(2) for j in range(2))
    picture = 0.5 + 0.04 * noise
    picture[5, 16] = 1
    _show(axes, picture)
    turn = np.linspace(0, 2 * np.pi, 60)
    axes.plot(2.06 + 0.2 * np.cos(turn), 1.31 + 0.2 * np.sin(turn), color=VERMILION, linestyle="-")


def modulation(axes):
    x = np.linspace(0, 3, 200)
    wave = np.sin(2.1 * x) * np.exp(-(((x - 1.5) / 1.2) ** 2))
    for k, gain in enumerate((0.15, 0.3, 0.5, 0.75, 1.0)):
        hue = VERMILION if k == 2 else BLUE
        axes.plot(x, 0.35 + 0.32 * k + 0.33 * gain * wave, color=hue, linestyle="-", linewidth=1.6)


def domain_shift(axes):
    y, x = np.mgrid[1:-1:110j, -1:1:90j]
    radius = np.sqrt((x / 0.88) ** 2 + (y / 0.97) ** 2)
    folds = radius + 0.045 * np.sin(11 * np.arctan2(y, x)) * (radius > 0.4)
    scan = np.select(
        [folds < 0.14, folds < 0.62, folds < 0.86, radius < 1], [0.3, 0.85, 0.62, 0.25], 0
    )
    scan[(np.abs(x) < 0.02) & (np.abs(y) < 0.85)] = 0.3
    _show(axes, np.ma.masked_where(radius > 1, scan), (0.12, 1.42, 0.2, 1.8))
    _show(axes, np.ma.masked_where(radius > 1, 0.4 * scan + 0.5), (1.58, 2.88, 0.2, 1.8))


def signals(axes):
    x = np.linspace(0, 3, 70)
    form = 0.25 * np.exp(-(((x - 0.9) / 0.25) ** 2)) + 0.4 * np.exp(-(((x - 2) / 0.35) ** 2))
    for k, (gain, offset) in enumerate(
        ((0.5, 1.0), (0.7, 1.12), (0.9, 1.22), (1.1, 1.3), (1.3, 1.42))
    ):
        axes.plot(x, gain * form + offset, color=BLUE, linewidth=1.4, linestyle="-")
        axes.plot(x, 1.4 * form + 0.15 + 0.008 * k, color=VERMILION, linewidth=1.1, linestyle="-")
    axes.plot([0, 3], [0.88, 0.88], color=GRID, linewidth=1, linestyle="-")


def the_brain(axes):
    x = np.linspace(0.05, 2.95, 200)
    for k in range(4):
        hue = VERMILION if k == 1 else BLUE
        axes.plot(
            x, 0.2 + 1.6 / (1 + np.exp(-(x - 0.6 - 0.6 * k) / 0.16)), color=hue, linestyle="-"
        )


def fast_kernels(axes):
    axes.plot([0.2, 1.7, 2.9], [0.25, 1.65, 1.65], color=INK, linewidth=2.2, linestyle="-")
    axes.plot([0.85, 0.85], [0.1, 0.72], color=GRID, linewidth=1.2, linestyle="-")
    axes.plot(0.85, 0.72, "o", color=VERMILION, markersize=8)
    axes.plot(2.35, 1.3, "o", color=BLUE, markersize=8)


def which_norm(axes):
    ends = (0.35, 1.0, 1.65)
    for (x0, y0), (x1, y1) in (
        ((0.2, 1), (0.9, 1)), ((0.9, 1), (1.5, 1.35)), ((0.9, 1), (2.3, ends[0])),
        ((1.5, 1.35), (2.3, ends[1])), ((1.5, 1.35), (2.3, ends[2])),
    ):  # fmt: skip
        axes.plot([x0, x1], [y0, y1], color=INK, linewidth=1.8, linestyle="-")
    for y in ends:
        hue = VERMILION if y == ends[1] else GRID
        axes.bar(2.3, 0.34, 0.34, y - 0.17, color=hue, align="edge", linewidth=0)


DRAWN = {
    "principles/style-and-content": style_and_content,
    "principles/the-algorithm": the_algorithm,
    "principles/invariance": invariance,
    "principles/the-family": the_family,
    "principles/norms-after-norms": norms_after_norms,
    "principles/depth": depth,
    "principles/limits": limits,
    "applications/style-transfer": style_transfer,
    "applications/generative-models": generative_models,
    "applications/modulation": modulation,
    "applications/domain-shift": domain_shift,
    "applications/signals": signals,
    "applications/the-brain": the_brain,
    "applications/fast-kernels": fast_kernels,
    "applications/which-norm": which_norm,
}

"""Make the book's fonts: what it needs of Source Serif and Source Sans, under names of its own.

    python -m pip install brotli font-source-serif-pro font-source-sans-pro
    python -m instnorm_site.fonts

The licence reserves the name "Source" for the fonts as Adobe made them, so that these are named
"Book Serif" and "Book Sans". Beside the WOFF2 files for browsers, the sans serif is written as TTF
for matplotlib, which measures with it the labels that the page then sets in the same font.
"""

from importlib import resources
from pathlib import Path

from fontTools import subset
from fontTools.ttLib.tables._g_l_y_f import USE_MY_METRICS

ROOT = Path(__file__).resolve().parents[2]
WOFF = ROOT / "book" / "style" / "fonts"
TTF = ROOT / "src" / "instnorm_lab" / "fonts"
FACES = {
    "serif": ("Serif", {"Regular": "regular", "It": "italic", "Semibold": "semibold"}),
    "sans": ("Sans", {"Regular": "regular", "Semibold": "semibold"}),
}
FEATURES = ["kern", "liga", "ccmp", "locl", "mark", "pnum", "tnum", "lnum", "case"]
#: Latin, Greek, punctuation, and the signs of mathematics and arrows that the fonts have.
RANGES = [
    (0x20, 0x7E), (0xA0, 0xFF), (0x131, 0x131), (0x152, 0x153), (0x100, 0x101), (0x119, 0x119),
    (0x16B, 0x16B), (0x1E21, 0x1E21), (0x391, 0x3C9), (0x3D5, 0x3D5), (0x2002, 0x205F),
    (0x2070, 0x209C), (0x2190, 0x21A6), (0x2202, 0x2265), (0x2713, 0x2713), (0x300, 0x308),
]  # fmt: skip
UNICODES = [code for first, last in RANGES for code in range(first, last + 1)]


def main():
    for name, (face, weights) in FACES.items():
        files = resources.files(f"font_source_{name}_pro") / "files"
        for weight, ours in weights.items():
            source = files / f"Source{face}Pro-{weight}.ttf"
            write(source, WOFF / f"{name}-{ours}.woff2", "woff2", name, ours)
            if name == "sans":
                TTF.mkdir(exist_ok=True)
                write(source, TTF / f"{name}-{ours}.ttf", None, name, ours)
        for folder in (WOFF, TTF) if name == "sans" else (WOFF,):
            (folder / f"{name}-licence.txt").write_text((files / "LICENSE.txt").read_text("utf-8"))


def write(source, target, flavor, name, weight):
    options = subset.Options(
        flavor=flavor, layout_features=FEATURES, hinting=False, desubroutinize=True,
        name_IDs=[0, 1, 2, 3, 4, 6, 13, 14], notdef_outline=True,
    )  # fmt: skip
    font = subset.load_font(source, options)
    chosen = subset.Subsetter(options)
    chosen.populate(unicodes=UNICODES)
    chosen.subset(font)
    family, style = f"Book {name.capitalize()}", weight.capitalize()
    named = {1: family, 2: style, 3: f"{family} {style}", 4: f"{family} {style}",
             6: f"Book{name.capitalize()}-{style}"}  # fmt: skip
    for record in font["name"].names:
        if record.nameID in named:
            record.string = named[record.nameID]
    if weight == "semibold":
        font["OS/2"].usWeightClass = 700  # what is asked for is bold, and there is no other
    own_widths(font)
    subset.save_font(font, target, options)


def own_widths(font):
    """Give each letter that is made of others the width that is its own.

    In the serif the sign for per cent says that it is as wide as the stroke in it, and a quotation
    mark as one half of itself. Where letters are fitted to pixels (full hinting, as on some
    desktops) that is believed, and the next letter stands in the sign.
    """
    glyphs, widths = font["glyf"], font["hmtx"]
    for name in font.getGlyphOrder():
        for part in getattr(glyphs[name], "components", ()):
            if widths[part.glyphName][0] != widths[name][0]:
                part.flags &= ~USE_MY_METRICS


if __name__ == "__main__":
    main()

"""The whole book as an EPUB, for readers of electronic paper and for reading aloud.

    python -m instnorm_site.epub _build/html _build/instance-normalization.epub

It is made from the pages of the built site. Formulas are MathML, figures are SVG with a text in
place of them, code is folded where the page folds it, and nothing needs a script or a network.
"""

import re
import sys
import uuid
from datetime import UTC, datetime
from html import escape
from itertools import groupby
from pathlib import Path
from urllib.parse import unquote, urlsplit
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from instnorm_lab import style

from . import gathered

OF_A_BOOK = """({ key, keys, colours }) => {
  for (const formula of gathered.querySelectorAll(".katex")) {
    const math = formula.querySelector("math");
    const source = math.querySelector("annotation");
    math.setAttribute("alttext", source.textContent.trim());
    const meaning = math.querySelector("semantics");
    meaning.replaceWith(meaning.firstElementChild);
    // KaTeX puts the sign "apply the function" of \\max beside it, where an index has one place.
    for (const sign of math.querySelectorAll("msub > mo, msup > mo, munder > mo, mover > mo"))
      if (sign.textContent === "\\u2061" && sign.parentElement.children.length > 2) sign.remove();
    (formula.closest(".katex-display") ?? formula).replaceWith(math);
  }
  for (const link of gathered.querySelectorAll("a[href]")) {
    const [address, anchor] = link.getAttribute("href").split("#");
    const to = keys[address];
    if (to) link.setAttribute("href", `${to}.xhtml${anchor ? `#${anchor}` : ""}`);
    else if (address.startsWith("file:")) link.replaceWith(...link.childNodes);
  }
  // What the page keeps apart by its style.
  for (const type of gathered.querySelectorAll("dt > .classifier")) type.before(" : ");
  for (const number of gathered.querySelectorAll(".chapter-number")) number.after(" ");
  for (const card of gathered.querySelectorAll(".sd-card:has(.sd-stretched-link)")) {
    const title = card.querySelector(".sd-card-title");
    const link = card.querySelector(".sd-stretched-link");
    link.replaceChildren(...title.childNodes);
    title.append(link);
  }
  const images = [];
  for (const image of gathered.querySelectorAll("img[src^='file:']")) {
    const address = image.getAttribute("src");
    images.push(address);
    image.setAttribute("src", `images/${address.split("/").pop()}`);
    image.removeAttribute("loading");
  }
  for (const part of [gathered, ...gathered.querySelectorAll("*")])
    for (const { name, value } of [...part.attributes]) {
      if (name.startsWith("data-") || name.startsWith("on")) part.removeAttribute(name);
      else if (value.includes("var(--"))
        part.setAttribute(name, value.replace(/var\\(--fig-([a-z]+)(,[^)]*)?\\)/g,
          (all, colour) => colours[colour] ?? "transparent"));
    }
  const edition = document.querySelector(".book-version")?.textContent ?? "";
  const about = gathered.querySelector("h1 + p")?.textContent ?? "";
  const text = new XMLSerializer().serializeToString(gathered);
  return { text, images, edition, about };
}"""

STYLE = """
%s
body { margin: 0 4%%; font-family: "Book Serif", serif; line-height: 1.5; }
h1, h2, h3, h4, figcaption, table, summary, .opening svg { font-family: "Book Sans", sans-serif; }
h1, h2, h3, h4 { line-height: 1.2; text-align: left; break-after: avoid; }
h1::after { content: ""; display: block; width: 4rem; height: 0.25rem; margin-top: 0.6rem;
  background: linear-gradient(90deg, %s 50%%, %s 50%%); }
.opening p { font-size: 1.3em; font-style: italic; }
.opening-picture { max-width: 15rem; }
figure { margin: 1.5em 0; break-inside: avoid; }
figcaption, table { font-size: 0.9em; }
svg, img { max-width: 100%%; }
svg text { font-family: "Book Sans", sans-serif; }
pre { font-size: 0.75em; white-space: pre-wrap; }
.cell_output pre, div.results { padding-left: 0.8em; border-left: 3px solid %s; }
table { border-collapse: collapse; }
caption { text-align: left; }
.results tbody th { font-weight: normal; }
details { margin: 0.6em 0; }
dt strong { font-family: monospace; font-size: 0.9em; }
.together { white-space: nowrap; }
th, td { padding: 0.15em 0.8em 0.15em 0; text-align: left; vertical-align: top; }
table.results td { text-align: right; }
div.math { text-align: center; margin: 1em 0; }
.eqno { float: right; }
.compare-pictures img { width: 48%%; }
ol.chapters { padding: 0; list-style: none; }
ol.chapters li { margin-bottom: 1.5em; }
ol.chapters svg { display: block; max-width: 10rem; }
.chapter-title { font-weight: bold; }
.chapter-question { display: block; }
td p, th p { margin: 0; }
nav ol { list-style: none; }
.touch { font-size: 0.9em; }
.cover { margin: 0; text-align: center; }
.cover img { max-height: 100vh; }
"""

COVER = f"""
body {{ margin: 0; padding: 110px 100px; background: {style.LIGHT["paper"]};
  color: {style.LIGHT["ink"]}; font-family: var(--book-sans); }}
p {{ margin: 0; }}
.book-title {{ font-size: 92px; font-weight: 600; line-height: 1.1; }}
.book-about {{ margin-top: 24px; font: italic 46px/1.3 var(--book-serif); }}
.book-edition {{ display: none; }}
.book-mark {{ display: block; width: 1000px; margin-top: 160px; }}
"""

PAGE = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" lang="en" \
xml:lang="en">
<head><title>{title}</title><link rel="stylesheet" href="book.css"/></head>
<body>{body}</body>
</html>
"""

CONTAINER = """<?xml version="1.0" encoding="utf-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="book/package.opf" \
media-type="application/oebps-package+xml"/></rootfiles>
</container>
"""

PACKAGE = """<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id" xml:lang="en">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:identifier id="id">urn:uuid:{identifier}</dc:identifier>
<dc:title>{title}</dc:title>
<dc:language>en</dc:language>
<dc:creator>The contributors</dc:creator>
<dc:description>{about}</dc:description>
<meta property="dcterms:modified">{now}</meta>
<meta property="schema:accessMode">textual</meta>
<meta property="schema:accessMode">visual</meta>
<meta property="schema:accessModeSufficient">textual</meta>
<meta property="schema:accessibilityFeature">MathML</meta>
<meta property="schema:accessibilityFeature">alternativeText</meta>
<meta property="schema:accessibilityFeature">structuralNavigation</meta>
<meta property="schema:accessibilityFeature">tableOfContents</meta>
<meta property="schema:accessibilityHazard">none</meta>
<meta property="schema:accessibilitySummary">Formulas are MathML, and figures have texts in place \
of them.</meta>
<meta name="cover" content="cover-image"/>
</metadata>
<manifest>
{manifest}
</manifest>
<spine>
{spine}
</spine>
</package>
"""

TYPES = {
    ".xhtml": "application/xhtml+xml", ".css": "text/css", ".woff2": "font/woff2",
    ".jpg": "image/jpeg", ".png": "image/png", ".svg": "image/svg+xml",
}  # fmt: skip


def bind(site, toc, out):
    """Write the pages that the file `toc` names from the folder `site` into the file `out`.

    Raises
    ------
    FileNotFoundError
        If no Chromium is installed, or a page is not built.
    """
    site = Path(site).resolve()
    pages = gathered.named(site, toc)
    with gathered.chromium() as page:
        made = gathered.chapters(page, pages, OF_A_BOOK, colours=style.LIGHT)
        title, about = gathered.title([chapter for chapter, _ in made]), made[0][1]
        page.set_viewport_size({"width": 1200, "height": 1800})
        page.goto(made[0][0].path.as_uri())
        page.evaluate(gathered.COMPOSE, [title, gathered.cover(title, about)])
        page.add_style_tag(content=COVER)
        page.evaluate("document.fonts.ready")
        cover = page.screenshot(type="jpeg", quality=88)
    chapters = [chapter for chapter, _ in made]
    files = {
        "cover.xhtml": PAGE.format(
            title=title, body=f'<p class="cover"><img src="cover.jpg" alt="{title}"/></p>'
        ),
        "nav.xhtml": PAGE.format(title="Contents", body=_contents(chapters)),
        "book.css": _style(site),
        "cover.jpg": cover,
    }
    for chapter, each in made:
        files[f"{chapter.key}.xhtml"] = PAGE.format(title=escape(chapter.label), body=each["text"])
        for address in each["images"]:
            image = Path(unquote(urlsplit(address).path))
            files[f"images/{image.name}"] = image.read_bytes()
    for font in sorted((site / "_static" / "fonts").glob("*")):
        files[f"fonts/{font.name}"] = font.read_bytes()
    package = _package(title, about["about"], chapters, files)
    with ZipFile(out, "w", ZIP_DEFLATED) as book:
        book.writestr("mimetype", "application/epub+zip", ZIP_STORED)
        book.writestr("META-INF/container.xml", CONTAINER)
        book.writestr("book/package.opf", package)
        for name, content in files.items():
            book.writestr(f"book/{name}", content)


def _style(site):
    faces = re.findall(r"@font-face *{[^}]*}", (site / "_static" / "site.css").read_text("utf-8"))
    ink, vermilion = style.LIGHT["ink"], style.LIGHT["vermilion"]
    return STYLE % ("\n".join(faces), ink, vermilion, vermilion)


def _contents(chapters):
    parts = []
    for part, members in groupby(chapters, lambda chapter: chapter.part):
        links = "".join(
            f'<li><a href="{each.key}.xhtml">{escape(each.label)}</a></li>\n' for each in members
        )
        parts.append(f"<li><span>{escape(part)}</span>\n<ol>{links}</ol></li>\n" if part else links)
    return (
        f'<nav epub:type="toc" role="doc-toc"><h1>Contents</h1><ol>\n{"".join(parts)}</ol></nav>'
        '<nav epub:type="landmarks" hidden=""><h2>Places</h2><ol>'
        '<li><a epub:type="toc" href="nav.xhtml">Contents</a></li>'
        f'<li><a epub:type="bodymatter" href="{chapters[0].key}.xhtml">Begin</a></li></ol></nav>'
    )


def _package(title, about, chapters, files):
    items = []
    for name, content in files.items():
        kind = TYPES.get(Path(name).suffix, "text/plain")
        has = {"nav.xhtml": ["nav"], "cover.jpg": ["cover-image"]}.get(name, [])
        if kind == TYPES[".xhtml"]:
            has += [
                word for word, sign in (("mathml", "<math"), ("svg", "<svg")) if sign in content
            ]
        properties = f' properties="{" ".join(has)}"' if has else ""
        id_ = "cover-image" if name == "cover.jpg" else re.sub(r"[^\w-]", "-", f"file-{name}")
        items.append(f'<item id="{id_}" href="{name}" media-type="{kind}"{properties}/>')
    order = ["cover", "nav", *(chapter.key for chapter in chapters)]
    return PACKAGE.format(
        # Two editions are two books for a reader's shelf.
        identifier=uuid.uuid5(
            uuid.NAMESPACE_URL,
            (chapters[0].published or title) + "#with-solutions" * (title != chapters[0].title),
        ),
        title=escape(title),
        about=escape(about or title),
        now=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        manifest="\n".join(items),
        spine="\n".join(f'<itemref idref="file-{key}-xhtml"/>' for key in order),
    )


if __name__ == "__main__":
    bind(sys.argv[1], "_toc.yml", sys.argv[2])
    gathered.offer(sys.argv[1], sys.argv[2], "The book as EPUB")

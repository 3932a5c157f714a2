"""The whole book on paper: the pages of the built site, printed by Chromium and bound in one PDF.

    python -m instnorm_site.pdf _build/html _build/instance-normalization.pdf

What a sheet looks like is said in ``book/style/site.css``, under ``@media print``. No script of the
pages runs, so that in place of each explorable there is its figure.
"""

import io
import json
import shutil
import sys
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, NameObject
from sphinx_external_toc.parsing import parse_toc_yaml

from instnorm_lab import style

FOOT = '<p class="book-version">'
TITLE = """[...document.querySelector("h1").childNodes]
  .filter((node) => !node.className).map((node) => node.textContent).join("")"""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class Chapter(NamedTuple):
    """A printed page of the site."""

    part: str  # the caption over it in the table of contents; "" for the first page
    address: str
    title: str
    first: int  # its first page, counted from 1 after the table of contents
    sheets: PdfReader


def bind(site, toc, out):
    """Print the pages that the file `toc` names from the folder `site`, into the file `out`.

    Raises
    ------
    FileNotFoundError
        If no Chromium is installed, or a page is not built.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise FileNotFoundError(f"a Chromium has to be installed: none of {', '.join(BROWSERS)}")
    pages = [(part, Path(site).resolve() / f"{name}.html") for part, name in _pages(toc)]
    for _, path in pages:
        if not path.is_file():
            raise FileNotFoundError(f"{path} is not built; run: make book")
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(color_scheme="light")
        page.route("**/*.js", lambda route: route.abort())
        chapters = []
        for part, path in pages:
            first = chapters[-1].first + len(chapters[-1].sheets.pages) if chapters else 1
            page.goto(path.as_uri())
            title = page.evaluate(TITLE)
            sheets = _print(page, first, title)
            chapters.append(Chapter(part, path.as_uri(), title, first, sheets))
        page.goto(chapters[0].address)
        page.evaluate(
            "text => (document.querySelector('article').innerHTML = text)", _contents(chapters)
        )
        contents = _print(page)
        chromium.close()
    _write(contents, chapters, out)


def _pages(toc):
    root = parse_toc_yaml(toc).root
    yield "", root.docname
    for part in root.subtrees:
        for name in part.items:
            yield part.caption, str(name)


def _print(page, first=None, title=""):
    """Print a page; with the number of its first sheet, also number the sheets and name them."""
    if first is not None:
        head = json.dumps(title, ensure_ascii=False)  # a string of CSS is one of JSON
        page.add_style_tag(
            content="@page { @bottom-center { content: counter(page); } }"
            f"@page {{ @top-right {{ content: {head}; color: {style.LIGHT['muted']}; }} }}"
            "@page :first { @top-right { content: none; } }"
            f"html {{ counter-reset: page {first - 1}; }}"
        )
    return PdfReader(io.BytesIO(page.pdf(prefer_css_page_size=True)))


def _contents(chapters):
    lines = [f"<section><h1>{escape(chapters[0].title)}</h1><h2>Contents</h2>"]
    for before, chapter in pairwise(chapters):
        if chapter.part != before.part:
            lines.append(f"<h3>{escape(chapter.part)}</h3>")
        lines.append(
            f'<p class="contents"><a href="{chapter.address}">{escape(chapter.title)}</a> '
            f"<span>{chapter.first}</span></p>"
        )
    return "\n".join([*lines, "</section>"])


def _write(contents, chapters, out):
    writer = PdfWriter()
    writer.append(contents, import_outline=False)
    starts, parts = {}, {}
    for chapter in chapters:
        start = starts[chapter.address] = len(writer.pages)
        writer.append(chapter.sheets, import_outline=False)
        if chapter.part and chapter.part not in parts:
            parts[chapter.part] = writer.add_outline_item(title=chapter.part, page_number=start)
        writer.add_outline_item(
            title=chapter.title, page_number=start, parent=parts.get(chapter.part)
        )
    for sheet in writer.pages:
        _keep_links_inside(writer, sheet, starts)
    writer.add_metadata({"/Title": chapters[0].title})
    writer.write(out)


def _keep_links_inside(writer, sheet, starts):
    """Turn links to printed pages into jumps, and take out those to other files of the site."""
    kept = ArrayObject()
    for entry in sheet.get("/Annots", ()):
        link = entry.get_object()
        address = link.get("/A", {}).get("/URI", "")
        page, _, _ = address.partition("#")
        if page in starts:
            del link["/A"]
            target = writer.pages[starts[page]].indirect_reference
            link[NameObject("/Dest")] = ArrayObject([target, NameObject("/Fit")])
        if not address.startswith("file:") or page in starts:
            kept.append(entry)
    if "/Annots" in sheet:
        sheet[NameObject("/Annots")] = kept


def offer(site, pdf):
    """Put the file into the built site, and a link to it at the foot of each page."""
    site, pdf = Path(site), Path(pdf)
    shutil.copy(pdf, site / pdf.name)
    for page in site.rglob("*.html"):
        text = page.read_text("utf-8")
        if FOOT not in text or "book-pdf" in text:
            continue
        up = "../" * (len(page.relative_to(site).parts) - 1)
        link = f'<a class="book-pdf" href="{up}{pdf.name}">The book as PDF</a>'
        page.write_text(text.replace(FOOT, f"<p>{link}</p>{FOOT}", 1), "utf-8")


if __name__ == "__main__":
    bind(sys.argv[1], "_toc.yml", sys.argv[2])
    offer(sys.argv[1], sys.argv[2])

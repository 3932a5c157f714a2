"""The whole book on paper: the pages of the built site, printed by Chromium as one tagged PDF.

    python -m instnorm_site.pdf _build/html _build/instance-normalization.pdf

What a sheet looks like is said in ``book/style/site.css``, under ``@media print``; here is only
what a book has and a site has not: a cover, contents, and a head on each sheet.
"""

import io
import json
import re
import sys
from html import escape
from itertools import pairwise

from pypdf import PdfReader, PdfWriter
from pypdf.generic import BooleanObject, DictionaryObject, Fit, NameObject

from instnorm_lab import style

from . import gathered

# Each chapter's ids get its key, so that they stay apart in one document; links follow. What leads
# to other files of the site leads nowhere on paper.
ONE_OF_MANY = """({ key, keys }) => {
  const within = (anchor) => `${key}-${anchor}`;
  for (const part of gathered.querySelectorAll("[id]"))
    if (!part.closest("svg")) part.id = within(part.id);
  for (const link of gathered.querySelectorAll("a[href]")) {
    const [address, anchor] = link.getAttribute("href").split("#");
    const to = keys[address];
    if (to) link.setAttribute("href", "#" + (anchor ? `${to}-${decodeURIComponent(anchor)}` : to));
    else if (address.startsWith("file:")) link.replaceWith(...link.childNodes);
  }
  // A group: the picture in it is what has a text in place of it.
  for (const figure of gathered.querySelectorAll("figure")) figure.setAttribute("role", "group");
  const edition = document.querySelector(".book-version")?.textContent ?? "";
  const about = gathered.querySelector("h1 + p")?.textContent ?? "";
  gathered.id = key;
  return { html: gathered.outerHTML, edition, about };
}"""

SHEETS = f"""
@page {{ @bottom-center {{ content: counter(page); }} }}
@page cover {{ @bottom-center {{ content: none; }} }}
.book-cover {{
  page: cover; position: relative; height: 255mm;
  font-family: var(--book-sans); color: {style.LIGHT["ink"]};
}}
.book-cover .book-mark {{ position: absolute; left: 0; bottom: 34mm; width: 150mm; }}
.book-cover p {{ margin: 0; }}
.book-cover .book-title {{ padding-top: 14mm; font: 600 38pt/1.1 var(--book-sans); }}
.book-cover .book-about {{ margin-top: 5mm; font: italic 17pt/1.3 var(--book-serif); }}
.book-cover .book-edition {{ position: absolute; bottom: 6mm; font-size: 10pt; }}
.book-contents {{ page: contents; }}
.book-contents :is(h1, h3) {{ margin: 0 0 1mm; }}
.book-contents h3 {{ margin-top: 3mm; }}
.book-contents p.contents {{ line-height: 1.3; }}
.bd-article .sd-row {{ margin-inline: 0; }}
.bd-article h1::after {{ print-color-adjust: exact; }}
"""


def bind(site, toc, out):
    """Print the pages that the file `toc` names from the folder `site`, into the file `out`.

    Raises
    ------
    FileNotFoundError
        If no Chromium is installed, or a page is not built.
    """
    pages = gathered.named(site, toc)
    with gathered.chromium() as page:
        made = gathered.chapters(page, pages, ONE_OF_MANY)
        chapters = [chapter for chapter, _ in made]
        page.goto(chapters[0].path.as_uri())
        page.add_style_tag(content=SHEETS + "".join(map(_head, range(len(chapters)), chapters)))
        bodies = "".join(
            f'<div style="page: chapter{k}">{each["html"]}</div>'
            for k, (_, each) in enumerate(made)
        )
        title = gathered.title(chapters)
        cover = gathered.cover(title, made[0][1])
        starts = [0] * len(chapters)
        for _ in range(2):  # where chapters start is known when they have been printed
            html = f"{cover}{_contents(chapters, starts)}{bodies}"
            html = f'<div class="bd-content"><div class="bd-article-container">{html}</div></div>'
            page.evaluate(gathered.COMPOSE, [title, html])
            page.evaluate("document.fonts.ready")
            printed = page.pdf(prefer_css_page_size=True, tagged=True, outline=True)
            reader = PdfReader(io.BytesIO(printed))
            headings = _headings(reader)
            if len(headings) != len(chapters) + 1:
                raise ValueError(
                    f"{len(chapters)} chapters and the contents were printed, and the PDF has "
                    f"{len(headings)} chapters' headings: {[entry.title for entry, _ in headings]}"
                )
            starts = [reader.get_destination_page_number(entry) for entry, _ in headings[1:]]
    _write(reader, chapters, headings[1:], out)


def _head(k, chapter):
    said = json.dumps(chapter.title, ensure_ascii=False)  # a string of CSS is one of JSON
    return (
        f"@page chapter{k} {{ @top-right {{ content: {said}; color: {style.LIGHT['muted']}; }} }}\n"
    )


def _contents(chapters, starts):
    lines = ['<section class="bd-article book-contents"><h1>Contents</h1>']
    for before, (chapter, start) in pairwise([(None, 0), *zip(chapters, starts, strict=True)]):
        if before[0] and chapter.part != before[0].part:
            lines.append(f"<h3>{escape(chapter.part)}</h3>")
        lines.append(
            f'<p class="contents"><a href="#{chapter.key}">{escape(chapter.label)}</a> '
            f"<span>{start + 1}</span></p>"
        )
    return "\n".join([*lines, "</section>"])


def _headings(reader):
    """Entries of the outline on top, each with those below it."""
    found = []
    for entry in reader.outline:
        if isinstance(entry, list):
            found[-1] = (found[-1][0], [each for each in entry if not isinstance(each, list)])
        else:
            found.append((entry, []))
    return found


def _write(reader, chapters, headings, out):
    writer = PdfWriter(clone_from=reader)
    del writer.root_object["/Outlines"]
    parts = {}

    def entry(title, to, parent=None):
        page = reader.get_destination_page_number(to)
        return writer.add_outline_item(
            title=title, page_number=page, parent=parent, fit=Fit.xyz(0, to.top)
        )

    for chapter, (heading, below) in zip(chapters, headings, strict=True):
        if chapter.part and chapter.part not in parts:
            parts[chapter.part] = entry(chapter.part, heading)
        on_top = entry(chapter.label, heading, parts.get(chapter.part))
        for section in below:
            # Chromium says twice what begins a new sheet.
            entry(re.sub(r"^(.+)\1$", r"\1", section.title), section, on_top)
    writer.add_metadata({"/Title": gathered.title(chapters), "/Author": "The contributors"})
    shown = DictionaryObject({NameObject("/DisplayDocTitle"): BooleanObject(True)})
    writer.root_object[NameObject("/ViewerPreferences")] = shown
    writer.page_mode = "/UseOutlines"
    writer.write(out)


if __name__ == "__main__":
    bind(sys.argv[1], "_toc.yml", sys.argv[2])
    gathered.offer(sys.argv[1], sys.argv[2], "The book as PDF")

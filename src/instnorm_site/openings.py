"""A Sphinx extension: how chapters open, and how the first page shows them.

What a chapter asks, and what its picture shows, is in ``book/chapters.yml``; the pictures are drawn
in `pictures`. The directive ``{chapters}``, with the name of a part's folder, lists its chapters.
"""

import functools
import re
from html import escape
from pathlib import Path

import yaml
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from . import pictures


def setup(app):
    app.add_directive("chapters", Chapters)
    app.connect("doctree-read", _open, priority=410)  # behind `live`, so that this stands before it
    return {"parallel_read_safe": True, "parallel_write_safe": True}


@functools.cache
def chapters(book):
    """{page: what is said of it, and its number}, in the order of the book."""
    said = yaml.safe_load((Path(book) / "chapters.yml").read_text("utf-8"))
    return {page: {**about, "number": k} for k, (page, about) in enumerate(said.items(), 1)}


def title(book, page):
    """The heading of a page."""
    return re.search(r"^# (.+)$", (Path(book) / f"{page}.md").read_text("utf-8"), re.M)[1]


@functools.cache
def picture(page, alt):
    return pictures.svg(page, alt)


def _open(app, doctree):
    page = app.env.docname
    about = chapters(app.srcdir).get(page)
    if about is None or app.builder.format != "html":
        return
    drawn = picture(page, about["picture"])
    html = (
        f'<div class="opening"><p>{escape(about["question"], quote=False)}</p>'
        f'<div class="opening-picture">{drawn}</div></div>\n'
    )
    doctree.next_node(nodes.section).insert(1, nodes.raw("", html, format="html"))


class Chapters(SphinxDirective):
    """The chapters of a part, each with its picture, number, title and question."""

    required_arguments = 1

    def run(self):
        book = self.env.srcdir
        self.env.note_dependency(str(Path(book) / "chapters.yml"))
        cards = [
            _card(page, title(book, page), about)
            for page, about in chapters(book).items()
            if page.startswith(f"{self.arguments[0]}/")
        ]
        if not cards:
            raise self.error(f"no chapter in chapters.yml begins with {self.arguments[0]}/")
        html = f'<ol class="chapters">\n{"".join(cards)}</ol>\n'
        return [nodes.raw("", html, format="html")]


def _card(page, name, about):
    drawn = picture(page, about["picture"])
    hidden = re.sub(r' role="img" aria-label="[^"]*"', "", drawn.replace(' class="figure"', "", 1))
    hidden = hidden.replace("<svg ", '<svg aria-hidden="true" ', 1)
    return (
        f'<li><a href="{page}.html">{hidden}'
        f'<span class="chapter-number">{about["number"]}</span>'
        f'<span class="chapter-title">{escape(name, quote=False)}</span>'
        f'<span class="chapter-question">{escape(about["question"], quote=False)}</span></a></li>\n'
    )

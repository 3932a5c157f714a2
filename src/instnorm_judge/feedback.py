"""The page that a student gets back: safe to open for whoever opens it, and without hidden tests.

Everything that a student wrote passes through a filter that escapes it: code, outputs and Markdown,
which may hold HTML (nbgrader's page shows it as it is, whatever `sanitize_html` says). And there is
an end: a page has at most MAX_PAGE bytes, and takes seconds, whatever was handed in.
"""

import functools
import html
import re
import time
from pathlib import Path

import bleach
import nbformat
from jinja2 import pass_context
from nbconvert.exporters import HTMLExporter
from nbconvert.filters import ansi2html, strip_ansi
from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbgrader.preprocessors import ClearHiddenTests
from nbgrader.utils import is_grade, is_solution
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

# nbgrader's own page loads scripts from other servers; `templates/diagnosis` asks for nothing.
TEMPLATES = str(Path(__file__).parent / "templates")

TAGS = (
    "a abbr b blockquote br code del details div em h1 h2 h3 h4 h5 h6 hr i li ol p pre span strong "
    "sub summary sup table tbody td th thead tr ul"
)
# Without pictures: one from elsewhere would tell its owner who opens the page, and when.
ATTRIBUTES = {"a": ["href", "title"], "div": ["class"], "span": ["class"]}

MAX_PAGE = 2_000_000  # bytes
FRAME = 100_000  # of them, for the frame and the style
# On hostile text a highlighter or a Markdown parser takes time quadratic in its length.
MAX_PIECE = 8_000  # characters that are still coloured, or laid out
MAX_COLOURS = 500  # changes of colour in a piece of text from a terminal
SECONDS = 4  # after which the rest of a page is plain


class FeedbackExporter(HTMLExporter):
    """nbconvert's HTMLExporter, with filters of our own."""

    def from_notebook_node(self, nb, resources=None, **kwargs):
        self.room, self.deadline = MAX_PAGE - FRAME, time.monotonic() + SECONDS
        # Not nbconvert's own: it would parse the page once more, to warn of pictures without words.
        return super(HTMLExporter, self).from_notebook_node(nb, resources, **kwargs)

    def default_filters(self):
        yield from super().default_filters()
        yield "highlight_code", self._code
        yield "markdown2html", self._text
        yield "ansi2html", self._terminal
        yield "picture", self._picture

    def _fitting(self, page):
        """A piece of the page, if there is room for it."""
        size = len(page.encode("utf-8", "replace"))
        if size > self.room:
            return '<p class="note">(Left out: this page has become too large.)</p>'
        self.room -= size
        return page

    def _plain(self, text, room=200_000):
        more = "\n... and more, which is not shown." if len(text) > room else ""
        return html.escape(text[:room]) + more

    def _lays_out(self, text):
        return len(text) <= MAX_PIECE and time.monotonic() < self.deadline

    def _code(self, source, **_):
        if not self._lays_out(source):
            return self._fitting(f"<pre>{self._plain(source)}</pre>")
        return self._fitting(highlight(source, PythonLexer(stripnl=False), HtmlFormatter()))

    @pass_context
    def _text(self, context, source):
        if not self._lays_out(source):
            return self._fitting(f"<pre>{self._plain(source)}</pre>")
        page = self.markdown2html(context, source)
        clean = bleach.clean(page, tags=TAGS.split(), attributes=ATTRIBUTES, strip=True)
        return self._fitting(clean)

    def _terminal(self, text):
        if text.count("\x1b") > MAX_COLOURS:
            text = strip_ansi(text)
        if "\x1b" not in text:
            return self._fitting(self._plain(text))
        return self._fitting(ansi2html(text[:200_000]))

    def _picture(self, data):
        """The picture in base64; "" if there is no room."""
        if not re.fullmatch(r"[A-Za-z0-9+/=\s]+", data) or len(data) > self.room:
            return ""
        self.room -= len(data)
        return data


class HideTests(ClearHiddenTests):
    """Leave the hidden part of tests out. Only there: elsewhere its markers are a student's."""

    def preprocess_cell(self, cell, resources, index):
        if is_grade(cell) and not is_solution(cell):
            self._remove_hidden_test_region(cell)
        return cell, resources


def page(content, marks):
    """The feedback page of a graded notebook.

    Parameters
    ----------
    content : bytes of the notebook in autograded/
    marks : of `marks_of`

    This is what `nbgrader generate_feedback` makes too. It needs no gradebook, so that many pages
    are made side by side.
    """
    notebook = nbformat.v4.reads(content.decode())
    for cell in notebook.cells:
        about = cell.metadata.get("nbgrader")
        if about and about.get("grade_id") in marks["cells"]:
            about.update(marks["cells"][about["grade_id"]])
    return _exporter().from_notebook_node(notebook, {"nbgrader": marks})[0]


@functools.cache
def _exporter():
    return FeedbackExporter(
        template_name="diagnosis",
        extra_template_basedirs=[TEMPLATES],
        preprocessors=[HideTests, CSSHTMLHeaderPreprocessor],
    )


def marks_of(notebook):
    """What the page says of a SubmittedNotebook of the gradebook, as plain values."""
    cells = {each.name: {"comment": each.comment} for each in notebook.comments}
    for each in notebook.grades:
        about = {"score": each.score, "points": each.max_score}
        cells.setdefault(each.name, {}).update(about)
    penalty = notebook.late_submission_penalty or 0
    return {
        "notebook": notebook.name,
        "score": notebook.score - penalty,
        "max_score": notebook.max_score,
        "late_penalty": penalty,
        "cells": cells,
    }

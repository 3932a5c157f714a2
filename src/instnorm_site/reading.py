"""A Sphinx extension: at the end of each chapter and hands-on page, questions on what was read."""

import json
from html import escape
from pathlib import Path

from docutils import nodes

from . import questions
from .exercises import FOLDER, described, notebooks

TITLE, ANCHOR = "Check yourself", "check-yourself"


def setup(app):
    app.connect("doctree-read", _place, priority=400)  # before Sphinx collects the titles
    app.connect("build-finished", _serve, priority=950)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def pages(root):
    """{page: exercises that its questions are made of}."""
    practised = {f"{FOLDER}/{name}": [*described(path)] for name, path in notebooks(root).items()}
    return questions.CHAPTERS | practised


def file_name(page):
    return f"questions-{page.replace('/', '--')}.json"


def _place(app, doctree):
    page = app.env.docname
    folder, _, name = page.rpartition("/")
    asked = page in questions.CHAPTERS or (
        folder == FOLDER and name in notebooks(Path(app.srcdir).parent)
    )
    if not asked:
        return
    box = (
        f'<div class="questions" data-page="{escape(page)}"><p>The questions need '
        "JavaScript, and a page from a web server.</p></div>\n"
    )
    section = nodes.section("", nodes.title("", TITLE), ids=[ANCHOR], names=[TITLE.lower()])
    section += nodes.raw("", box, format="html")
    doctree.next_node(nodes.section).append(section)


def _serve(app, error):
    if error is None and app.builder.format == "html":
        static = Path(app.outdir) / "_static"
        for page, exercise_ids in pages(Path(app.srcdir).parent).items():
            made = questions.of_page(page, exercise_ids)
            text = json.dumps(made, ensure_ascii=False, separators=(",", ":"))
            (static / file_name(page)).write_text(text, "utf-8")

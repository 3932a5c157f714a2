"""A Sphinx extension: the edition with solutions, for instructors and for self-learners.

Where the variable ``SOLUTIONS`` is set, as by ``make book SOLUTIONS=1``, the solution of each
exercise is folded up below it, as it stands in ``solutions/``. Such an edition goes to a folder of
its own, says on each page with exercises what it is, and asks searchers to stay away. Without the
variable this extension does nothing, and the book holds no solution.
"""

import os
import re
from html import escape
from pathlib import Path

import jupytext
from docutils import nodes

from .exercises import FOLDER

MARKER = re.compile(r"^[ \t]*### (BEGIN|END) SOLUTION[ \t]*(\n|\Z)", re.M)
NOTICE = (
    "This is the edition with solutions. Under each exercise one is folded up; there are others "
    "that are as good. Do not publish this edition where your students can see it."
)


def setup(app):
    if os.environ.get("SOLUTIONS"):
        app.connect("doctree-read", _place)
        app.connect("html-page-context", _hide_from_searchers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def solved(path):
    """The solutions in a text notebook: {exercise id: the code of the whole cell}."""
    found = {}
    for cell in jupytext.read(path).cells:
        about = cell.metadata.get("nbgrader", {})
        if about.get("solution"):
            exercise_id = about["grade_id"].removesuffix("-answer")
            found[exercise_id] = MARKER.sub("", cell.source).rstrip()
    return found


def _place(app, doctree):
    folder, _, name = app.env.docname.rpartition("/")
    source = Path(app.srcdir).parent / "solutions" / name / f"{name}.md"
    if folder != FOLDER or not source.is_file():
        return
    app.env.note_dependency(str(source))
    known = solved(source)
    page = doctree.next_node(nodes.section)
    page.insert(1, nodes.warning("", nodes.paragraph("", NOTICE)))
    for section in list(doctree.findall(nodes.section)):
        for exercise_id in set(section["ids"]) & set(known):
            section += _folded(exercise_id, known.pop(exercise_id))
    if known:
        raise ValueError(f"{app.env.docname} has no place for the solution of {', '.join(known)}")


def _folded(exercise_id, code):
    listing = nodes.literal_block(code, code, language="python")
    before = f'<details class="solution" id="{escape(exercise_id)}-solution">'
    return [
        nodes.raw("", f"{before}<summary>A solution</summary>\n", format="html"),
        listing,
        nodes.raw("", "</details>\n", format="html"),
    ]


def _hide_from_searchers(app, pagename, templatename, context, doctree):
    context["metatags"] = context.get("metatags", "") + '<meta name="robots" content="noindex" />\n'

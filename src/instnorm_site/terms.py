"""A Sphinx extension: in each chapter, the first mention of a word of the glossary leads there.

No author has to mark it. What is a heading, a caption, code, a link or a formula stays as it is.
"""

import functools
import re
from pathlib import Path

from docutils import nodes
from sphinx import addnodes

PARTS = ("principles", "applications")
#: Words that everybody knows, or that every page has.
COMMON = {
    "activation", "affine", "channel", "content", "contrast", "eps", "invariance", "nbgrader",
    "plane", "standardise", "style", "instance normalisation",
}  # fmt: skip


def setup(app):
    app.connect("doctree-read", _link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


@functools.cache
def terms(book):
    """The terms of the glossary that are linked, as a pattern; {as written small: term}."""
    text = (Path(book) / "glossary.md").read_text("utf-8")
    listed = re.search(r"```\{glossary\}\n(.*?)```", text, re.S)[1]
    found = {term.lower(): term for term in re.findall(r"^(\S.*)$", listed, re.M)}
    found = {small: term for small, term in found.items() if small not in COMMON}
    longest_first = sorted(found, key=len, reverse=True)
    return re.compile(rf"\b({'|'.join(map(re.escape, longest_first))})\b", re.I), found


def _link(app, doctree):
    page = app.env.docname
    if page.partition("/")[0] not in PARTS or app.builder.format != "html":
        return
    pattern, found = terms(app.srcdir)
    seen = {  # marked by the author
        node["reftarget"].lower()
        for node in doctree.findall(addnodes.pending_xref)
        if node.get("reftype") == "term"
    }
    for paragraph in doctree.findall(nodes.paragraph):
        if not isinstance(paragraph.parent, (nodes.section, nodes.list_item)):
            continue
        for text in [child for child in paragraph.children if isinstance(child, nodes.Text)]:
            made = [*_pieces(str(text), pattern, found, seen, page)]
            if len(made) > 1:
                paragraph.replace(text, made)


def _pieces(text, pattern, found, seen, page):
    at = 0
    for match in pattern.finditer(text):
        if match[1].lower() in seen:
            continue
        seen.add(match[1].lower())
        yield nodes.Text(text[at : match.start()])
        link = addnodes.pending_xref(
            "", nodes.inline("", match[1], classes=["std", "std-term"]), refdomain="std",
            reftype="term", reftarget=found[match[1].lower()], refdoc=page, refwarn=True,
            refexplicit=True,
        )  # fmt: skip
        yield link
        at = match.end()
    yield nodes.Text(text[at:])

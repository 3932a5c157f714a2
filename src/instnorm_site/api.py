"""A Sphinx extension: reference pages made from docstrings, for all that a module exports.

In an ``eval-rst`` block of a page, ``.. exports:: instnorm.style`` shows what the module says of
itself, a table of the functions and classes in its ``__all__``, and the docstring of each. Nothing
is listed by hand, so nothing can be forgotten.
"""

import inspect
import re
from importlib import import_module

from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

_LISTED = re.compile(r'(nav-link" href="[^"]*"><code[^>]*><span class="pre">)([^<]*)')

#: A long dotted name in running text.
_DOTTED = re.compile(r"(?<=[\s>])(?:\w+\.){2,}\w{8,}(?=[\s.,<])(?=[^<>]*<)")

_STRING = re.compile(r"""(?<![\w`])(["'])[\w-]+\1(?![\w`])""")
_PRIME = re.compile(r"(?<![A-Za-z])((?:\w_)?[A-Za-z]|mean)('{1,2})(?![A-Za-z'])")
#: What no line should end within: a shape, a short difference in brackets, a name and its value.
_SHORT = re.compile(
    r"\((?=[^()]*[,+*/=·-])(?=[^()]{3,18}\))[^() ]{1,9}(?: [^() ]{1,9}){1,4}\)"
    r"|(?<!\S)\w{1,10} (?:=|>=|->) -?[\d.]*[\dA-Za-z](?![\w(\[])"
)


def setup(app):
    app.setup_extension("numpydoc")  # and with it Sphinx's autodoc and autosummary
    app.add_directive("exports", Exports)
    # Before numpydoc, which takes the docstring apart at priority 500.
    app.connect("autodoc-process-docstring", _as_restructured_text, priority=400)
    app.connect("missing-reference", _resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class Exports(SphinxDirective):
    """The docstrings of a module, and of all functions and classes in its `__all__`."""

    required_arguments = 1

    def run(self):
        module = import_module(self.arguments[0])
        exported = {name: getattr(module, name) for name in module.__all__}
        described = {name: each for name, each in exported.items() if callable(each)}
        lines = [
            ".. highlight:: none",
            "",
            f".. automodule:: {module.__name__}",
            "",
            ".. autosummary::",
            "   :nosignatures:",
            "",
            *(f"   {name}" for name in described),
            "",
            *(f".. {_directive(each)}:: {name}\n" for name, each in described.items()),
        ]
        # What a page shows changes with the modules that it describes.
        self.env.note_dependency(inspect.getfile(module))
        made = self.parse_text_to_nodes("\n".join(lines))
        for each in (entry for node in made for entry in node.findall(addnodes.index)):
            # Else each module would stand in the index twice: under its name, and under "module".
            each["entries"] = [_single(*entry) for entry in each["entries"]]
        return made


def _single(kind, said, *rest):
    module = said.removeprefix("module; ")
    return ("single", f"{module} (module)", *rest) if kind == "pair" else (kind, said, *rest)


def page(text):
    """A page's HTML, in which long names may be broken: in the list of contents behind an
    underscore, in docstrings behind a dot."""
    text = _LISTED.sub(lambda match: match[1] + match[2].replace("_", "_<wbr>"), text)
    if 'class="py ' not in text:
        return text
    return _DOTTED.sub(lambda match: match[0].replace(".", ".<wbr>"), text)


def _directive(each):
    if not inspect.isclass(each):
        return "autofunction"
    return "autoexception" if issubclass(each, BaseException) else "autoclass"


def _as_restructured_text(app, what, name, obj, options, lines):
    """Let a docstring look on the page as in a terminal; its blocks of code stay as they are."""
    block = None  # the indent of the line above a block of code, while in one
    for k, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if block is not None and line and indent <= block:
            block = None
        if block is None:
            lines[k] = _prose(line)
            block = indent if line.endswith("::") else None


def _prose(line):
    """A line of a docstring: reStructuredText would take some of its signs for others."""
    line = re.sub(r"(?<![\w*\\])\*(?=\w)(?!\w+\*)", r"\\*", line)  # `*spatial` is no emphasis,
    line = _STRING.sub(r"``\g<0>``", line)  # no string has the quotation marks of speech,
    line = _PRIME.sub(lambda match: match[1] + "′″"[len(match[2]) - 1], line)  # no prime is one;
    return _SHORT.sub(lambda match: match[0].replace(" ", "\N{NO-BREAK SPACE}"), line)


def _resolve(app, env, node, contnode):
    """A word in backticks: the function of that name if there is one, else code, as `eps` is."""
    if (node.get("refdomain"), node.get("reftype")) != ("py", "obj"):
        return None
    target, domain = node["reftarget"], env.get_domain("py")
    for name in (f"{node.get('py:module')}.{target}", f"instnorm.{target}"):
        if name in domain.objects:
            found = domain.objects[name]
            return make_refnode(
                app.builder, node["refdoc"], found.docname, found.node_id, contnode, name
            )
    return None if "." in target else contnode

"""A Sphinx extension: reference pages made from docstrings, for all that a module exports.

In an ``eval-rst`` block of a page, ``.. exports:: instnorm.style`` shows what the module says of
itself, a table of the functions and classes in its ``__all__``, and the docstring of each. Nothing
is listed by hand, so nothing can be forgotten.
"""

import inspect
import re
from importlib import import_module

from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

_LISTED = re.compile(r'(nav-link" href="[^"]*"><code[^>]*><span class="pre">)([^<]*)')


def setup(app):
    app.setup_extension("numpydoc")  # and with it Sphinx's autodoc and autosummary
    app.add_directive("exports", Exports)
    # Before numpydoc, which takes the docstring apart at priority 500.
    app.connect("autodoc-process-docstring", _escape, priority=400)
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
        return self.parse_text_to_nodes("\n".join(lines))


def page(text):
    """A page's HTML, whose names in the list of contents may be broken behind an underscore."""
    return _LISTED.sub(lambda match: match[1] + match[2].replace("_", "_<wbr>"), text)


def _directive(each):
    if not inspect.isclass(each):
        return "autofunction"
    return "autoexception" if issubclass(each, BaseException) else "autoclass"


def _escape(app, what, name, obj, options, lines):
    """Leave the asterisk of `*spatial` what it is; reStructuredText would take it for emphasis."""
    lines[:] = [re.sub(r"(?<![\w*\\])\*(?=\w)", r"\\*", line) for line in lines]


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

"""A Sphinx extension: puts the 26-style network among the site's own files.

The explorable "Style mixer" runs it in the reader's browser. It is taken from the package that it
comes with, so that the repository holds no copy.
"""

from .multistyle import model_file


def setup(app):
    # Before Sphinx itself looks at the list, which it does at priority 800.
    app.connect("config-inited", _add_network, priority=700)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _add_network(app, config):
    config.html_static_path.append(str(model_file()))

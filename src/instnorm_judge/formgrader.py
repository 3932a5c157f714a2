"""nbgrader's formgrader, with the names of students escaped.

It puts names as they are into its pages, and names come from learning platforms, where people
choose them. `nbgrader_config.py` is loaded in the Jupyter server that shows formgrader, and calls
`escape_names` there.
"""

import functools
import html
import sys

from nbconvert.exporters import HTMLExporter

EXTENSION = "nbgrader.server_extensions.formgrader.formgrader"


class Escaped(HTMLExporter):
    """nbconvert's HTMLExporter, for a template that shows texts of `resources` as they are."""

    def from_filename(self, filename, resources=None, **kwargs):
        escaped = {
            key: html.escape(value).replace("\\", "&#92;") if isinstance(value, str) else value
            for key, value in (resources or {}).items()
        }
        return super().from_filename(filename, escaped, **kwargs)


def escape_names():
    """Have formgrader escape what it shows, where this process is a server that has it."""
    extension = sys.modules.get(EXTENSION)
    if extension is None or extension.HTMLExporter is Escaped:
        return
    extension.HTMLExporter = Escaped
    extension.Environment = functools.partial(extension.Environment, autoescape=True)

"""The page that a student gets back: safe to open for whoever opens it, and without hidden tests.

Code and outputs are escaped by nbconvert. Text is not: Markdown may hold HTML, and nbgrader's page
shows it as it is, whatever `sanitize_html` says.
"""

from pathlib import Path

import bleach
from jinja2 import pass_context
from nbconvert.exporters import HTMLExporter
from nbgrader.preprocessors import ClearHiddenTests
from nbgrader.utils import is_grade, is_solution

# nbgrader's own page loads scripts from other servers; `templates/diagnosis` asks for nothing.
TEMPLATES = str(Path(__file__).parent / "templates")

TAGS = (
    "a abbr b blockquote br code del details div em h1 h2 h3 h4 h5 h6 hr i li ol p pre span strong "
    "sub summary sup table tbody td th thead tr ul"
)
# Without pictures: one from elsewhere would tell its owner who opens the page, and when.
ATTRIBUTES = {"a": ["href", "title"], "div": ["class"], "span": ["class"]}


class FeedbackExporter(HTMLExporter):
    """nbconvert's HTMLExporter, with Markdown cut down to text and its markup."""

    @pass_context
    def markdown2html(self, context, source):
        page = super().markdown2html(context, source)
        return bleach.clean(page, tags=TAGS.split(), attributes=ATTRIBUTES, strip=True)


class HideTests(ClearHiddenTests):
    """Leave the hidden part of tests out. Only there: elsewhere its markers are a student's."""

    def preprocess_cell(self, cell, resources, index):
        if is_grade(cell) and not is_solution(cell):
            self._remove_hidden_test_region(cell)
        return cell, resources

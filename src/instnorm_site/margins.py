"""What a line cites, in the margin beside it, where the window is wide.

A note repeats in short what the citation leads to. So for whoever has the page read out the margin
is silent, and on paper and on a telephone it is not there: ``book/style/site.css`` says where it
is shown.
"""

import re
from html import escape

from pybtex.richtext import Text

CITED = re.compile(r'<span class="bibtex-citation".*?</span>', re.DOTALL)
LEADS_TO = re.compile(r'href="[^"#]*bibliography\.html#([^"]+)"')


def sources(citations):
    """{anchor: note in HTML} for the citations of the domain of sphinxcontrib-bibtex."""
    return {each.citation_id: note(each.entry) for each in citations}


def note(entry):
    """Names, year and title of an entry of pybtex, for example "Ulyanov et al. 2016: ..."."""
    names = [" ".join(map(_plain, each.last_names)) for each in entry.persons["author"]]
    said = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
    title = _plain(entry.fields["title"])
    return f"{escape(said)} {entry.fields['year']}: {escape(title)}"


def _plain(latex):
    return str(Text.from_latex(latex))


def page(text, notes):
    """A page's HTML, with a note behind the first citation of each source."""
    noted = set()

    def cited(match):
        new = [anchor for anchor in LEADS_TO.findall(match[0]) if anchor not in noted]
        noted.update(new)
        return match[0] + "".join(
            f'<span class="margin-note" aria-hidden="true">{notes[anchor]}</span>' for anchor in new
        )

    return CITED.sub(cited, text)

"""Mend the HTML that Sphinx, its theme and extensions write, where the standard asks for more.

What is said here is what html-validate found, and a reader of the page's structure would miss: a
button without a name, a form without a button. Tests run that validator over all pages, with the
rules in ``tests/site/html-validate/rules.json``.
"""

import re
from html import unescape

# The buttons have icons alone. Their names, in words of a reader and not of the theme.
BUTTONS = {
    "Toggle primary sidebar": "Contents of the book",
    "Toggle secondary sidebar": "Contents of this page",
}

#: A form of the search. Its icon becomes the button that sends it, behind the field, which is what
#: gets the focus when the form opens.
SEARCH = re.compile(
    r'(<form class="bd-search[^>]*>\s*)'
    r'(<i class="fa-solid fa-magnifying-glass"></i>)\s*(.*?)</form>',
    re.DOTALL,
)

#: The theme's title and contents for print, which our style for print does without.
PRINTED = re.compile(r'<div id="jb-print-docs-body".*?(?=<div id="searchbox">)', re.DOTALL)

TABLE = re.compile(
    r'(<table [^>]*class="indextable genindextable">)(?!<tbody>)(.*?)(</table>)', re.DOTALL
)


#: A table, with the head of each column. One of many columns, or with much code beside each other,
#: becomes cards on a telephone.
HEADED = re.compile(
    r'<table class="table">\s*<thead>(?P<heads>.*?)</thead>\s*(?P<rows>.*?)</table>', re.DOTALL
)
MANY, LONG = 4, 30

#: A name or path in running text that no line of a small telephone holds, which may break after its
#: parts.
NAME = re.compile(r'(?<=<span class="pre">)[^<]{28,}(?=</span>)')
BREAK = re.compile(
    r"[/_,=(](?=\w|&lt;)|\.(?=\w{6})"
)  # never before what says of which kind a file is
#: And the number of a paper.
DOI = re.compile(r"(?<=>)doi:[^<]{24,}(?=</a>)")


def page(text):
    """The HTML of a page as the standard wants it; what it shows is the same."""
    button = r'<button type="submit" aria-label="Search">\2</button>'
    text = SEARCH.sub(rf"\1\3{button}</form>", text)
    for title, name in BUTTONS.items():
        text = text.replace(f'title="{title}"', f'title="{name}" aria-label="{name}"')
    text = text.replace(' class="bd-main" role="main"', ' class="bd-main"')
    text = TABLE.sub(r"\1<tbody>\2</tbody>\3", text)
    text = re.sub(r'(<script [^>]*?)defer="defer"', r"\1defer", text)
    text = re.sub(r'(<a [^>]*?)download=""', r"\1download", text)
    text = HEADED.sub(_cards, PRINTED.sub("", text))
    text = DOI.sub(_may_break, NAME.sub(_may_break, text))
    return re.sub(r' class="([^"]*)"', _once, text)


def _may_break(name):
    if len(unescape(name[0])) < 28:  # as `<part>` is shown, and not as it is written
        return name[0]
    return BREAK.sub(r"\g<0><wbr>", name[0])


def _cards(match):
    heads = re.findall(r"<th [^>]*>(.*?)</th>", match["heads"], re.DOTALL)
    longest = [0] * len(heads)  # piece of code in each column
    for row in re.findall(r"<tr\b.*?</tr>", match["rows"], re.DOTALL):
        for column, cell in enumerate(re.findall(r"<td\b.*?</td>", row, re.DOTALL)):
            for code in re.findall(r"<code.*?</code>", cell, re.DOTALL):
                longest[column] = max(longest[column], len(re.sub(r"<[^>]*>", "", code)))
    if len(heads) < MANY and sum(longest) < LONG:
        return match[0]
    names = [" ".join(re.sub(r"<[^>]*>", "", head).split()) for head in heads]

    def row(cells):
        columns = iter(names)
        return re.sub(r"<td\b", lambda _: f'<td data-head="{next(columns)}"', cells[0])

    rows = re.sub(r"<tr\b.*?</tr>", row, match["rows"], flags=re.DOTALL)
    head = f'<table class="table cards"><thead>{match["heads"]}</thead>'
    return f"{head}\n{rows}</table>"


def _once(match):
    """A class that is named twice is named once."""
    names = match[1].split()
    return (
        match[0] if len(names) == len(set(names)) else f' class="{" ".join(dict.fromkeys(names))}"'
    )

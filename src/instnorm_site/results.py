"""What a cell printed, as a reader wants to see it: columns of numbers as a table.

A chapter prints a table with aligned columns, as one does in a terminal. On the page each becomes a
``<table>``, with heads for its columns and rows. Whatever is not surely a table stays as it was
printed. Nothing is lost: a table has, in their order, the very words that were printed.
"""

import re
from html import escape, unescape
from typing import NamedTuple

NUMBER = r"[-+−]?\d[\d,]*(?:\.\d*)?(?:e[-+]?\d+)?"
VALUE = re.compile(
    rf"(?:{NUMBER}(?:\.\.{NUMBER})?[%°]?|\(\d+(?:, \d+)+\)|-|·|×|yes|no|seen|gone|not finite)$"
)
#: What stands in a column of its own: a value, with a unit perhaps.
QUANTITY = re.compile(rf"(?:{VALUE.pattern[:-1]}|{NUMBER}(?: [a-z]+){{1,3}})$")
WORD = re.compile(r"not finite|\(\d+(?:, \d+)+\)|\S+")
STREAM = re.compile(
    r'<div class="output stream [^"]*"><div class="highlight"><pre[^>]*>(.*?)</pre></div>\s*</div>',
    re.DOTALL,
)


class Word(NamedTuple):
    start: int
    end: int
    text: str


class Row(NamedTuple):
    """A line of a table; one without values is a heading for those below it."""

    label: Word
    values: list[Word]


class Table(NamedTuple):
    caption: str
    heads: list  # lines of (first column, one behind its last, text)
    rows: list[Row]
    columns: int  # besides that of the labels

    def html(self):
        parts = ['<div class="results"><table class="results">']
        if self.caption:
            parts.append(f"<caption>{_escape(self.caption)}</caption>")
        if self.heads:
            parts += ["<thead>", *map(self._head, self.heads), "</thead>"]
        parts += ["<tbody>", *map(self._row, self.rows), "</tbody>", "</table></div>"]
        return "\n".join(parts)

    def _head(self, head):
        cells, at = [], 0
        for first, behind, text in head:
            cells += ["<td></td>"] * (first - at)
            several = f'group" colspan="{behind - first}' if behind - first > 1 else ""
            cells.append(f'<th scope="col{several}">{_escape(text)}</th>')
            at = behind
        cells += ["<td></td>"] * (self.columns + 1 - at)
        return f"<tr>{''.join(cells)}</tr>"

    def _row(self, row):
        label = _escape(row.label.text)
        if not row.values:
            return f'<tr><th scope="rowgroup" colspan="{self.columns + 1}">{label}</th></tr>'
        cells = "".join(map(_cell, row.values))
        number = ' class="number"' if VALUE.match(row.label.text) else ""
        return f'<tr><th scope="row"{number}>{label}</th>{cells}</tr>'

    def words(self):
        """All that is in it, in the order of reading."""
        heads = [text for head in self.heads for _, _, text in head]
        rows = [word.text for row in self.rows for word in (row.label, *row.values)]
        return " ".join([self.caption, *heads, *rows]).split()


def page(html):
    """The HTML of a page, with tables in place of what was printed as such."""
    return STREAM.sub(lambda match: _output(match[0], match[1]), html)


def _output(html, inside):
    parts = split(unescape(re.sub(r"<[^>]*>", "", inside)).strip("\n"))
    if all(isinstance(part, str) for part in parts):
        return html
    made = [
        f'<div class="highlight"><pre tabindex="0">{_escape(part)}\n</pre></div>'
        if isinstance(part, str)
        else part.html()
        for part in parts
    ]
    return f'<div class="output stream notranslate">{"".join(made)}</div>'


def _cell(word):
    kind = "" if QUANTITY.match(word.text) else ' class="words"'
    return f"<td{kind}>{_escape(word.text)}</td>"


def _escape(text):
    return escape(text, quote=False)


def split(text):
    """What was printed, as pieces in their order: a Table, or text."""
    pieces = []
    for block in re.split(r"\n[ ]*\n", text):
        for k, piece in enumerate(_pieces(block.split("\n"))):
            if isinstance(piece, str) and pieces and isinstance(pieces[-1], str):
                pieces[-1] += ("\n" if k else "\n\n") + piece
            else:
                pieces.append(piece)
    assert _words_of(pieces) == text.split()
    return pieces


def _words_of(pieces):
    return [
        word
        for piece in pieces
        for word in (piece.split() if isinstance(piece, str) else piece.words())
    ]


def _pieces(lines):
    """The pieces of some lines without an empty one between them."""
    for first, behind in _ranges(len(lines)):
        made = _table(lines[:first], lines[first:behind])
        if made:
            table, unused = made
            before = ["\n".join(unused)] if unused else []
            after = _pieces(lines[behind:])
            if any(isinstance(piece, Table) and not piece.heads for piece in after):
                break  # what belongs together is not taken for two tables
            below = lines[behind] if behind < len(lines) else ""
            if _values(below) and ":" not in below and len(below) == len(lines[behind - 1]):
                break  # one more row, which is not understood
            return [*before, table, *after]
    return ["\n".join(lines)] if lines else []


def _ranges(count):
    """All runs of two lines or more, the longest first."""
    for length in range(count, 1, -1):
        for first in range(count - length + 1):
            yield first, first + length


def _table(before, lines):
    rows = _rows(lines)
    if rows is None:
        return None
    full = [row for row in rows if row.values]
    spans = [_span([row.label for row in full])]
    spans += [_span(column) for column in zip(*(row.values for row in full), strict=True)]
    heads, rest = [], [*before]
    texts = [word.text for row in full for word in row.values]
    if not any(map(QUANTITY.match, texts)):
        # A table of words: the first line is its head, if it has one.
        if len(rows) < 3 or rest or re.search(r"\d", " ".join(texts)):
            return None
        head = [rows[0].label, *rows[0].values]
        return Table("", [[(k, k + 1, word.text) for k, word in enumerate(head)]], rows[1:],
                     len(head) - 1), []  # fmt: skip
    columns = len(spans) - 1
    if rows[0].values and _of_another_kind(rows[0], full[1:]):
        words = [rows[0].label, *rows[0].values]
        heads, rows = [[(k, k + 1, word.text) for k, word in enumerate(words)]], rows[1:]
    while rest and len(heads) < 2 and not any(map(VALUE.match, _single(rest[-1], heads))):
        head = _head(rest[-1], spans, upper=bool(heads))
        if not head:
            break
        heads.insert(0, head)
        rest.pop()
    if rest and not heads and len(_groups(rest[-1])) > 1:
        return None  # a head that is not understood
    said = []
    while rest and len(_groups(rest[-1])) == 1 and not re.search(r": |\d$|^ ", rest[-1]):
        said.insert(0, rest.pop().strip())
    if rows[0].values == [] and not heads:
        return None
    return Table(" ".join(said), heads, rows, columns), rest


def _of_another_kind(first, others):
    """Whether a row looks like heads: words above numbers, or plain numbers above percentages."""
    columns = zip(first.values, *(row.values for row in others), strict=True)
    kinds = [[_kind(word.text) for word in column] for column in columns]
    return len(others) > 1 and any(kind[0] not in kind[1:] and kind[1] != "words" for kind in kinds)


def _kind(text):
    return ("marked" if text[-1] in "%°" else "plain") if QUANTITY.match(text) else "words"


def _single(line, heads):
    return [word.text for word in _words(line)] if heads else []


def _rows(lines):
    """The rows that the lines are, if their columns are aligned; else None."""
    headings = [k for k, line in enumerate(lines) if _is_heading(line)]
    full = [line for k, line in enumerate(lines) if k not in headings]
    if len(full) < 2 or (
        headings and (len(headings) > len(full) / 2 or headings[-1] == len(lines) - 1)
    ):
        return None
    for cut in (_by_blanks, _by_values):
        rows = cut(full)
        if rows and all(map(_aligned, zip(*(row.values for row in rows), strict=True))):
            made = iter(rows)
            return [
                Row(_groups(line)[0], []) if k in headings else next(made)
                for k, line in enumerate(lines)
            ]
    return None


def _is_heading(line):
    return (
        len(_groups(line)) == 1 and re.match(r"[^\W\d][^:=.,\])>]*$", line) and line.count(" ") < 4
    )


def _by_blanks(lines):
    """Rows whose columns have two blanks or more between them."""
    grouped = [_groups(line) for line in lines]
    if len(grouped[0]) < 2 or len({len(groups) for groups in grouped}) > 1:
        return None
    if any(re.search(r"[:\[]", group.text) for groups in grouped for group in groups):
        return None
    last = [groups[-1].text for groups in grouped]
    if not (all(map(QUANTITY.match, last)) or not any(map(QUANTITY.match, last))):
        return None
    return [Row(groups[0], groups[1:]) for groups in grouped]


def _by_values(lines):
    """Rows that end in as many values, with what they are about before them."""
    count = min(map(_values, lines))
    if not count:
        return None
    rows = []
    for line in lines:
        *label, values = *_words(line)[:-count], _words(line)[-count:]
        if not label:
            return None
        text = line[label[0].start : label[-1].end]
        if ("  " in text and not rows) or re.search(r"[\[:]", text):
            return None  # perhaps a line of heads
        text = " ".join(text.split())
        rows.append(Row(Word(label[0].start, label[-1].end, text), values))
    # In some row there are blanks behind the label: else its last word might be a value.
    if all(row.values[0].start - row.label.end < 2 for row in rows):
        return None
    return rows


def _values(line):
    """How many values end a line, besides what it is about."""
    words = [word.text for word in _words(line)]
    count = 0
    while count < len(words) and VALUE.match(words[-1 - count]):
        count += 1
    while 0 < count < len(words) and words[-1 - count] in ("=", "+", "x"):
        count -= 1  # that number belongs to what it is about: eps = 0.01
    return count - 1 if count == len(words) else count


def _words(line):
    return [Word(*match.span(), match[0]) for match in WORD.finditer(line)]


def _groups(line):
    """Words with more than one blank between them and the next."""
    return [Word(*match.span(), match[0]) for match in re.finditer(r"\S+(?: \S+)*", line)]


def _aligned(words):
    """Whether words end, begin or, as ranges from..to, have their dots below each other."""
    dots = [word.start + word.text.find("..") for word in words if ".." in word.text]
    return any(len({word[edge] for word in words}) == 1 for edge in (0, 1)) or (
        len(dots) == len(words) and len({*dots}) == 1
    )


def _span(words):
    return min(word.start for word in words), max(word.end for word in words)


def _head(line, spans, *, upper):
    """[(first column, one behind its last, text)] for a line of heads; [] if it is none."""
    groups = _groups(line)
    if len(groups) == 1 and groups[0].start < min(spans[0][1], spans[1][0]):
        return []
    if any(":" in group.text[-1] for group in groups) and not upper:
        return []
    found, at = [], 0
    for group in groups:
        over = _columns_of(group, spans)
        if not over or over[0] < at:
            # As many heads as columns: each is in its place, though some reach over another.
            missing = len(spans) - len(groups)
            if missing in (0, 1) and (not missing or groups[0].start >= spans[0][1] - 1):
                return [(j + missing, j + missing + 1, g.text) for j, g in enumerate(groups)]
            return []
        at = over[-1] + 1
        found += [(over[0], at, group.text)] if upper else _parted(line, group, over, spans)
    return found


def _columns_of(group, spans):
    over = [
        k for k, (first, behind) in enumerate(spans) if group.start < behind and first < group.end
    ]
    if not over:  # beside a narrow column: the next one that ends behind it
        over = [k for k, (_, behind) in enumerate(spans) if k and behind >= group.end - 2][:1]
    return over


def _parted(line, group, over, spans):
    """The heads of several columns with a single blank between them, cut where the columns end."""
    if len(over) == 1:
        return [(over[0], over[0] + 1, group.text)]
    words = [word for word in _words(line) if group.start <= word.start < group.end]
    if over == [0, 1] and len(words) > 1:
        return [(0, 1, line[group.start : words[-2].end]), (1, 2, words[-1].text)]
    if [word.start for word in words] == [spans[k][0] for k in over]:
        return [(k, k + 1, word.text) for k, word in zip(over, words, strict=True)]
    ends = [spans[k][1] for k in over if k]
    if not set(ends) <= {word.end for word in words}:
        return [(over[0], over[-1] + 1, group.text)]
    parted, rest = [], words
    for k in [k for k in over if k]:
        inside = [word for word in rest if word.end <= spans[k][1]]
        rest = [word for word in rest if word.end > spans[k][1]]
        parted.append([k, inside])
    if over[0] == 0:  # the label's head, and at least one word for the first column
        first = parted[0][1]
        parted[0][1] = first[-1:]
        parted.insert(0, [0, first[:-1]])
    if rest or not all(inside for _, inside in parted):
        return [(over[0], over[-1] + 1, group.text)]
    return [(k, k + 1, line[inside[0].start : inside[-1].end]) for k, inside in parted]

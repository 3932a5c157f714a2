"""What cells print becomes tables where it surely is one, and loses no word."""

import re

import pytest

from instnorm_site import results

SCORES = """\
Dice             same  other   bias
none             0.76   0.35   0.69
z-score, masked  0.92   0.92   0.72
share of air in the whole slice: 0.57"""

TWO_LINES = """\
        contrast        distance to goal
step   faint  clear       faint  clear
   0   0.020  0.100       1.465  1.465
  64   0.102  0.111       0.000  0.000"""

GROUPS = """\
generator       mean worst  best rises  leak
batches of 64
  no norm       3.25  3.57  2.83     1 0.000
  instance norm 2.97  3.31  2.79     4 0.000
batches of 4
  no norm       4.75  4.86  4.59     0 0.000
  instance norm 4.27  5.00  3.55     1 0.000"""

RANGES = """\
         median  least..greatest  copy
8x8        3.47    3.05..59.63    0.39
4x3        4.57    4.25..5.06     0.63
128x128   11.98   10.85..13.27    0.88"""

NO_TABLES = (
    "all five agree",
    "[[-1.342 -0.447]\n [ 0.447  1.342]]\nkernel to the five lines: 9e-16",
    "to the book's snv:                 6e-15\nto instance norm times a constant: 6e-15",
    "IN     then IN, to IN alone: 9e-16\nGN(2)  then IN, to IN alone: 9e-16",
    "one value of 0.0001 among zeros -> 0.03\none value of 1 among zeros -> 7.93",
    "each plane of x with shape (2, 3, 1, 1)\nholds 1 value, and normalising needs at least 2",
)


def only_table(text):
    (table,) = [part for part in results.split(text) if not isinstance(part, str)]
    return table


def rows(table):
    return [[row.label.text, *(word.text for word in row.values)] for row in table.rows]


def test_columns_have_their_heads_and_what_follows_stays():
    table, rest = results.split(SCORES)
    assert [text for _, _, text in table.heads[0]] == ["Dice", "same", "other", "bias"]
    assert rows(table) == [
        ["none", "0.76", "0.35", "0.69"],
        ["z-score, masked", "0.92", "0.92", "0.72"],
    ]
    assert rest == "share of air in the whole slice: 0.57"


def test_a_number_at_the_head_of_a_row_stays_in_one_piece():
    page = results.page(
        '<div class="output stream x"><div class="highlight"><pre>eps    rank\n1e-08    62\n'
        "1e-05    62</pre></div>\n</div>"
    )
    assert '<th scope="row" class="number">1e-08</th>' in page


def test_a_head_reaches_over_its_columns():
    upper, lower = only_table(TWO_LINES).heads
    assert upper == [(1, 3, "contrast"), (3, 5, "distance to goal")]
    assert [text for _, _, text in lower] == ["step", "faint", "clear", "faint", "clear"]


def test_heads_with_a_single_blank_between_them_are_cut_at_the_columns():
    table = only_table(GROUPS)
    heads = [text for _, _, text in table.heads[0]]
    assert heads == ["generator", "mean", "worst", "best", "rises", "leak"]
    assert [row.label.text for row in table.rows if not row.values] == [
        "batches of 64",
        "batches of 4",
    ]


def test_ranges_stand_below_each_other_by_their_dots():
    """Neither where they begin nor where they end."""
    assert rows(only_table(RANGES)) == [
        ["8x8", "3.47", "3.05..59.63", "0.39"],
        ["4x3", "4.57", "4.25..5.06", "0.63"],
        ["128x128", "11.98", "10.85..13.27", "0.88"],
    ]


def test_a_number_in_what_a_row_is_about_is_no_value():
    table = only_table(
        "change of       photograph\ncontrast × 0.25      0.288\nnegative             0.480"
    )
    assert rows(table) == [["contrast × 0.25", "0.288"], ["negative", "0.480"]]


@pytest.mark.parametrize("text", NO_TABLES)
def test_what_is_no_table_stays_as_it_was_printed(text):
    assert results.split(text) == [text]


@pytest.mark.parametrize("text", [SCORES, TWO_LINES, GROUPS, *NO_TABLES])
def test_every_word_is_kept_in_its_place(text):
    html = f'<div class="output stream x"><div class="highlight"><pre>{text}</pre></div>\n</div>'
    shown = re.sub(r"<[^>]*>", " ", results.page(html)).replace("&gt;", ">")
    assert shown.split() == text.split()


def test_a_table_is_escaped():
    text = "a <b>  0.10\nc & d  0.20"
    html = '<div class="output stream x"><div class="highlight"><pre>{}</pre></div>\n</div>'
    assert "a &lt;b&gt;</th>" in results.page(html.format("a &lt;b&gt;  0.10\nc &amp; d  0.20"))
    assert only_table(text)


def test_tables_of_the_book_are_tables(built):
    """Most of what is printed in columns, and no head is left out of its column."""
    pages = [path.read_text("utf-8") for path in built.glob("*/*.html")]
    made = sum(page.count('<table class="results">') for page in pages)
    assert made > 70
    printed = sum(page.count('class="output stream') for page in pages)
    assert made > printed / 2

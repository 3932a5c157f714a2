"""The book on paper: bound from a few of its pages here, from all of them by `make pdf`."""

import pytest
from pypdf import PdfReader

from instnorm_site import gathered, offline, pdf

TOC = """
format: jb-book
root: index
parts:
  - caption: First part
    chapters:
      - file: principles/invariance
  - caption: Second part
    chapters:
      - file: notation
"""


@pytest.fixture(scope="module")
def book(bound):
    return PdfReader(bound(pdf, TOC))


def flat(outline, depth=0):
    for entry in outline:
        if isinstance(entry, list):
            yield from flat(entry, depth + 1)
        else:
            yield depth, entry


@pytest.mark.slow  # the file costs some 10 s
def test_outline_and_contents_lead_to_each_chapter(book):
    found = list(flat(book.outline))
    titles = [(depth, entry.title) for depth, entry in found]
    for expected in (
        (0, "Instance Normalization"),
        (0, "First part"),
        (1, "3. Freedom lost, invariance gained"),
        (2, "Two changes that leave no trace"),
        (0, "Second part"),
        (1, "Notation"),
    ):
        assert expected in titles
    assert len(set(titles)) == len(titles)
    contents = book.pages[1].extract_text()
    for depth, entry in found:
        sheet = book.get_destination_page_number(entry)
        text = " ".join(book.pages[sheet].extract_text().split())
        if "part" not in entry.title:
            assert entry.title.replace(" ", "") in text.replace(" ", "")
        if entry.title in ("3. Freedom lost, invariance gained", "Notation"):
            assert depth == 1
            assert f"{entry.title} {sheet + 1}\n" in f"{contents}\n"


@pytest.mark.slow
def test_sheets_bear_their_number_and_the_name_of_their_chapter(book):
    starts = {e.title: book.get_destination_page_number(e) for _, e in flat(book.outline)}
    first, last = starts["3. Freedom lost, invariance gained"], starts["Notation"]
    assert last - first > 3
    assert all(len(page.extract_text()) > 60 for page in book.pages)  # none is empty
    for sheet in range(first, last):
        lines = book.pages[sheet].extract_text().splitlines()
        assert "Freedom lost, invariance gained" in lines
        assert str(sheet + 1) in lines
    assert not [line for line in book.pages[0].extract_text().splitlines() if line.isdecimal()]


@pytest.mark.slow
def test_the_pdf_says_what_it_is_and_how_it_is_built(book):
    root = book.trailer["/Root"]
    assert root["/Lang"] == "en"
    assert root["/MarkInfo"]["/Marked"]
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert book.metadata.title == "Instance Normalization"
    kinds, silent = set(), []

    def walk(element):
        element = element.get_object()
        if isinstance(element, list):
            for each in element:
                walk(each)
        elif hasattr(element, "get"):
            kinds.add(element.get("/S"))
            if element.get("/S") == "/Figure" and not element.get("/Alt"):
                silent.append(element)
            if "/K" in element:
                walk(element["/K"])

    walk(root["/StructTreeRoot"])
    assert {"/H1", "/H2", "/P", "/L", "/Table", "/Figure", "/Link"} <= kinds
    assert not silent


@pytest.mark.slow
def test_links_stay_in_the_book_or_lead_to_the_web(book):
    links = [each.get_object() for page in book.pages for each in page.get("/Annots", ())]
    addresses = [link["/A"]["/URI"] for link in links if "/URI" in link.get("/A", {})]
    assert addresses
    assert all(address.startswith(("http://", "https://")) for address in addresses)
    inside = [str(link["/Dest"]) for link in links if "/Dest" in link]
    assert len(inside) > 10
    assert set(inside) <= set(book.named_destinations)


@pytest.mark.slow
def test_figures_stand_in_for_explorables(book):
    text = "\n".join(page.extract_text() for page in book.pages)
    assert "Show the code" not in text
    assert "need JavaScript" not in text


def test_page_that_is_not_built_is_named(tmp_path):
    (tmp_path / "toc.yml").write_text(TOC)
    with pytest.raises(FileNotFoundError, match=r"index.html is not built"):
        pdf.bind(tmp_path, tmp_path / "toc.yml", tmp_path / "book.pdf")


@pytest.mark.parametrize("names", [["book.pdf"], ["book.pdf", "book.epub"]])
def test_the_site_offers_the_files_at_the_foot_of_each_page(tmp_path, names):
    site = tmp_path / "html"
    (site / "part").mkdir(parents=True)
    (site / offline.WORKER).write_text("const BUILD = {};")
    for name in ("index.html", "part/page.html", "moved.html", "404.html"):
        (site / name).write_text(
            "" if name == "moved.html" else f"<footer>{gathered.FOOT}1</p></footer>"
        )
    offline.renew(site)
    before = (site / offline.WORKER).read_text()
    for name in names:
        (tmp_path / name).write_bytes(b"%")
        for _ in range(2):  # once is enough
            gathered.offer(site, tmp_path / name, f"The book as {name}")
    for name in names:
        assert (site / name).read_bytes() == b"%"
        assert (site / "index.html").read_text().count(f'href="{name}"') == 1
        assert (site / "part" / "page.html").read_text().count(f'href="../{name}"') == 1
    assert (site / "moved.html").read_text() == ""
    assert "href" not in (site / "404.html").read_text()
    assert (site / offline.WORKER).read_text() != before  # copies of the site are renewed

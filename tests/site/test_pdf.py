"""The book on paper: bound from a few of its pages here, from all of them by `make pdf`."""

import shutil

import pytest
from pypdf import PdfReader

from instnorm_site import pdf

TOC = """
format: jb-book
root: index
parts:
  - caption: First part
    chapters:
      - file: principles/style-and-content
  - caption: Second part
    chapters:
      - file: notation
"""


@pytest.fixture(scope="module")
def book(built, tmp_path_factory):
    if not any(map(shutil.which, pdf.BROWSERS)):
        pytest.skip(f"NO BROWSER, so nothing is printed: none of {', '.join(pdf.BROWSERS)} found")
    folder = tmp_path_factory.mktemp("pdf")
    (folder / "toc.yml").write_text(TOC)
    pdf.bind(built, folder / "toc.yml", folder / "book.pdf")
    return PdfReader(folder / "book.pdf")


def flat(outline, depth=0):
    for entry in outline:
        if isinstance(entry, list):
            yield from flat(entry, depth + 1)
        else:
            yield depth, entry


def test_outline_and_contents_lead_to_each_chapter(book):
    found = list(flat(book.outline))
    assert [(depth, entry.title) for depth, entry in found] == [
        (0, "Instance Normalization"),
        (0, "First part"),
        (1, "Style and content"),
        (0, "Second part"),
        (1, "Notation"),
    ]
    contents = book.pages[0].extract_text()
    begin = book.get_destination_page_number(found[0][1])  # the sheet with number 1
    for title, entry in [(entry.title, entry) for _, entry in found if "part" not in entry.title]:
        sheet = book.get_destination_page_number(entry)
        number = sheet - begin + 1
        text = book.pages[sheet].extract_text()
        assert text.startswith(f"{number}\n")
        assert title in text[:60].replace("\n", " ")
        assert number == 1 or f"{title} {number}\n" in f"{contents}\n"


def test_links_stay_in_the_book_or_lead_to_the_web(book):
    links = [each.get_object() for page in book.pages for each in page.get("/Annots", ())]
    inside = [link["/Dest"] for link in links if isinstance(link.get("/Dest"), list)]
    assert inside
    addresses = [link["/A"]["/URI"] for link in links if "/URI" in link.get("/A", {})]
    assert all(address.startswith(("http://", "https://")) for address in addresses)


def test_figures_stand_in_for_explorables(book):
    text = "\n".join(page.extract_text() for page in book.pages)
    assert "Show the code" not in text
    assert "need JavaScript" not in text


def test_page_that_is_not_built_is_named(tmp_path):
    (tmp_path / "toc.yml").write_text(TOC)
    if not any(map(shutil.which, pdf.BROWSERS)):
        pytest.skip("NO BROWSER, so nothing is printed")
    with pytest.raises(FileNotFoundError, match=r"index.html is not built"):
        pdf.bind(tmp_path, tmp_path / "toc.yml", tmp_path / "book.pdf")


def test_sheets_behind_the_first_of_a_chapter_bear_its_name(book):
    starts = [book.get_destination_page_number(entry) for _, entry in flat(book.outline)]
    first, last = starts[2], starts[3]
    assert last - first > 3
    for sheet in range(first + 1, last):
        assert "Style and content" in book.pages[sheet].extract_text()[:60]


def test_the_site_offers_the_pdf_at_the_foot_of_each_page(tmp_path):
    site, file = tmp_path / "html", tmp_path / "book.pdf"
    (site / "part").mkdir(parents=True)
    file.write_bytes(b"%PDF")
    for name in ("index.html", "part/page.html", "moved.html"):
        (site / name).write_text(
            "" if name == "moved.html" else f"<footer>{pdf.FOOT}1</p></footer>"
        )
    for _ in range(2):  # once is enough
        pdf.offer(site, file)
    assert (site / "book.pdf").read_bytes() == b"%PDF"
    assert (site / "index.html").read_text().count('href="book.pdf"') == 1
    assert (site / "part" / "page.html").read_text().count('href="../book.pdf"') == 1
    assert (site / "moved.html").read_text() == ""

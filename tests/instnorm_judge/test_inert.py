"""Text, pictures and names of students, without what makes them do something."""

import base64
import io
import re

import pytest
from attacks.showing import FOLDERS, MARKDOWN
from bs4 import BeautifulSoup
from nbconvert.filters import markdown2html
from PIL import Image

from instnorm_judge import inert

TAGS = "h1 h2 a p code pre div span table thead tbody tr th td em li ul"


@pytest.mark.parametrize("name", MARKDOWN)
def test_nothing_is_left_of_it_but_text(name):
    page = BeautifulSoup(markdown2html(inert.markdown(MARKDOWN[name])), "html.parser")
    for element in page.find_all():
        assert element.name in TAGS
        assert set(element.attrs) <= {"href", "class", "id"}
        assert element.get("href", "#").startswith("#")


def test_the_attacks_are_attacks():
    alive = [name for name in MARKDOWN if "<script>HARMED" in _page(MARKDOWN[name])]
    assert len(alive) > 3


def _page(source):
    try:
        return markdown2html(source)
    except Exception:
        return ""


@pytest.mark.parametrize(
    "source",
    [
        "*a* **b** `x = 1`\n\n- one\n- two\n\n> said",
        "$\\frac{\\gamma}{\\sqrt{\\sigma^2+\\epsilon}} \\begin{matrix}a\\end{matrix}$",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "<details><summary>Hint</summary>\n\nhere\n\n</details>",
        "x > y",
    ],
)
def test_what_is_harmless_stays_as_it_is(source):
    assert inert.markdown(source) == source


def test_what_is_harmless_twice_is_harmless_once():
    for source in MARKDOWN.values():
        once = inert.markdown(source)
        assert inert.markdown(once).replace(inert.JOINER, "") == once.replace(inert.JOINER, "")


def encoded(picture, kind="PNG", **about):
    file = io.BytesIO()
    picture.save(file, kind, **about)
    return base64.b64encode(file.getvalue()).decode()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"])
def test_a_picture_keeps_its_pixels_and_nothing_else(mode):
    kind = "JPEG" if mode == "CMYK" else "PNG"
    picture = Image.new(mode, (7, 5), 1 if mode in ("1", "L", "P", "I;16") else None)
    data = encoded(picture, kind, exif=b"Exif\0\0HARMED", comment="HARMED")
    drawn = inert.image(f"image/{kind.lower()}", data)
    with Image.open(io.BytesIO(base64.b64decode(drawn))) as again:
        assert again.size == (7, 5)
        again.load()
    assert b"HARMED" not in base64.b64decode(drawn)


@pytest.mark.parametrize(
    "data",
    [
        None,
        3,
        "",
        "x",
        "\"onerror='x'",
        "PHN2ZyBvbmxvYWQ9IngiLz4=",
        encoded(Image.new("RGB", (3, 3)), "GIF"),
        encoded(Image.new("RGB", (3, 3)))[:40],
        encoded(Image.new("1", (30_000, 30_000))),
    ],
)
def test_what_is_no_picture_or_a_huge_one_is_not_drawn(data):
    assert inert.image("image/png", data) is None
    assert inert.image("image/jpeg", data) is None
    assert inert.image("image/svg+xml", data) is None


def test_addresses_in_what_code_prints_are_no_links():
    printed = "https://example.org and HTTP://x.y, WWW.example.org; ratio 1:2 // a comment\n"
    shown = inert.text(printed)
    assert shown.replace(inert.JOINER, "") == printed
    assert not re.search(r"://|www\.", shown, re.IGNORECASE)
    assert shown.endswith("ratio 1:2 // a comment\n")
    shown.encode()
    assert inert.text("half \ud800 of it").encode() == b"half ? of it"


def test_names_that_are_markup_are_trouble():
    assert all(map(inert.trouble_with_name, FOLDERS))
    for name in ("ada", "o.brien-7", "Zoë", "李雷", "a b", "x@y.org"):
        assert inert.trouble_with_name(name) is None

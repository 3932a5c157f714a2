"""The book can be found, and everything in it: addresses, links, search, and what a link shows."""

import functools
import gzip
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit
from xml.etree import ElementTree

import pytest
import yaml
from fontTools.ttLib import TTFont
from PIL import Image

CONFIG = yaml.safe_load((Path(__file__).resolve().parents[2] / "_config.yml").read_text())
BASE = CONFIG["html"]["baseurl"]
MOVED = CONFIG["sphinx"]["config"]["redirects"]


class Page(HTMLParser):
    """The ids, links and meta properties of a page, and what it loads at once."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.loads, self.meta = set(), [], [], {}
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        about = dict(attributes)
        self.ids |= {about[key] for key in ("id", "name") if about.get(key)}
        self.links += [about[key] for key in ("href", "src") if about.get(key)]
        if tag == "script" or about.get("rel") in {"stylesheet", "preload"}:
            self.loads += [about[key] for key in ("href", "src") if about.get(key)]
        if tag == "meta" and "content" in about:
            self.meta[about.get("property") or about.get("name")] = about["content"]
        if tag == "link" and about.get("rel") == "canonical":
            self.meta["canonical"] = about["href"]


@functools.cache
def parsed(path):
    return Page(path)


def test_internal_links_lead_somewhere(built, page_name):
    lost, here = [], f"http://book/{page_name}"
    for link in parsed(built / page_name).links:
        address = urlsplit(urljoin(here, link))
        if address.netloc != "book":
            continue
        target = built / unquote(address.path).strip("/")
        if target.is_dir():
            target /= "index.html"
        part = unquote(address.fragment)
        inside = part and target.suffix == ".html"
        if not target.is_file() or (inside and part not in parsed(target).ids):
            lost.append(link)
    assert not lost


def test_every_page_says_what_it_is(built):
    said = {}
    for address in ElementTree.parse(built / "sitemap.xml").findall("*/{*}loc"):
        assert address.text.startswith(BASE)
        path = address.text.removeprefix(BASE)
        meta = parsed(built / path).meta
        assert meta["canonical"] == meta["og:url"] == address.text
        assert 20 < len(meta["description"]) <= 200, path
        assert meta["og:description"] == meta["description"]
        assert meta["og:title"]
        assert meta["og:image:alt"]
        with Image.open(built / meta["og:image"].removeprefix(BASE)) as card:
            assert card.size == (1200, 630)
        said[path] = meta["description"]
    assert len(set(said.values())) == len(said) > 10
    parts = ("principles", "applications", "hands-on")
    pages = {
        path.relative_to(built).as_posix() for p in parts for path in (built / p).glob("*.html")
    }
    assert pages - {f"{old}.html" for old in MOVED} <= set(said)


def test_search_finds_a_page(visit):
    page = visit("index.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("whitening")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=whitening")
    result = page.locator("#search-results li a").first
    result.wait_for()
    result.click()
    page.wait_for_load_state()
    assert "whitening" in page.locator(".bd-article").inner_text().lower()


@pytest.mark.parametrize("path", ["nowhere.html", "principles/no/such/page.html"])
def test_page_404_works_at_any_depth(visit, site, path):
    answers = []
    page = visit(path, watch=lambda page: page.on("response", lambda a: answers.append(a)))
    assert page.get_by_role("heading", name="Page not found").is_visible()
    wrong = [answer.url for answer in answers if not answer.ok]
    assert wrong == [f"{site}/{path}"]
    page.get_by_role("link", name="2. The algorithm", exact=True).first.click()
    page.wait_for_url(f"{site}/principles/the-algorithm.html")


def test_old_addresses_lead_to_the_pages(visit, site):
    for old, new in MOVED.items():
        target = urljoin(f"{site}/{old}.html", new)
        page = visit(f"{old}.html#here")
        page.wait_for_url(f"{target}#here")
        still = visit(f"{old}.html", java_script_enabled=False)
        still.wait_for_url(target)


def test_icons_are_in_their_font(visit, built):
    page = visit("principles/the-algorithm.html")
    icons = page.evaluate(
        """[...document.querySelectorAll("i[class*='fa-']")].map((icon) =>
             getComputedStyle(icon, "::before").content.replaceAll('"', ""))"""
    )
    (path,) = (built / "_static" / "vendor").rglob("fa-solid-900.woff")
    assert len(icons) > 5
    assert {ord(icon) for icon in icons} <= set(TTFont(path).getBestCmap())
    assert page.evaluate("document.fonts.check('900 1em \"Font Awesome 6 Free\"', '\\uf002')")


@functools.cache
def weight(path):
    """Bytes of a file as a web host sends it: text compressed."""
    return len(gzip.compress(path.read_bytes(), 6))


def test_page_is_light(built, page_name):
    """Without its fonts, for which 100 kB remain of the 500; `make pages` measures in a browser."""
    page, here = built / page_name, f"http://book/{page_name}"
    needs = [urlsplit(urljoin(here, link)).path.strip("/") for link in parsed(page).loads]
    needs = [need for need in needs if not need.endswith(".woff2")]
    assert any(need.endswith(".css") for need in needs)
    assert weight(page) + sum(weight(built / need) for need in set(needs)) < 400_000


def test_fonts_are_light_and_have_their_licences(built):
    fonts = built / "_static" / "fonts"
    sizes = [path.stat().st_size for path in fonts.glob("*.woff2")]
    assert len(sizes) == 5
    assert sum(sizes) <= 120_000
    for path in fonts.glob("*.woff2"):
        licence = fonts / f"{path.name.partition('-')[0]}-licence.txt"
        assert "SIL OPEN FONT LICENSE Version 1.1" in licence.read_text("utf-8")


@pytest.mark.parametrize("query", ["γ", "gamma"])
def test_search_shows_words_and_finds_letters(visit, query):
    page = visit(f"search.html?q={query}")
    page.locator("#search-results li p.context").first.wait_for()
    page.wait_for_load_state("networkidle")
    shown = page.locator("#search-results").inner_text()
    contexts = page.locator("#search-results li p.context").all_inner_texts()
    assert len(contexts) > 10
    assert not [each for each in contexts if len(each) < 40]  # words, and not dots alone
    assert [each for each in contexts if "γ" in each]
    assert "\\" not in shown  # no LaTeX
    assert "import " not in shown

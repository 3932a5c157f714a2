"""After one visit the book needs no network; after an update nobody reads the old one.

In a real browser, with a copy of the built book of which a server is started and stopped.
"""

import os
import re
import shutil
from contextlib import ExitStack

import pytest
from test_exercises import RIGHT, Exercise

from instnorm_site import offline

CACHES = "caches.keys()"
REGISTERED = "navigator.serviceWorker.getRegistrations()"
KEPT = """async () => {
  const name = (await caches.keys()).find((each) => each.endsWith("fetched"));
  return name ? (await (await caches.open(name)).keys()).map(({ url }) => url) : [];
}"""
MEGABYTES = 12  # that a first visit copies at most, before compression; 7.7 on 28 November 2026


class Place:
    """A site in a folder of a server, which can be stopped as a network stops."""

    def __init__(self, folder, serve):
        self.folder, self.server = folder, ExitStack()
        self.address = f"{self.server.enter_context(serve(folder.parent))}/{folder.name}"

    def stop(self):
        self.server.close()

    def write(self, name, text):
        """Replace a file; its other name in the built book keeps what it holds."""
        file = self.folder / name
        before = file.stat().st_mtime
        file.unlink()
        file.write_text(text)
        # Servers tell times to the second: what changes twice in one has not changed, they say.
        os.utime(file, (after := max(file.stat().st_mtime, before + 2), after))

    def update(self, name, before, after):
        text = (self.folder / name).read_text()
        assert before in text
        self.write(name, text.replace(before, after))
        self.write(offline.WORKER, (self.folder / offline.WORKER).read_text())
        offline.renew(self.folder)


@pytest.fixture
def place(built, serve, tmp_path):
    def copy(source, target):
        try:
            os.link(source, target)
        except OSError:  # another disk
            shutil.copy(source, target)

    shutil.copytree(built, tmp_path / "book", copy_function=copy)
    place = Place(tmp_path / "book", serve)
    yield place
    place.stop()


@pytest.fixture
def reader(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    yield page
    context.close()
    assert page.errors == []


def copied(page):
    """Wait until the copy is made."""
    page.wait_for_function("() => navigator.serviceWorker.controller", timeout=60_000)


def renewed(page, old):
    """Wait until a new copy has taken the place of the old one."""
    until(page, CACHES, lambda now: len(now) == len(old) and set(now) != set(old))


def until(page, ask, holds):
    """Ask the page until it holds, for up to a minute."""
    for _ in range(600):
        if holds(page.evaluate(ask)):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{ask} is still {page.evaluate(ask)}")


def test_the_whole_book_is_read_without_a_network(place, reader):
    reader.goto(f"{place.address}/index.html")
    copied(reader)
    place.stop()
    reader.goto(f"{place.address}/principles/the-algorithm.html")
    assert reader.locator(".bd-article h1").inner_text().startswith("2. The algorithm")
    loaded = "[...document.fonts].filter((f) => f.status === 'loaded').map((f) => f.family)"
    reader.evaluate("document.fonts.ready")
    assert {"KaTeX_Math", "Book Serif"} <= set(reader.evaluate(loaded))
    box = reader.locator(".explorable").first
    box.scroll_into_view_if_needed()
    reader.locator(".explorable[data-mounted]").first.wait_for()
    reader.goto(f"{place.address}/search.html?q=whitening")
    reader.locator("#search-results li a").first.wait_for()
    reader.goto(f"{place.address}/")
    assert reader.locator(".bd-article h1").inner_text().startswith("Instance Normalization")


@pytest.mark.slow  # a copy of the book is made: some 3 s
def test_what_is_new_is_shown_at_once_and_the_old_copy_goes(place, reader):
    page = "principles/invariance.html"
    reader.goto(f"{place.address}/{page}")
    copied(reader)
    old = reader.evaluate(CACHES)
    place.update(page, "<h1>", "<h1>New: ")
    reader.reload()
    assert reader.locator(".bd-article h1").inner_text().startswith("New: ")
    renewed(reader, old)
    place.stop()
    reader.reload()
    assert reader.locator(".bd-article h1").inner_text().startswith("New: ")


@pytest.mark.slow  # a copy of the book is made: some 3 s
def test_a_copy_that_cannot_be_made_whole_is_not_made(place, reader):
    """As while a new site is being brought to its server: here a file is not the one announced."""
    text = (place.folder / "glossary.html").read_text()
    place.write("glossary.html", text + "\n")
    reader.goto(f"{place.address}/index.html")
    until(reader, CACHES, lambda now: now)
    until(reader, f"{REGISTERED}.then((all) => all.length)", lambda count: count == 0)
    place.write("glossary.html", text)
    reader.reload()
    copied(reader)


@pytest.mark.slow  # a copy of the book is made: some 3 s
def test_the_book_can_be_installed(place, reader):
    reader.goto(f"{place.address}/hands-on/the-algorithm.html")
    copied(reader)
    client = reader.context.new_cdp_session(reader)
    found = client.send("Page.getAppManifest")
    assert found["url"] == f"{place.address}/{offline.MANIFEST}"
    assert found["errors"] == []
    troubles = client.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert [each["errorId"] for each in troubles if each["errorId"] != "in-incognito"] == []


def test_what_a_first_visit_copies_is_no_burden(place):
    text = (place.folder / offline.WORKER).read_text()
    names = re.findall(r'"([^"]+)":"[\w+/=]{44}"', text.partition('"later"')[0])
    assert len(names) > 100
    assert not [name for name in names if name.startswith("_static/python/")]
    weight = sum((place.folder / name).stat().st_size for name in names)
    assert weight < MEGABYTES * 1e6


def test_who_asked_for_little_is_sent_no_book(place, reader):
    reader.add_init_script(
        "Object.defineProperty(NetworkInformation.prototype, 'saveData', { get: () => true })"
    )
    reader.goto(f"{place.address}/index.html", wait_until="networkidle")
    assert reader.evaluate(f"{REGISTERED}.then((all) => all.length)") == 0


@pytest.mark.slow  # Python is started twice: some 20 s
def test_python_is_kept_once_it_has_been_used(place, reader):
    reader.goto(f"{place.address}/hands-on/the-algorithm.html")
    copied(reader)
    assert not any("_static/python/" in url for url in reader.evaluate(KEPT))
    assert "6 of 6" in Exercise(reader).open().write(RIGHT).check()
    assert any("pyodide.asm.wasm" in url for url in reader.evaluate(KEPT))
    fetched = reader.evaluate(KEPT)
    place.update("index.html", "<h1>", "<h1>New: ")
    old = reader.evaluate(CACHES)
    reader.reload()
    renewed(reader, old)
    assert reader.evaluate(KEPT) == fetched  # the same Python: it is not fetched again
    place.stop()
    reader.reload()
    assert "6 of 6" in Exercise(reader).open().write(RIGHT).check()
    # Another page, which was never seen with a network.
    reader.goto(f"{place.address}/hands-on/limits.html")
    reader.locator(".exercise .xr-start").first.click()
    reader.locator(".exercise .cm-content").first.wait_for()

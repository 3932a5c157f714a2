"""A served copy of the built book, a browser to read it in, and Node for its scripts."""

import functools
import os
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import playwright
import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
BUILT = Path(os.environ.get("BOOK_HTML", ROOT / "_build" / "html"))
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_generate_tests(metafunc):
    """A test that asks for a `page_name` runs once for each page of the built book."""
    if "page_name" in metafunc.fixturenames:
        pages = sorted(BUILT.rglob("*.html"))
        names = [p.relative_to(BUILT).as_posix() for p in pages if "_static" not in p.parts]
        metafunc.parametrize("page_name", names or ["index.html"])


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def built():
    """The folder of the built book: _build/html, or what BOOK_HTML says."""
    if not (BUILT / "index.html").is_file():
        pytest.skip("THE BOOK IS NOT BUILT, so nothing of the site is tested: run `make book`")
    return BUILT


@pytest.fixture(scope="session")
def site(built):
    """Address of the built book, served on this machine."""
    handler = functools.partial(Handler, directory=built)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def browser():
    """An installed Chromium."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip(f"NO BROWSER, so the pages are not tested: none of {', '.join(names)} found")
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, site):
    """Open a page of the book: `visit("index.html", width=390, color_scheme="dark")`."""
    contexts = []

    def open_page(name, *, width=1280, watch=lambda page: None, **options):
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()
        watch(page)
        page.goto(f"{site}/{name}", wait_until="load")
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def node():
    """The Node binary that the playwright package brings."""
    driver = Path(playwright.__file__).parent / "driver"
    return next(path for path in (driver / "node", driver / "node.exe") if path.is_file())

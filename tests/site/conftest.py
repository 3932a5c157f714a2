"""A served copy of the built book, a browser to read it in, and Node for its scripts."""

import functools
import json
import os
import re
import shutil
import subprocess
import threading
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import yaml
from playwright.sync_api import sync_playwright

from instnorm_lab import explorables
from instnorm_site import gathered, wheel
from instnorm_site.node import playwright_node

ROOT = Path(__file__).resolve().parents[2]
BUILT = Path(os.environ.get("BOOK_HTML", ROOT / "_build" / "html"))
BASE = yaml.safe_load((ROOT / "_config.yml").read_text())["html"]["baseurl"]
FOLDER = urlsplit(BASE).path.rstrip("/")  # of the server, in which the book is published
ONE_OF_EACH_KIND = {
    "index.html",
    "claims.html",
    "search.html",
    "applications/style-transfer.html",  # pictures, an explorable, live cells, questions
    "hands-on/the-algorithm.html",
    "hands-on/for-instructors.html",
}
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def moved(path):
    """Whether a page only leads to another one."""
    return path.stat().st_size < 2000 and 'http-equiv="refresh"' in path.read_text()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark what needs the built book, so that the rest can run while it is being built."""
    for item in items:
        if "built" in getattr(item, "fixturenames", ()):
            item.add_marker("book")


def _marked(names, late):
    return [pytest.param(n, marks=[pytest.mark.slow] * (n in late)) for n in names]


def pytest_generate_tests(metafunc):
    """Run a test that asks for a `page_name` on each page of the built book, and one that asks for
    `explorable_name` on each explorable.

    In `make test` one page of each kind is opened at a desk, on a telephone and by axe; the other
    chapters in turn at a desk or on a telephone; each second explorable. `make gate` opens all.
    """
    turn = "telephone" in f"{metafunc.module.__name__} {metafunc.function.__name__}"
    for fixture in {"page_name", "page_for_axe"} & set(metafunc.fixturenames):
        pages = sorted(BUILT.rglob("*.html"))
        ours = [p for p in pages if "_static" not in p.parts]
        pages = [p for p in ours if not moved(p)]
        names = [p.relative_to(BUILT).as_posix() for p in pages] or ["index.html"]
        late = set()
        if "look" in metafunc.fixturenames:
            chapters = [n for n in names if n.startswith(("principles/", "applications/"))]
            here = [] if fixture == "page_for_axe" else chapters[turn::2]
            late = set(names) - set(here) - ONE_OF_EACH_KIND
        metafunc.parametrize(fixture, _marked(names, late))
    if "page_of_each_kind" in metafunc.fixturenames:
        metafunc.parametrize("page_of_each_kind", sorted(ONE_OF_EACH_KIND))
    if "explorable_name" in metafunc.fixturenames:
        names = explorables.names()
        late = set(names[turn::2]) if "mounted" in metafunc.fixturenames else set()
        metafunc.parametrize("explorable_name", _marked(names, late))


class Handler(SimpleHTTPRequestHandler):
    """A plain web server, which answers with the book's own page 404."""

    def translate_path(self, path):
        return super().translate_path(path.removeprefix(FOLDER))

    def send_error(self, code, *args, **kwargs):
        path = Path(self.directory) / "404.html"
        page = path.read_bytes() if path.is_file() else b""
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def built():
    """The folder of the built book: _build/html, or what BOOK_HTML says."""
    if not (BUILT / "index.html").is_file():
        pytest.skip("THE BOOK IS NOT BUILT, so nothing of the site is tested: run `make book`")
    return BUILT


@pytest.fixture(scope="session")
def of_these_sources(built):
    """The folder of the built book, which must be made of the sources as they are now."""
    (ours, *_) = json.loads((built / "_static" / "python.json").read_text())["wheels"]
    version = wheel.version(ROOT)  # after it, a hash of the bytes
    assert ours.startswith(f"instnorm-{version}."), (
        "the book is older than the sources: run `make book`"
    )
    return built


@pytest.fixture(scope="module")
def bound(built, tmp_path_factory):
    """`bound(pdf, toc)`: the file that `pdf.bind` makes of the pages in a table of contents."""

    def bind(program, toc):
        if not any(map(shutil.which, gathered.BROWSERS)):
            pytest.skip(f"NO BROWSER, so nothing is bound: none of {', '.join(gathered.BROWSERS)}")
        folder = tmp_path_factory.mktemp("bound")
        (folder / "toc.yml").write_text(toc)
        program.bind(built, folder / "toc.yml", folder / "book")
        return folder / "book"

    return bind


@contextmanager
def served(folder):
    """Address of a folder, served on this machine."""
    handler = functools.partial(Handler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}{FOLDER}"
        server.shutdown()


@pytest.fixture
def serve():
    return served


@pytest.fixture(scope="session")
def site(built):
    """Address of the built book."""
    with served(built) as address:
        yield address


@pytest.fixture(scope="module")
def browser(request):
    """An installed Chromium. Closed after each file: some files drive one in another way.

    Pages are laid out and painted by the same engine where Chromium comes without its windows, in
    half the time. What does more than show pages is run in the browser that readers have: those
    files carry the marker `whole_browser`.
    """
    names = gathered.BROWSERS
    if not request.node.get_closest_marker("whole_browser"):
        names = ("chromium-headless-shell", *names)
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip(f"NO BROWSER, so the pages are not tested: none of {', '.join(names)} found")
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=QUIET)
        yield chromium
        chromium.close()


@contextmanager
def visits(browser, site):
    """Opens pages of the book, and closes them in the end."""
    contexts = []

    def open_page(name, *, width=1280, watch=lambda page: None, **options):
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        # Else each of hundreds of visits would copy the whole book: see test_after_one_visit.py.
        context.add_init_script("delete Navigator.prototype.serviceWorker")
        contexts.append(context)
        page = context.new_page()
        watch(page)
        page.goto(f"{site}/{name}", wait_until="load")
        return page

    try:
        yield open_page
    finally:
        for context in contexts:
            context.close()


@pytest.fixture
def visit(browser, site):
    """Open a page of the book: `visit("index.html", width=390, color_scheme="dark")`."""
    with visits(browser, site) as open_page:
        yield open_page


@pytest.fixture(scope="module")
def look(browser, site):
    """Read a page to its end and ask all that the tests of a file want to know of it, once.

    `look("index.html", ask, width=390)` is what `ask(page)` returned, a dictionary, and `requests`
    and `complaints`: what the page asked for, and what it logged or was refused.
    """
    seen = {}

    def once(name, ask, **options):
        if (name, ask) not in seen:
            requests, complaints = [], []

            def watch(page):
                page.on("request", lambda request: requests.append(request.url))
                page.on("websocket", lambda socket: requests.append(socket.url))
                page.on("response", lambda answer: answer.ok or complaints.append(answer.url))
                page.on("pageerror", lambda error: complaints.append(str(error)))
                page.on("console", lambda each: each.type == "log" or complaints.append(each.text))

            with visits(browser, site) as open_page:
                page = open_page(name, watch=watch, **options)
                read_to_the_end(page)
                page.wait_for_load_state("networkidle")
                page.add_style_tag(content=ALL_LAID_OUT)
                # Before axe-core, which asks for stylesheets of its own accord.
                heard = {"requests": [*requests], "complaints": [*complaints]}
                seen[name, ask] = {**ask(page), **heard}
        return seen[name, ask]

    return once


#: Nothing waits until the reader comes near, where all of a page is to be measured or read.
ALL_LAID_OUT = "* { content-visibility: visible !important; }"


def read_to_the_end(page):
    """Scroll through, so that what loads when it is near has loaded."""
    top = 0
    while top < page.evaluate("document.documentElement.scrollHeight"):  # of what is laid out yet
        page.evaluate(f"scrollTo(0, {top})")
        page.wait_for_timeout(30)
        top += 600
    for box in page.locator(".explorable").all():
        box.scroll_into_view_if_needed()
    page.wait_for_function(
        "() => [...document.querySelectorAll('.explorable')].every((e) => 'mounted' in e.dataset)"
    )


class Explorable:
    """An explorable that runs in a page."""

    def __init__(self, box):
        self.box, self.page = box, box.page

    def settle(self):
        """Wait for one frame that schedules the drawing, and one for it to be over."""
        self.page.evaluate(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    def press(self, label, key, times=1):
        """Press a key on a slider."""
        self.box.get_by_role("slider", name=label).focus()
        for _ in range(times):
            self.page.keyboard.press(key)
        self.settle()

    def click(self, label):
        """Press Enter on a button."""
        self.box.get_by_role("button", name=label).press("Enter")
        self.settle()

    def text(self, name):
        return self.box.locator(f"[data-name={name}]").inner_text().replace("−", "-")

    def number(self, name):
        return float(self.text(name))

    def value(self, name):
        """A number in full, where the page has it."""
        return float(self.box.locator(f"[data-name={name}]").get_attribute("data-value"))

    def pictures(self):
        """What is on its canvases."""
        return self.box.locator("canvas").evaluate_all("all => all.map((c) => c.toDataURL())")

    def spoken(self):
        return self.box.locator(".ex-summary").inner_text()


@pytest.fixture(scope="session")
def page_of(built):
    """The page of each explorable."""
    pages = {}
    for path in sorted(built.rglob("*.html")):
        for name in re.findall(r'data-explorable="([\w-]+)"', path.read_text()):
            pages[name] = path.relative_to(built).as_posix()
    return pages


@pytest.fixture
def mounted(visit, page_of):
    """Open the page of an explorable and wait until it runs: `mounted("epsilon", width=320)`."""

    def start(name, **options):
        assert name in page_of, f"no page of the built book holds {name}"
        box = visit(page_of[name], **options).locator(f"[data-explorable='{name}']")
        box.scroll_into_view_if_needed()
        box.page.locator(f"[data-explorable='{name}'][data-mounted]").wait_for()
        return Explorable(box)

    return start


# Reads [module, name, arguments] line by line, and answers with the result of the function (or the
# value, if it is none): typed arrays go in as {floats} and come back as lists.
SERVE = """
import { createInterface } from "node:readline";
const into = (key, value) => (value?.floats ? Float64Array.from(value.floats) : value);
const out = (key, value) => (ArrayBuffer.isView(value) ? Array.from(value) : value);
for await (const line of createInterface({ input: process.stdin })) {
  const [url, name, given] = JSON.parse(line, into);
  try {
    const value = (await import(url))[name];
    const result = typeof value === "function" ? value(...given) : value;
    console.log(JSON.stringify({ result }, out));
  } catch (error) {
    console.log(JSON.stringify({ error: error.stack }));
  }
}
"""


@pytest.fixture(scope="session")
def js():
    """Functions of the explorables, run by the Node that the playwright package brings.

    `js("epsilon")("gain", 0.1, 0)` is what `gain(0.1, 0)` of epsilon.js returns. Arrays of floats
    become a Float64Array, row by row; everything else is sent as JSON.
    """
    command = [playwright_node(), "--input-type=module", "--eval", SERVE]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}

    def packed(array):
        return {"floats": np.asarray(array, float).ravel().tolist()}

    with subprocess.Popen(command, text=True, **pipes) as process:

        def call(module, name, *args):
            url = (explorables.MODULES / f"{module}.js").as_uri()
            print(json.dumps([url, name, args], default=packed), file=process.stdin, flush=True)
            answer = json.loads(process.stdout.readline())
            assert "error" not in answer, answer["error"]
            return answer["result"]

        yield lambda module: functools.partial(call, module)
        process.stdin.close()

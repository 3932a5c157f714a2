"""Exercises done on their page: a real browser, the real NumPy, no server but the site's own."""

import json
import re
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from bs4 import BeautifulSoup
from playwright.sync_api import Error

from instnorm_checks import EXERCISES
from instnorm_site import exercises

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.book, pytest.mark.whole_browser]
PAGE = "hands-on/the-algorithm.html"
RIGHT = """\
def instance_norm(x, gamma, beta, eps=1e-5):
    mean = x.mean((2, 3), keepdims=True)
    var = x.var((2, 3), keepdims=True)
    return gamma[:, None, None] * (x - mean) / np.sqrt(var + eps) + beta[:, None, None]
"""
WRONG = RIGHT.replace("var((2, 3), keep", "var((2, 3), ddof=1, keep")
PATIENCE = 90_000  # ms for Python to start, on a machine that does other things as well
EVIL = '<img src=x onerror="window.hacked = 1">'


class Exercise:
    """One exercise of an open page."""

    def __init__(self, page, exercise_id="instance-norm"):
        self.page, self.id = page, exercise_id
        self.box = page.locator(f".exercise[data-id={exercise_id}]")
        self.report = self.box.locator(".xr-report")
        self.editor = self.box.locator(".xr-editor .cm-content")

    def button(self, name):
        return self.box.get_by_role("button", name=name, exact=True)

    def open(self):
        self.box.locator(".xr-start").click()
        self.editor.wait_for()
        return self

    def write(self, source):
        self.editor.focus()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(source)
        return self

    @property
    def text(self):
        return self.editor.evaluate("e => e.cmTile?.view?.state.doc.toString() ?? e.innerText")

    def check(self):
        """Check, wait for what comes of it, and return that as text."""
        self.button("Check").click()
        self.report.locator(":scope > *").first.wait_for(timeout=PATIENCE)
        return self.report.inner_text()

    def state(self):
        return self.box.locator(".xr-state").inner_text()

    def kept(self):
        key = f"instnorm/answer/{self.id}"
        return self.page.evaluate("(key) => JSON.parse(localStorage.getItem(key))", key)


@pytest.fixture(scope="module")
def context(browser):
    """One browser's memory for this file; its cache has Python after the first start."""
    size = {"width": 1280, "height": 900}
    context = browser.new_context(viewport=size, reduced_motion="reduce", service_workers="block")
    yield context
    context.close()


@pytest.fixture
def page(context, site):
    """The page, with nothing kept of earlier tests, and nothing asked of other hosts."""
    page = context.new_page()
    page.abroad, page.errors = [], []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    context.on("request", lambda request: note_abroad(page, site, request.url))
    page.goto(f"{site}/{PAGE}")
    page.evaluate("localStorage.clear()")
    page.reload()
    yield page
    page.close()
    assert page.abroad == []
    assert page.errors == []


def note_abroad(page, site, url):
    if not url.startswith((f"{site}/", "data:", "blob:")):
        page.abroad.append(url)


@pytest.fixture(scope="module")
def running(context, site):
    """The page with Python running, shared: whoever uses it writes an answer of its own first."""
    page = context.new_page()
    page.goto(f"{site}/{PAGE}")
    page.evaluate("localStorage.clear()")
    page.reload()
    exercise = Exercise(page).open()
    exercise.first_report = exercise.check()
    yield exercise
    page.close()


# --- the pages ----------------------------------------------------------------------------------


def boxes(built):
    found = {}
    for path in sorted((built / "hands-on").glob("*.html")):
        for box in BeautifulSoup(path.read_text(), "html.parser").select("div.exercise"):
            found.setdefault(path.stem, []).append(box)
    return found


def test_each_exercise_has_its_place_before_the_hints(built):
    places = boxes(built)
    here = [box["data-id"] for page in places.values() for box in page if box.has_attr("data-id")]
    elsewhere = [box for page in places.values() for box in page if not box.has_attr("data-id")]
    known = {
        i: e for p in exercises.notebooks(ROOT).values() for i, e in exercises.described(p).items()
    }
    assert set(known) == set(EXERCISES)
    assert sorted(here) == sorted(i for i, each in known.items() if not each["needs"])
    assert len(here) > 30
    assert [box.get_text() for box in elsewhere if "PyTorch" in box.get_text()]
    assert len(elsewhere) == len(known) - len(here)
    for page in places.values():
        for box in page:
            assert box.find_next_sibling("details"), box


def test_pages_know_what_their_notebooks_ask(built):
    for name, path in exercises.notebooks(ROOT).items():
        served = json.loads((built / "_static" / f"exercises-{name}.json").read_text())
        notebook = json.loads(path.read_text())
        cells = {
            cell["metadata"].get("nbgrader", {}).get("grade_id"): "".join(cell["source"])
            for cell in notebook["cells"]
        }
        for exercise_id, about in served["exercises"].items():
            assert about["stub"] == cells[f"{exercise_id}-answer"]
        assert (built / "_static" / path.name).read_bytes() == path.read_bytes()


def test_nothing_of_python_is_loaded_before_it_is_asked_for(page):
    names = page.evaluate("performance.getEntriesByType('resource').map((each) => each.name)")
    assert any(name.endswith("exercise-host.js") for name in map(without_query, names))
    asked = re.compile(r"python|pyodide|codemirror|worker|exercise\.js|\.whl")
    assert not [name for name in map(without_query, names) if asked.search(name)]


def without_query(url):
    return url.partition("?")[0]


# --- doing one ----------------------------------------------------------------------------------


def test_from_the_stub_to_full_points(running):
    assert "instance_norm is not written yet" in running.first_report
    report = running.write(WRONG).check()
    assert report.startswith("0 of 6 points")
    assert EXERCISES["instance-norm"].misconception("divides-by-m-minus-1").says in report
    spoken = running.box.get_by_role("status").first.inner_text()
    assert spoken.startswith("0 of 6 points. divides by m minus 1. ")
    running.write(RIGHT)
    running.page.keyboard.press("Control+Enter")
    running.report.get_by_text("6 of 6 points").first.wait_for()
    kept = running.kept()
    assert (kept["points"], kept["of"], kept["names"]) == (6, 6, [])


def test_line_to_try_the_function_on_a_case(running):
    running.write(WRONG)
    scratch = running.box.locator(".xr-try")
    scratch.locator("summary").click()
    scratch.get_by_role("combobox", name="A public case").select_option(index=1)
    running.button("Run").click()
    scratch.locator(".xr-output > *").first.wait_for(timeout=PATIENCE)
    output = scratch.locator(".xr-output")
    assert "array(" in output.inner_text()
    assert "y: yours differs from the expected array, by at most" in output.inner_text()
    assert output.locator("canvas").count() % 3 == 0
    assert "y, difference" in output.locator("canvas").nth(2).get_attribute("aria-label")
    scratch.locator("summary").click()


def test_output_is_text_and_never_html(running):
    source = f"print('''{EVIL}''')\n" + RIGHT.replace(
        "    mean", f"    raise ValueError('{EVIL}')\n    mean"
    )
    running.write(source)
    assert EVIL in running.check()
    assert running.page.evaluate("window.hacked") is None
    assert running.box.locator("img").count() == 0


def test_error_in_the_code_is_quoted(running):
    assert "Python can't read line 1" in running.write("def instance_norm(:\n  pass").check()
    assert "NameError" in running.write("instance_nrom").check()


def test_code_of_the_reader_reaches_no_other_host(running):
    """Neither by fetch nor by a script; and the page is out of its reach."""
    asked = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Content-Type", "text/javascript")
            self.end_headers()

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        source = f"""\
from pyodide.code import run_js
there = "127.0.0.1:{server.server_port}"
for attempt in ("fetch('http://THERE/a')", "import('http://THERE/b.js')",
                "new WebSocket('ws://THERE/c')", "importScripts('http://THERE/d')",
                "new XMLHttpRequest()", "new Worker('http://THERE/e')", "document.title"):
    try:
        print(attempt, "gave", run_js(attempt.replace("THERE", there)))
    except Exception as error:
        print(attempt, "raised", str(error)[:60])
"""
        said = running.write(source + RIGHT).check()
        assert "6 of 6 points" in said
        for attempt in ("WebSocket", "importScripts", "XMLHttpRequest", "Worker", "document.title"):
            assert re.search(rf"{attempt}.* raised", said), said
        running.page.wait_for_timeout(500)
        # What the page itself may still do, its worker's rules would let pass too.
        with suppress(Error):
            running.page.evaluate(f"import('http://127.0.0.1:{server.server_port}/f.js')")
        server.shutdown()
    assert asked == []


# --- what can go wrong --------------------------------------------------------------------------


def test_endless_loop_is_stopped_and_a_network_that_fails_is_said(running, context):
    endless = "while True:\n    pass\n"
    running.write(endless)
    running.button("Check").click()
    running.box.get_by_text("At work.").wait_for(timeout=PATIENCE)
    context.route("**/python/**", lambda route: route.abort())
    running.button("Stop").click()
    running.report.locator("> *").first.wait_for()
    assert running.report.inner_text() == "Stopped. What you wrote is kept."
    assert running.kept()["source"] == endless
    assert "Python did not come through" in running.write(RIGHT).check()
    assert running.kept()["source"] == RIGHT
    context.unroute("**/python/**")
    assert "6 of 6" in running.check()  # a fresh Python


def test_answer_and_points_are_there_another_day(running):
    running.write(RIGHT).check()
    running.page.reload()
    assert running.box.inner_text().split("\n") == ["Go on writing", "6 of 6 points so far"]
    running.open()
    assert running.text == RIGHT


@pytest.mark.slow  # 20 s of processor: it fills the memory that a page may have, and starts anew
def test_end_of_python_is_a_plain_sentence(page):
    exercise = Exercise(page).open()
    memory = "import numpy as np\nkeep = [np.ones(2**26) for _ in range(99)]"
    assert "needed more memory" in exercise.write(memory).check()
    assert exercise.kept()["source"] == memory
    crash = "import os\nos.abort()"
    assert "Python was ended by what it ran" in exercise.write(crash).check()
    assert exercise.kept()["source"] == crash


def test_without_webassembly(browser, site):
    context = browser.new_context(service_workers="block")
    page = context.new_page()
    page.add_init_script("delete globalThis.WebAssembly")
    page.goto(f"{site}/{PAGE}")
    exercise = Exercise(page).open().write(RIGHT)
    assert "it has no WebAssembly" in exercise.check()
    assert exercise.kept()["source"] == RIGHT
    context.close()


@pytest.mark.slow  # 10 s of processor: Python starts twice
def test_with_neither_jspi_nor_shared_memory(browser, site):
    """As in a browser that has not got them, in the page and in the worker."""
    names = ("WebAssembly.Suspending", "WebAssembly.promising", "SharedArrayBuffer")
    gone = "".join(f"delete globalThis.{name};" for name in names)
    context = browser.new_context(service_workers="block")
    context.add_init_script(gone)

    def without(route):
        route.fulfill(body=gone + route.fetch().text(), content_type="text/javascript")

    context.route("**/worker.js*", without)
    page = context.new_page()
    page.goto(f"{site}/{PAGE}")
    exercise = Exercise(page).open()
    found = (
        f"from pyodide.code import run_js\nprint(*map(run_js, {[f'typeof {n}' for n in names]}))\n"
    )
    said = exercise.write(found + WRONG).check()
    assert said.startswith("0 of 6 points")
    assert "undefined undefined undefined" in said
    assert EXERCISES["instance-norm"].misconception("divides-by-m-minus-1").says in said
    assert exercise.write(RIGHT).check().startswith("6 of 6 points")
    exercise.write("while True:\n    pass\n").button("Check").click()
    exercise.box.get_by_text("At work.").wait_for()
    exercise.button("Stop").click()
    exercise.report.get_by_text("Stopped. What you wrote is kept.").wait_for()
    assert exercise.write(RIGHT).check().startswith("6 of 6 points")
    context.close()


def test_without_python_on_the_site(browser, site):
    context = browser.new_context(service_workers="block")
    page = context.new_page()
    context.route("**/python.json", lambda route: route.fulfill(json={"base": None}))
    page.goto(f"{site}/{PAGE}")
    assert "not part of this copy" in Exercise(page).open().check()
    context.close()


def test_without_storage_the_page_says_so(browser, site):
    context = browser.new_context(service_workers="block")
    page = context.new_page()
    page.add_init_script("Storage.prototype.setItem = () => { throw new Error('full') }")
    page.goto(f"{site}/{PAGE}")
    exercise = Exercise(page).open().write(RIGHT)
    exercise.box.get_by_text("This browser keeps nothing here").wait_for()
    context.close()


# --- reading and writing ------------------------------------------------------------------------


def test_by_keyboard_alone(page):
    exercise = Exercise(page)
    exercise.box.locator(".xr-start").focus()
    page.keyboard.press("Enter")
    exercise.editor.wait_for()
    assert page.evaluate("document.activeElement.classList.contains('cm-content')")
    page.keyboard.press("Control+a")
    page.keyboard.type("if 1:\nx = 1 / 2", delay=5)
    assert exercise.text == "if 1:\n    x = 1 / 2"
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Check"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") in ("Stop", "Reset")


def test_reset_and_bring_back(page):
    exercise = Exercise(page).open().write(RIGHT)
    exercise.button("Reset").click()
    assert "raise NotImplementedError" in exercise.text
    exercise.button("Bring back the earlier text").click()
    assert exercise.text == RIGHT


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_an_open_exercise(running, theme):
    running.write(WRONG)
    running.check()
    page = running.page
    page.evaluate("(theme) => (document.documentElement.dataset.theme = theme)", theme)
    page.evaluate(AXE_SCRIPT)
    faults = page.evaluate(
        """async () => {
          for (const folded of document.querySelectorAll("details")) folded.open = true;
          const { violations } = await axe.run(document, { resultTypes: ["violations"] });
          return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
        }"""
    )
    assert faults == []


def test_open_exercise_fits_a_telephone(running):
    running.write(WRONG)
    running.check()
    running.page.set_viewport_size({"width": 390, "height": 800})
    running.page.evaluate("document.querySelectorAll('details').forEach((e) => (e.open = true))")
    assert running.page.evaluate("document.documentElement.scrollWidth") <= 390
    running.page.set_viewport_size({"width": 1280, "height": 900})


def test_editor_says_where_a_long_line_goes_on_and_the_cursor_stays_clear_of_that(page):
    page.set_viewport_size({"width": 390, "height": 800})
    exercise = Exercise(page).open().write("x = 1")
    scroller = exercise.box.locator(".xr-editor .cm-scroller")
    page.locator(".cm-scroller:not([data-more])").wait_for()
    exercise.write("# " + "a long line " * 12)
    page.locator(".cm-scroller[data-more=start]").wait_for()  # the cursor is at its end
    page.keyboard.press("Home")
    page.locator(".cm-scroller[data-more=end]").wait_for()
    assert "gradient" in scroller.evaluate("(e) => getComputedStyle(e).maskImage")
    for _ in range(60):
        page.keyboard.press("ArrowRight")
    page.locator(".cm-scroller[data-more=both]").wait_for()
    page.wait_for_function(
        """() => {
          const right = (place) => document.querySelector(place).getBoundingClientRect().right;
          return right(".xr-editor .cm-cursor") < right(".xr-editor .cm-scroller") - 38;
        }"""
    )


def test_all_exercises_shows_how_far_one_is(page, site):
    versions = json.loads(page.evaluate("fetch('../_static/exercises.json').then((a) => a.text())"))
    version = {each["id"]: each["version"] for each in versions["exercises"]}
    marks = {
        "instance-norm": {"points": 6, "of": 6, "version": version["instance-norm"]},
        "wct": {"points": 3, "of": 7, "version": "another"},
        "snv": {},
        "no-such-exercise": {"points": 1, "of": 1, "version": "old"},
    }
    for exercise_id, mark in marks.items():
        entry = json.dumps({"source": f"# {exercise_id}", **mark})
        page.evaluate(
            "([k, v]) => localStorage.setItem(k, v)", [f"instnorm/answer/{exercise_id}", entry]
        )
    page.goto(f"{site}/hands-on/all-exercises.html")
    progress = page.locator(".exercise-progress")
    progress.get_by_text("You have 6 of").wait_for()
    rows = {
        exercise_id: page.locator(f"tr:has(a[href$='#{exercise_id}']) td").nth(1).inner_text()
        for exercise_id in ("instance-norm", "wct", "snv", "whiten")
    }
    assert rows == {
        "instance-norm": "6 of 6",
        "wct": "check again, 7",
        "snv": "begun, 6",
        "whiten": "8",
    }
    progress.locator("summary").click()
    assert progress.locator("pre").inner_text() == "# no-such-exercise"


def test_a_finger_that_has_pressed_leaves_nothing_hovering(visit):
    page = visit(PAGE, width=390, has_touch=True, is_mobile=True)
    button = page.locator(".xr-start").first
    colour = "(button) => getComputedStyle(button).backgroundColor"
    before = button.evaluate(colour)
    button.hover()
    assert button.evaluate(colour) == before

"""What students hand in, seen by an instructor: in formgrader, JupyterLab and the feedback.

The course is real, so is the Jupyter server, so is the browser. Nothing of a student's runs, and
nothing is asked of anybody. Takes a minute.
"""

import base64
import copy
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote, urlsplit

import nbformat
import pytest
from attacks.showing import FOLDERS, MARKDOWN, NAMES, OUTPUTS
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell
from nbgrader.api import Gradebook
from playwright.sync_api import sync_playwright
from test_grading import ASSIGNMENT, FULL, ROOT, answer, cell_of, nbgrader

from instnorm_judge import inert, sandbox

pytestmark = [pytest.mark.slow]
try:
    sandbox.require()
except sandbox.NoSandbox as refusal:
    pytestmark += [pytest.mark.skip(f"NOTHING ABOUT FORMGRADER IS TESTED HERE. {refusal}")]
if shutil.which("chromium") is None:
    pytestmark += [pytest.mark.skip("NOTHING ABOUT FORMGRADER IS TESTED HERE: no Chromium.")]

HOSTILE, HONEST, AS_NBGRADER_LEAVES_IT = "hostile", "honest", "as-it-came"
TOKEN = "a-token-of-the-instructor"
# nbgrader's own pages load MathJax from here; nothing else may leave the machine.
MATHJAX = "cdnjs.cloudflare.com"


def hostile(release):
    """Right answers, between all that can be handed in to be looked at."""
    notebook = copy.deepcopy(release)
    answer(notebook, {})
    for name, source in MARKDOWN.items():
        cell = new_markdown_cell(source, id=f"m-{name}"[:60])
        cell.attachments = {"HARMED.svg": {"image/svg+xml": "<svg onload='HARMED()'/>"}}
        notebook.cells.insert(1, cell)
        notebook.cells.insert(1, new_raw_cell(source, metadata={"raw_mimetype": "text/html"}))
    for source in OUTPUTS.values():
        notebook.cells.insert(1, new_code_cell(source))
    # A cell of text that was handed out, and is not a student's to write.
    given = next(
        cell for cell in notebook.cells if cell.cell_type == "markdown" and "## " in cell.source
    )
    given.source += "\n\n<script>HARMED()</script>"
    cell_of(notebook, "instance-norm").source += "\n# <script>HARMED()</script>"
    notebook.metadata["title"] = "</title><script>HARMED()</script>"
    notebook.metadata["widgets"] = {
        "application/vnd.jupyter.widget-state+json": {"x": "</script><script>HARMED()</script>"}
    }
    notebook.metadata["language_info"] = {"name": "html", "pygments_lexer": "html"}
    return notebook


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    folder = tmp_path_factory.mktemp("looked-at")
    shutil.copytree(
        ROOT / f"solutions/{ASSIGNMENT}",
        folder / f"solutions/{ASSIGNMENT}",
        ignore=shutil.ignore_patterns("*.ipynb"),
    )
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    result = nbgrader(folder, "generate_assignment")
    assert result.returncode == 0, result.stderr
    release = nbformat.read(folder / f"exercises/{ASSIGNMENT}/{ASSIGNMENT}.ipynb", 4)
    honest = copy.deepcopy(release)
    answer(honest, {})
    honest.cells.insert(1, new_markdown_cell("Because $\\sigma^2 > 0$, *that* is `x < y`."))
    handed_in = {
        HOSTILE: hostile(release),
        HONEST: honest,
        AS_NBGRADER_LEAVES_IT: honest,
        **dict.fromkeys(FOLDERS, honest),
    }
    for student, notebook in handed_in.items():
        place = folder / "submitted" / student / ASSIGNMENT
        place.mkdir(parents=True)
        path = place / f"{ASSIGNMENT}.ipynb"
        path.write_text(nbformat.v4.writes_json(notebook), encoding="utf-8")
    page = "<script>HARMED()</script>"
    (folder / "submitted" / HOSTILE / ASSIGNMENT / "a page.html").write_text(page)
    (folder / "submitted" / HOSTILE / ASSIGNMENT / "deep").mkdir()
    (folder / "submitted" / HOSTILE / ASSIGNMENT / "deep" / "picture.svg").write_text(page)
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as gradebook:
        for student in (HOSTILE, HONEST, AS_NBGRADER_LEAVES_IT):
            gradebook.add_student(student, **NAMES)
    nbgrader(folder, "autograde")
    result = nbgrader(folder, "generate_feedback")
    assert result.returncode == 0, result.stderr[-4000:]
    raw = folder / "autograded" / AS_NBGRADER_LEAVES_IT / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    raw.chmod(0o644)
    graded = nbformat.read(raw, 4)
    graded.cells.insert(0, new_markdown_cell(MARKDOWN["script"]))
    raw.write_text(nbformat.v4.writes_json(graded), encoding="utf-8")
    return folder


def test_marks_do_not_suffer(course):
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        for student in (HOSTILE, HONEST):
            assert gradebook.find_submission(ASSIGNMENT, student).score == sum(FULL.values())


def test_who_has_a_name_that_is_markup_is_not_graded(course):
    """By the name of a folder nobody gets onto a page; the work is left for a person."""
    graded = [path.name for path in (course / "autograded").iterdir()]
    assert sorted(graded) == sorted((HOSTILE, HONEST, AS_NBGRADER_LEAVES_IT))


def test_only_notebooks_are_in_autograded(course):
    files = [path for path in (course / "autograded").rglob("*") if path.is_file()]
    assert {path.name for path in files} <= {f"{ASSIGNMENT}.ipynb", "timestamp.txt"}


def test_pictures_are_drawn_anew_and_none_is_huge(course):
    path = course / "autograded" / HOSTILE / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    pictures = [
        output.data["image/png"]
        for cell in nbformat.read(path, 4).cells
        for output in cell.get("outputs", ())
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 1, "that of matplotlib"
    assert b"Software" not in base64.b64decode(pictures[0])


class Instructor:
    """A browser that has logged in, and what it was made to ask for."""

    def __init__(self, browser, address):
        self.address, self.asked = address, []
        self.context = browser.new_context(extra_http_headers={"Authorization": f"token {TOKEN}"})
        self.context.route("**/*", self.route)
        self.page = self.context.new_page()
        self.page.add_init_script(
            "window.HARMED = () => { window.harmed = true; fetch('/HARMED'); }"
        )
        # JupyterLab asks whether it may be left.
        self.page.on("dialog", lambda dialog: dialog.accept())

    def route(self, route):
        self.asked.append(route.request.url)
        local = urlsplit(route.request.url).hostname == urlsplit(self.address).hostname
        if local or route.request.url.startswith(("data:", "blob:", "file:")):
            route.continue_()
        else:
            route.abort()

    def look(self, path):
        """Open a page; the addresses it asked for that it should not."""
        self.asked = []
        self.page.goto(path if "://" in path else self.address + path)
        assert "/login" not in self.page.url
        self.page.wait_for_load_state("networkidle")
        self.page.wait_for_timeout(200)
        ours = urlsplit(self.address).netloc
        return [
            url
            for url in self.asked
            if "HARMED" in url or (urlsplit(url).netloc not in (ours, MATHJAX, "") and "://" in url)
        ]


@pytest.fixture(scope="module")
def server(course, tmp_path_factory):
    """The server that the guide tells an instructor to start."""
    home = tmp_path_factory.mktemp("home")
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    log = (home / "log").open("wb")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"),
            *("--ip=127.0.0.1", "--port=0", f"--IdentityProvider.token={TOKEN}"),
        ],
        cwd=course,
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        until = time.monotonic() + 120
        while not (told := list((home / "runtime").glob("jpserver-*.json"))):
            assert process.poll() is None, (home / "log").read_text()
            assert time.monotonic() < until, (home / "log").read_text()
            time.sleep(0.2)
        time.sleep(0.5)
        yield json.loads(told[0].read_text())["url"].rstrip("/")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
        log.close()


@pytest.fixture(scope="module")
def instructor(server):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        yield Instructor(browser, server)
        browser.close()


def submission(course, student):
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        notebook = gradebook.find_submission_notebook(ASSIGNMENT, ASSIGNMENT, student)
        return f"/formgrader/submissions/{notebook.id}/"


# What may stand in text that a student has written, on any page.
ALIVE = """root => [...root.querySelectorAll('*')].filter(element =>
    [...element.attributes].some(each => /^on/i.test(each.name))
    || ['SCRIPT', 'IFRAME', 'OBJECT', 'EMBED', 'LINK', 'STYLE', 'BASE', 'META', 'FORM', 'svg']
        .includes(element.tagName)
    || (element.tagName === 'IMG' && !/^data:image.(png|jpeg);/.test(element.getAttribute('src')))
    || (element.tagName === 'A' && element.href
        && new URL(element.href, location.href).host !== location.host)
).map(element => element.outerHTML.slice(0, 200))"""


def test_the_attack_works_on_what_nbgrader_leaves(course, instructor):
    """Otherwise nothing would be shown by what follows."""
    assert any(
        "HARMED" in url for url in instructor.look(submission(course, AS_NBGRADER_LEAVES_IT))
    )
    assert instructor.page.evaluate("window.harmed")


@pytest.mark.parametrize("student", [HOSTILE, HONEST])
def test_formgrader_runs_nothing_of_a_students(student, course, instructor):
    assert instructor.look(submission(course, student)) == []
    assert instructor.page.evaluate("window.harmed") is None
    notebook = instructor.page.locator("#notebook-container").first
    alive = notebook.evaluate(ALIVE)
    # Our own text links to our own book; what students wrote links to nothing.
    assert [each for each in alive if "HARMED" in each] == []
    assert [each for each in alive if not each.startswith("<a ")] == []


def test_formgrader_shows_what_was_written(course, instructor):
    instructor.look(submission(course, HONEST))
    text = (
        instructor.page.locator("#notebook-container").first.inner_text().replace(inert.JOINER, "")
    )
    assert "Because $\\sigma^2 > 0$, that is x < y." in text
    instructor.look(submission(course, HOSTILE))
    text = (
        instructor.page.locator("#notebook-container").first.inner_text().replace(inert.JOINER, "")
    )
    assert text.count("<script>HARMED()</script>") > 8
    names = instructor.page.locator(".name-shown").first.text_content()
    assert NAMES["first_name"] in names
    assert NAMES["last_name"] in names


def test_marks_can_be_given_by_hand(course, instructor):
    """Headings with the names of fields do not stand in for them."""
    instructor.look(submission(course, HOSTILE))
    bound = """names => names.map(name => document.getElementById(name).tagName)"""
    assert instructor.page.evaluate(bound, ["instance-norm", "statusmessage"]) == ["INPUT", "DIV"]


@pytest.mark.parametrize(
    "path",
    [
        "manage_assignments",
        f"manage_submissions/{ASSIGNMENT}",
        f"gradebook/{ASSIGNMENT}/{ASSIGNMENT}",
        "manage_students",
        f"manage_students/{HOSTILE}",
        f"manage_students/{HOSTILE}/{ASSIGNMENT}",
        quote('manage_students/"; HARMED(); "'),
        quote(f"manage_students/{FOLDERS[0]}"),
    ],
)
def test_the_lists_run_nothing(path, instructor):
    # What was typed into the address bar is asked for, and no more.
    asked = instructor.look(f"/formgrader/{path}")
    assert [url for url in asked if url.endswith(("/HARMED", "/HARMED.png"))] == []
    assert instructor.page.evaluate("window.harmed") is None


def test_jupyterlab_runs_nothing_of_a_students(course, instructor):
    path = f"autograded/{HOSTILE}/{ASSIGNMENT}/{ASSIGNMENT}.ipynb"
    asked = instructor.look(f"/lab/tree/{path}?reset")
    instructor.page.wait_for_selector(
        ".jp-Notebook .jp-MarkdownOutput", timeout=60_000, state="attached"
    )
    # Cells are drawn as they come into view.
    for _ in range(40):
        instructor.page.mouse.move(700, 400)
        instructor.page.mouse.wheel(0, 600)
        instructor.page.wait_for_timeout(50)
    asked += [url for url in instructor.asked if "HARMED" in url]
    assert [url for url in asked if "HARMED" in url] == []
    assert instructor.page.evaluate("window.harmed") is None
    alive = instructor.page.locator(".jp-Notebook").evaluate(
        "root => [...root.querySelectorAll('.jp-RenderedHTMLCommon *, .jp-OutputArea-output *')]"
        ".filter(e => /HARMED/.test(e.getAttribute('href') || e.getAttribute('src') || "
        "e.getAttribute('onload') || e.getAttribute('style') || '')).map(e => e.outerHTML)"
    )
    assert alive == []


def test_the_feedback_runs_nothing(course, instructor):
    page = course / "feedback" / HOSTILE / ASSIGNMENT / f"{ASSIGNMENT}.html"
    assert instructor.look(f"/files/{page.relative_to(course)}") == []
    assert instructor.page.evaluate("window.harmed") is None
    alive = instructor.page.locator("body").evaluate(ALIVE)
    assert [each for each in alive if "HARMED" in each] == []

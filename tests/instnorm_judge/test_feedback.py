"""The page a student gets back: the reasons are on it, and nothing that runs, loads or leaks."""

import html
import json
import re
import shutil
import time
import zipfile
from io import BytesIO
from types import SimpleNamespace

import nbformat
import pytest
from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from playwright.sync_api import sync_playwright

import instnorm_judge.feedback
from instnorm_checks import EXERCISES
from instnorm_judge import class_report, handing_back
from instnorm_judge.feedback import TEMPLATES, FeedbackExporter, HideTests
from instnorm_judge.feedback import page as feedback_page
from instnorm_judge.results import Results, StudentResult

NAME = "instance-norm"
SCRIPT = "<script>document.title = 'HARMED'; fetch('https://example.org/')</script>"
PICTURE = "<img src='https://example.org/who' onerror=\"document.title = 'HARMED'\">"
NASTY = SCRIPT + PICTURE
DOT = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAA"
    "AABJRU5ErkJggg=="
)
WRONG = EXERCISES[NAME].misconceptions[0]
TEST = """check("instance-norm", instance_norm)
### BEGIN HIDDEN TESTS
HIDDEN = 1
### END HIDDEN TESTS"""


def about(name, **metadata):
    return {"nbgrader": {"grade_id": name, "grade": False, "solution": False, **metadata}}


def notebook():
    """A graded notebook whose author tried to get a script into every part of it."""
    error = new_output("error", ename="E", evalue=NASTY, traceback=[f"\x1b[31m{NASTY}\x1b[0m"])
    shown = new_output("display_data", {"image/png": DOT, "text/plain": NASTY, "text/html": NASTY})
    report = new_output("stream", name="stdout", text=f"{WRONG.says}\n{NASTY}")
    mark = new_output("execute_result", {"text/plain": "2.5"})
    answer = about(f"{NAME}-answer", solution=True, comment=NASTY)
    cells = [
        new_markdown_cell(f"Notes from grading:\n\n- {NASTY}", id="notes"),
        new_markdown_cell(f"$x_1$ [here](javascript:alert(1)) {NASTY}"),
        new_code_cell(NASTY, metadata=answer, outputs=[error, shown]),
        new_code_cell(
            TEST, metadata=about(NAME, grade=True, points=6, score=2.5), outputs=[report, mark]
        ),
        new_code_cell(f"# ### BEGIN HIDDEN TESTS of mine\n{NASTY}", outputs=[]),
    ]
    return new_notebook(cells=[nbformat.from_dict(cell) for cell in cells])


@pytest.fixture(scope="module")
def feedback():
    exporter = FeedbackExporter(
        template_name="diagnosis",
        extra_template_basedirs=[TEMPLATES],
        preprocessors=[HideTests, CSSHTMLHeaderPreprocessor],
    )
    marks = {"notebook": NASTY, "score": 2.5, "max_score": 6, "late_penalty": 0}
    return exporter.from_notebook_node(notebook(), {"nbgrader": marks})[0]


@pytest.fixture(scope="module")
def report():
    """The class report on a class of which one has a nasty name, and all hold a misconception."""
    wrong = {NAME: (WRONG.name, NASTY)}
    students = [
        StudentResult(name, name, name, name, 3.0, {NAME: 3.0}, (), 60.0, wrong, (NASTY,))
        for name in ["a" * 40, *"bcdefgh", NASTY]
    ]
    return class_report.render(Results("the-algorithm", {NAME: 6.0}, tuple(students)))


def test_the_reason_for_each_lost_point_is_there(feedback):
    text = html.unescape(re.sub(r"<[^>]*>", "", feedback))
    assert "2.5 of 6 points" in text
    assert f"{NAME}: 2.5 of 6" in text
    assert text.count(WRONG.says) == 2  # at its exercise, and in the notebook as it ran


def made(cells):
    """The page of a notebook with these cells."""
    marks = {"notebook": "x", "score": 1, "max_score": 2, "late_penalty": 0, "cells": {}}
    cells = [{**cell, "id": f"cell-{k}"} for k, cell in enumerate(cells)]
    content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return feedback_page(json.dumps(content).encode(), marks)


def test_code_has_colours():
    answer = about(f"{NAME}-answer", solution=True)
    page = made([new_code_cell("def f(x):\n    return x  # as it is", metadata=answer)])
    assert '<span class="k">def</span>' in page
    assert ".highlight .k " in page
    assert "# as it is" in page


LONG = "<&" * 250_000
MANY = {
    "outputs": [new_code_cell("1", outputs=[new_output("stream", text=LONG)])] * 60,
    "dots": [new_code_cell("." * 60_000)] * 20,
    "colours": [new_code_cell("1", outputs=[new_output("stream", text="\x1b[31mx" * 60_000)])] * 20,
    "brackets": [new_markdown_cell("[" * 8000)] * 200,
    "pictures": [
        new_code_cell("1", outputs=[new_output("display_data", {"image/png": DOT * 3000})])
    ]
    * 60,
}


@pytest.mark.parametrize("what", MANY)
def test_a_page_has_an_end(what, monkeypatch):
    """Two megabytes, and some seconds: of sixty cells of output nbconvert made 8.5 GB in 486 s."""
    monkeypatch.setattr(instnorm_judge.feedback, "SECONDS", 0.5)
    start = time.monotonic()
    page = made(MANY[what])
    assert len(page.encode()) <= 2_000_000
    assert page.rstrip().endswith("</html>")
    assert time.monotonic() - start < 60  # minutes without limits; the machine may be busy


def test_hidden_tests_stay_hidden(feedback):
    assert "HIDDEN = 1" not in feedback
    assert "BEGIN HIDDEN TESTS" in feedback  # what a student writes is a student's


@pytest.mark.parametrize("page", ["feedback", "report"])
def test_nothing_of_a_students_is_a_tag(page, request):
    text = request.getfixturevalue(page)
    assert "HARMED" in text
    assert not re.search(r"<script|<iframe|<link|javascript:|url\(", text)
    for tag in re.findall(r"<img[^>]*>", text):
        assert re.search(r' src="data:image/png;base64,[\w+/=]+"', tag)
    assert not re.search(r"<[^>]*\bon\w+=[^>]*HARMED", text)


@pytest.mark.parametrize("page", ["feedback", "report"])
def test_a_browser_runs_nothing_asks_nobody_and_shows_it_all(page, request, tmp_path):
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("NO PAGE WAS OPENED: there is no Chromium here")
    path = tmp_path / "page.html"
    path.write_text(request.getfixturevalue(page), encoding="utf-8")
    asked, said = [], []
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        for width in (390, 1440):
            view = browser.new_page(viewport={"width": width, "height": 900})
            view.on("request", lambda request: asked.append(request.url))
            view.on("console", lambda message: said.append(message.text))
            view.on("pageerror", lambda error: said.append(str(error)))
            view.goto(path.as_uri())
            for details in view.query_selector_all("details"):
                details.evaluate("element => element.open = true")
            view.wait_for_timeout(200)
            root = "document.documentElement"
            assert view.evaluate(f"{root}.scrollWidth <= {root}.clientWidth"), width
            assert view.title() != "HARMED"
            view.close()
        browser.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert said == []


class Course:
    """Folders of a course, without nbgrader."""

    def __init__(self, folder):
        self.home = folder

    def root(self, step):
        return self.home / step

    def folder(self, step, student, assignment):
        return self.root(step) / student / assignment


def test_nobody_whose_name_is_markup_gets_a_page(tmp_path):
    """Others are served, and the archive has no page of such a name either. Takes 4 s."""
    course, markup = Course(tmp_path), "<b>eve<"
    entries = []
    for student in ("ada", markup):
        cells = SimpleNamespace(comments=[], grades=[], late_submission_penalty=0)
        marks = SimpleNamespace(name="limits", score=1, max_score=2, **vars(cells))
        entries.append(SimpleNamespace(student_id=student, name="limits", notebooks=[marks]))
        path = course.folder("autograded", student, "limits") / "limits.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook(), path)
    gradebook = SimpleNamespace(assignment_submissions=lambda assignment: entries)
    written, without = handing_back.write_pages(course, gradebook, "limits")
    assert written == 1
    [line] = without
    assert "markup" in line
    assert [path.name for path in course.root("feedback").iterdir()] == ["ada"]
    # A page that somebody else has put there is not handed on.
    shutil.copytree(course.root("feedback") / "ada", course.root("feedback") / markup)
    content, missing = handing_back.archive(course, "limits", "plain")
    assert not missing
    assert zipfile.ZipFile(BytesIO(content)).namelist() == ["ada/limits.html"]

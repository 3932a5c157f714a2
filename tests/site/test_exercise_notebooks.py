"""What was written on a page is handed in like any notebook; no edition of the book loses it."""

import html
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from instnorm_checks import EXERCISES, SEED
from instnorm_judge import sandbox
from instnorm_judge.assignments import source_notebook
from instnorm_site import exercises

pytestmark = [pytest.mark.book, pytest.mark.whole_browser]
ROOT = Path(__file__).resolve().parents[2]
ASSIGNMENT = "the-algorithm"
RELEASED = ROOT / "exercises" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
ANSWERS = {
    cell.metadata.nbgrader.grade_id.removesuffix("-answer"): cell.source
    for cell in source_notebook(ROOT / f"solutions/{ASSIGNMENT}/{ASSIGNMENT}.md").cells
    if cell.metadata.get("nbgrader", {}).get("solution")
}
LOOPS, VECTORISED, CONTRAST = ANSWERS
SUBTLE = 'print("<script>alert(1)</script>")\ns = "ünï \\\\ \\n"  # \u2028 \U0001f600\n'


@pytest.fixture(scope="module")
def page(browser, site):
    context = browser.new_context(service_workers="block")
    page = context.new_page()
    page.goto(f"{site}/hands-on/{ASSIGNMENT}.html")
    page.locator(".exercise-notebook button").first.wait_for()
    yield page
    context.close()


@pytest.fixture(autouse=True)
def forgotten(page):
    page.evaluate("localStorage.clear()")


def keep(page, **entries):
    for name, entry in entries.items():
        key = f"instnorm/answer/{name.replace('_', '-')}"
        page.evaluate("([k, v]) => localStorage.setItem(k, v)", [key, json.dumps(entry)])


def kept(page, exercise_id):
    key = f"instnorm/answer/{exercise_id}"
    return page.evaluate("(key) => JSON.parse(localStorage.getItem(key))", key)


def export(page, folder):
    with page.expect_download() as download:
        page.get_by_role("button", name="Export my answers").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def read_in(page, path):
    """Import a notebook; what the page says."""
    line = page.locator(".exercise-notebook")
    line.locator("[role=status]").evaluate("(e) => (e.textContent = '')")
    line.locator("input[type=file]").set_input_files(path)
    page.wait_for_function("document.querySelector('.exercise-notebook [role=status]').textContent")
    return line.locator("[role=status]").inner_text()


def cells(path):
    notebook = nbformat.read(path, as_version=4)
    return {c.metadata.get("nbgrader", {}).get("grade_id", c.id): c for c in notebook.cells}


def test_export_is_the_released_notebook_with_the_answers(page, tmp_path):
    keep(page, instance_norm={"source": SUBTLE}, contrast_scores={"source": ANSWERS[CONTRAST]})
    path = export(page, tmp_path)
    assert path.name == RELEASED.name
    nbformat.validate(nbformat.read(path, as_version=4))
    exported, released = cells(path), cells(RELEASED)
    wanted = {f"{VECTORISED}-answer": SUBTLE, f"{CONTRAST}-answer": ANSWERS[CONTRAST]}
    for name, cell in released.items():
        assert exported[name].source == wanted.get(name, cell.source)
        assert exported[name].metadata == cell.metadata
    assert list(exported) == list(released)


def test_export_of_nothing_is_the_released_notebook(page, tmp_path):
    path = export(page, tmp_path)
    assert nbformat.read(path, as_version=4) == nbformat.read(RELEASED, as_version=4)


def test_export_comes_back_the_same(page, tmp_path):
    keep(page, **{i.replace("-", "_"): {"source": s} for i, s in ANSWERS.items()})
    path = export(page, tmp_path)
    page.evaluate("localStorage.clear()")
    assert read_in(page, path).startswith(f"{len(ANSWERS)} answers from {path.name}.")
    assert {exercise_id: kept(page, exercise_id)["source"] for exercise_id in ANSWERS} == ANSWERS


@pytest.mark.slow  # a course with a gradebook, and a class of one in the sandbox: 15 s
def test_export_is_graded_like_any_other(page, tmp_path):
    try:
        sandbox.require()
    except sandbox.NoSandbox as refusal:
        pytest.skip(str(refusal))
    zeros = "instance_norm = lambda x, gamma, beta, eps=1e-5: 0 * x"
    keep(page, instance_norm={"source": zeros}, instance_norm_loops={"source": ANSWERS[LOOPS]})
    course = tmp_path / "course"
    (course / "solutions").mkdir(parents=True)
    shutil.copy(ROOT / "nbgrader_config.py", course)
    folder = course / "solutions" / ASSIGNMENT
    folder.mkdir()
    shutil.copy(ROOT / f"solutions/{ASSIGNMENT}/{ASSIGNMENT}.md", folder)
    handed_in = course / "submitted" / "ada" / ASSIGNMENT
    handed_in.mkdir(parents=True)
    export(page, handed_in)
    for command in (("nbgrader", "generate_assignment"), ("instnorm-judge", "autograde")):
        done = subprocess.run(
            [Path(sys.executable).parent / command[0], command[1], ASSIGNMENT],
            cwd=course,
            env={**os.environ, SEED: "1", "JUPYTER_CONFIG_DIR": str(course / "none")},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        (notebook,) = gradebook.find_submission(ASSIGNMENT, "ada").notebooks
        scores = {grade.name: grade.score for grade in notebook.grades}
    assert scores == {LOOPS: EXERCISES[LOOPS].points, VECTORISED: 0, CONTRAST: 0}


# --- notebooks that come from elsewhere ---------------------------------------------------------


def half_done(path, change=lambda notebook: None):
    """A notebook as Jupyter saves it after an hour's work."""
    notebook = nbformat.read(RELEASED, as_version=4)
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name == f"{LOOPS}-answer":
            cell.source = ANSWERS[LOOPS]
        if cell.cell_type == "code":
            cell.execution_count = 3
            cell.outputs = [nbformat.v4.new_output("stream", text="<b>output</b>\n")]
        cell.metadata["collapsed"] = False
    notebook.metadata.language_info = {"name": "python", "version": "3.13.1"}
    change(notebook)
    path.write_text(json.dumps(notebook), "utf-8")
    return path


def shuffled(notebook):
    notebook.cells.reverse()


def as_one_string(notebook):
    for cell in notebook.cells:
        cell.source = "".join(cell.source)


def of_an_earlier_format(notebook):
    notebook.nbformat_minor = 2
    for cell in notebook.cells:
        del cell["id"]


def with_strange_cells(notebook):
    notebook.cells += [{}, {"cell_type": "code", "metadata": {"nbgrader": "no"}, "source": None}]


@pytest.mark.parametrize(
    "change", [shuffled, as_one_string, of_an_earlier_format, with_strange_cells]
)
def test_notebook_half_done_in_jupyter_is_read_in(page, tmp_path, change):
    keep(page, instance_norm={"source": SUBTLE, "points": 2, "of": 6})
    path = half_done(tmp_path / "the algorithm (1).ipynb", change)
    assert read_in(page, path).startswith("1 answer from the algorithm (1).ipynb.")
    assert kept(page, LOOPS)["source"] == ANSWERS[LOOPS]
    assert kept(page, VECTORISED)["source"] == SUBTLE  # what the notebook has not, stays
    assert kept(page, CONTRAST) is None


def test_what_stood_here_before_can_be_brought_back(page, tmp_path):
    keep(page, instance_norm_loops={"source": "# an older attempt", "points": 3, "of": 6})
    read_in(page, half_done(tmp_path / "a.ipynb"))
    entry = kept(page, LOOPS)
    assert entry["source"] == ANSWERS[LOOPS]
    assert entry["earlier"][0]["source"] == "# an older attempt"
    assert "points" not in entry  # they were another text's


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{ no notebook", "This file is not a notebook: it can't be read as JSON."),
        ("[]", "This file has no cells"),
        ("{}", "This file has no cells"),
        ("null", "This file has no cells"),
        ('{"cells": [null, 3]}', "This notebook has no cell of these exercises"),
        ((ROOT / "exercises/depth/depth.ipynb").read_text(), "This notebook has no cell of these"),
        (RELEASED.read_text(), "Nothing is written in"),
    ],
    ids=["text", "list", "object", "null", "cells", "other-assignment", "untouched"],
)
def test_files_that_are_no_use_change_nothing(page, tmp_path, content, says):
    keep(page, instance_norm={"source": SUBTLE})
    path = tmp_path / "some.ipynb"
    path.write_text(content, "utf-8")
    assert read_in(page, path).startswith(says)
    assert kept(page, VECTORISED) == {"source": SUBTLE}
    assert kept(page, LOOPS) is None


# --- a new edition of the book ------------------------------------------------------------------


def test_answers_are_found_after_a_tenth_of_the_ids_were_renamed(page, site):
    ids = sorted(EXERCISES)
    renamed = {f"old-{i}": i for i in ids[::10]}
    assert len(renamed) >= len(ids) / 10
    old = {i: f"old-{i}" if f"old-{i}" in renamed else i for i in ids}
    for exercise_id in ids:
        keep(page, **{old[exercise_id].replace("-", "_"): {"source": f"# {exercise_id}"}})
    page.context.route(
        "**/exercises.json",
        lambda route: route.fulfill(json={"exercises": [], "renamed": renamed}),
    )
    other = page.context.new_page()
    other.goto(f"{site}/hands-on/all-exercises.html")
    other.locator(".exercise-progress li").first.wait_for()
    page.context.unroute("**/exercises.json")
    other.close()
    for exercise_id in ids:
        assert kept(page, exercise_id)["source"] == f"# {exercise_id}"
        if old[exercise_id] != exercise_id:
            assert kept(page, old[exercise_id]) is None


def test_the_page_itself_moves_what_was_renamed(page, site):
    version = page.locator(f".exercise[data-id={LOOPS}]").get_attribute("data-version")
    mark = {"points": 4, "of": 6, "version": version, "earlier": [{"source": "# 1", "at": 1}]}
    keep(page, four_loops={"source": "# four loops", **mark})
    other = page.context.new_page()
    renamed = html.escape('{"four-loops": "instance-norm-loops"}')

    def later_edition(route):
        text = route.fetch().text().replace('data-renamed="{}"', f'data-renamed="{renamed}"')
        assert renamed in text
        route.fulfill(body=text, content_type="text/html")

    other.route(f"**/{ASSIGNMENT}.html", later_edition)
    other.goto(f"{site}/hands-on/{ASSIGNMENT}.html")
    box = other.locator(f".exercise[data-id={LOOPS}]")
    box.get_by_text("4 of 6 points so far").wait_for()
    assert kept(page, LOOPS) == {"source": "# four loops", **mark}
    assert kept(page, "four-loops") is None
    other.goto(f"{site}/hands-on/all-exercises.html")
    other.get_by_text("You have 4 of").wait_for()
    other.close()


def test_both_texts_are_kept_where_the_new_id_has_one_already(page):
    keep(page, four_loops={"source": "# old"}, instance_norm_loops={"source": "# new", "points": 1})
    page.evaluate(
        """async (id) => {
          const { memory } = await import("../_static/memory.js");
          memory().rename({ "four-loops": id });
        }""",
        LOOPS,
    )
    entry = kept(page, LOOPS)
    assert (entry["source"], entry["points"]) == ("# new", 1)
    assert [each["source"] for each in entry["earlier"]] == ["# old"]


def test_renamed_ids_lead_to_exercises():
    assert set(exercises.RENAMED.values()) <= set(EXERCISES)
    assert not set(exercises.RENAMED) & set(EXERCISES)

"""From text source to the students' notebook: nothing drifts, nothing leaks, the ids agree."""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import warnings
from importlib.metadata import version as installed_version
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbgrader.validator import Validator

from instnorm_checks import EXERCISES
from instnorm_judge.assignments import (
    main,
    make_source_notebooks,
    release,
    source_notebook,
    text_sources,
    wheel_address,
)

ROOT = Path(__file__).parents[2]
SOURCES = text_sources(ROOT / "solutions")
ALGORITHM = ROOT / "solutions/the-algorithm/the-algorithm.md"
each_assignment = pytest.mark.parametrize("text", SOURCES, ids=lambda path: path.stem)


@pytest.fixture
def course(tmp_path):
    """A small course: what the notebooks of one assignment are made from, and the notebooks."""
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    for folder in ("solutions", "exercises"):
        place = Path(folder) / ALGORITHM.stem
        shutil.copytree(ROOT / place, tmp_path / place)
    return tmp_path


def released(text):
    return ROOT / "exercises" / text.stem / f"{text.stem}.ipynb"


def nbgrader_cells(notebook):
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            yield cell.metadata.nbgrader, cell


def solution_lines(text):
    """The lines between BEGIN SOLUTION and END SOLUTION, without comments and blank lines."""
    regions = re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", text.read_text(), re.DOTALL)
    lines = {line.strip() for region in regions for line in region.splitlines()}
    return {line for line in lines if len(line) > 12 and not line.startswith("#")}


# --- No drift -------------------------------------------------------------------------------------


def test_committed_notebooks_are_what_the_sources_give(capsys):
    assert main(["--check", "--root", str(ROOT)]) == 0, capsys.readouterr().err


def test_drift_is_reported_and_mended(course, capsys, monkeypatch):
    # Three times the same, and nbgrader takes seconds.
    monkeypatch.setattr("instnorm_judge.assignments.release", functools.cache(release))
    notebook = course / f"exercises/{ALGORITHM.stem}/{ALGORITHM.stem}.ipynb"
    stray = notebook.with_name("stray.ipynb")
    right = notebook.read_text()
    drifted = right.replace("eps", "epsilon", 1)
    notebook.write_text(drifted)
    stray.write_text("{}")

    assert main(["--check", "--root", str(course)]) == 1
    errors = capsys.readouterr().err
    for path in (notebook, stray):
        assert f"{path.relative_to(course)} is not what solutions/ gives" in errors
    assert "make exercises" in errors
    assert notebook.read_text() == drifted, "--check must write nothing"

    assert main(["--root", str(course)]) == 0
    assert notebook.read_text() == right
    assert not stray.exists()
    assert main(["--check", "--root", str(course)]) == 0


@pytest.mark.slow  # some 5 s
def test_a_source_that_nbgrader_refuses_is_reported(course):
    text = course / f"solutions/{ALGORITHM.stem}/{ALGORITHM.stem}.md"
    text.write_text(text.read_text().replace("### END SOLUTION", "", 1))
    with pytest.raises(SystemExit, match="nbgrader could not release"):
        release(course)


def test_source_notebooks_follow_the_text(tmp_path):
    text = tmp_path / "some" / "some.md"
    text.parent.mkdir()
    shutil.copy(ALGORITHM, text)
    (text.parent / "notes.md").write_text("no notebook")
    make_source_notebooks(tmp_path)
    assert {path.name for path in text.parent.iterdir()} == {"notes.md", "some.md", "some.ipynb"}

    notebook = text.with_suffix(".ipynb")
    first = notebook.read_bytes()
    text.write_text(text.read_text().replace("# The algorithm", "# Another title", 1))
    os.utime(notebook, (1, 1))
    make_source_notebooks(tmp_path)
    second = notebook.read_bytes()
    assert second == first.replace(b"# The algorithm", b"# Another title", 1)

    # The points of an exercise have changed since: no reason to complain.
    os.utime(text, (1, 1))
    notebook.write_bytes(second.replace(b'"points": 6', b'"points": 5'))
    make_source_notebooks(tmp_path)
    assert notebook.read_bytes() == second


def test_work_done_in_a_source_notebook_is_not_overwritten(tmp_path):
    text = tmp_path / "some" / "some.md"
    text.parent.mkdir()
    shutil.copy(ALGORITHM, text)
    os.utime(text, (1, 1))
    make_source_notebooks(tmp_path)
    notebook = text.with_suffix(".ipynb")
    edited = notebook.read_text().replace("# The algorithm", "# My title", 1)
    notebook.write_text(edited)
    with pytest.raises(
        SystemExit, match=r"some\.ipynb has been edited, but its source is some\.md"
    ):
        make_source_notebooks(tmp_path)
    assert notebook.read_text() == edited


# --- With nothing but the notebook ----------------------------------------------------------------


def site():
    config = (ROOT / "_config.yml").read_text(encoding="utf-8")
    return re.search(r"^  baseurl: (\S+)$", config, re.M)[1]


@each_assignment
def test_the_first_cell_says_what_to_install_and_installs_nothing(text, monkeypatch):
    notebook = nbformat.read(released(text), as_version=4)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    version = installed_version("instnorm").partition("+")[0]
    wheel = f"{site()}_static/instnorm-{version}-py3-none-any.whl"
    monkeypatch.setitem(sys.modules, "instnorm_checks", None)  # as though it were not installed
    with pytest.raises(ModuleNotFoundError) as caught:
        exec(first.source, {})
    assert f'%pip install "instnorm[exercises] @ {wheel}"' in str(caught.value)
    for cell in notebook.cells:
        assert not re.search(r"^\s*[%!]", cell.source, re.M) or cell.cell_type != "code"
        assert not re.search(r"pip install instnorm", cell.source)


def test_a_course_folder_may_have_an_address_of_its_own(tmp_path):
    (tmp_path / "_config.yml").write_text("html:\n  baseurl: https://course.example/in/\n")
    assert wheel_address(tmp_path).startswith("https://course.example/in/_static/instnorm-")
    assert wheel_address(tmp_path / "none").startswith(site())


def test_the_extra_names_what_requirements_txt_does():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = (ROOT / "requirements.txt").read_text() + (ROOT / "requirements-gpu.txt").read_text()
    required = {line.partition("#")[0].strip() for line in required.splitlines()}
    for name, extra in project["optional-dependencies"].items():
        assert set(extra) <= required, name


# --- No leak --------------------------------------------------------------------------------------


@each_assignment
def test_nothing_but_the_notebook_is_handed_out(text):
    files = [path for path in released(text).parent.rglob("*") if path.is_file()]
    assert [path.name for path in files if ".ipynb_checkpoints" not in path.parts] == [
        f"{text.stem}.ipynb"
    ]


@each_assignment
def test_no_solution_and_no_hidden_test_is_handed_out(text):
    content = released(text).read_text()
    assert not re.search(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS)", content)
    assert "import grade" not in content
    secrets = solution_lines(text)
    assert len(secrets) > 10
    for line in secrets:
        assert json.dumps(line)[1:-1] not in content
    for metadata, cell in nbgrader_cells(nbformat.reads(content, 4)):
        if metadata.solution:
            assert "raise NotImplementedError" in cell.source


@each_assignment
def test_nothing_of_the_machine_is_handed_out(text):
    content = released(text).read_text()
    notebook = json.loads(content)
    assert notebook["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}
    }
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        assert set(cell["metadata"]) <= {"nbgrader", "deletable", "editable"}
    assert str(ROOT) not in content
    assert str(Path.home()) not in content


# --- In step --------------------------------------------------------------------------------------


def test_every_exercise_is_in_exactly_one_assignment():
    ids = [
        metadata.grade_id
        for text in SOURCES
        for metadata, _ in nbgrader_cells(source_notebook(text))
        if metadata.grade
    ]
    assert sorted(ids) == sorted(EXERCISES)


@each_assignment
def test_ids_and_points_agree(text):
    source, handed_out = source_notebook(text), nbformat.read(released(text), 4)
    page = (ROOT / "book/hands-on" / text.name).read_text()
    for notebook in (source, handed_out):
        cells = {metadata.grade_id: (metadata, cell) for metadata, cell in nbgrader_cells(notebook)}
        tests = [name for name, (metadata, _) in cells.items() if metadata.grade]
        assert tests
        for name in tests:
            metadata, cell = cells[name]
            assert metadata.points == EXERCISES[name].points
            assert cell.id == name
            call = f'check("{name}", {EXERCISES[name].function_name})'
            assert cell.source.splitlines()[-1] == call
            answer_metadata, answer = cells[f"{name}-answer"]
            assert answer_metadata.solution
            in_one_line = re.sub(r"(?<=\()\s+|\s+(?=\))", "", answer.source)
            assert f"def {EXERCISES[name].signature}:" in in_one_line
            assert f"({name})=" in page, f"the page has no anchor for {name}"
            assert f"`{EXERCISES[name].signature}`" in page


@each_assignment
def test_every_exercise_has_three_hints_in_the_notebook(text):
    for section in text.read_text().split("## Exercise ")[1:]:
        assert re.findall(r"<summary>Hint (\d)", section) == ["1", "2", "3"]


@each_assignment
def test_graded_tests_try_the_hidden_cases(text):
    for metadata, cell in nbgrader_cells(source_notebook(text)):
        if metadata.grade:
            hidden = re.search(
                r"### BEGIN HIDDEN TESTS\n(.*?)### END HIDDEN TESTS\n", cell.source, re.DOTALL
            )
            assert hidden, metadata.grade_id
            assert hidden[1].startswith("from instnorm_checks import grade as check")


# --- As a student and as an instructor would ------------------------------------------------------


@functools.cache
def executed(text, variant):
    """A notebook as it is after a run: `blank` as it is handed out, or `solved`."""
    notebook = nbformat.read(released(text), 4) if variant == "blank" else source_notebook(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of nbclient's own
        return NotebookClient(notebook, timeout=600).execute(cwd=str(text.parent))


# The others are run in `make gate`.
NOTEBOOKS = {"the-algorithm", "modulation"}


@pytest.mark.parametrize(
    ("text", "variant"),
    [
        pytest.param(
            text,
            variant,
            id=f"{text.stem}-{variant}",
            marks=[pytest.mark.slow] * (text.stem not in NOTEBOOKS),
        )
        for text in SOURCES
        for variant in ("blank", "solved")
    ],
)
def test_the_blank_notebook_runs_through_and_the_solved_one_passes(text, variant):
    notebook = executed(text, variant)
    tests = [(m, cell) for m, cell in nbgrader_cells(notebook) if m.grade]
    earned = [float(cell.outputs[-1].data["text/plain"]) for _, cell in tests]
    assert earned == [metadata.points if variant == "solved" else 0 for metadata, _ in tests]
    # So `nbgrader validate` understands them too.
    failed = Validator()._get_failed_cells(notebook)
    assert len(failed) == (0 if variant == "solved" else len(tests))


@pytest.mark.slow
def test_nbgrader_validate_tells_students_where_they_stand(tmp_path):
    """`nbgrader validate` reads the number that `check` returns."""

    def validate(notebook):
        path = tmp_path / "notebook.ipynb"
        nbformat.write(notebook, path)
        command = [sys.executable, "-m", "nbgrader", "validate", path.name]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False
        ).stdout

    blank = nbformat.read(released(ALGORITHM), 4)
    tests = sum(metadata.grade for metadata, _ in nbgrader_cells(blank))
    assert f"VALIDATION FAILED ON {tests} CELL(S)" in validate(blank)
    solved = {m.grade_id: cell.source for m, cell in nbgrader_cells(source_notebook(ALGORITHM))}
    for metadata, cell in nbgrader_cells(blank):
        if metadata.solution:
            cell.source = solved[metadata.grade_id]
    assert "Success! Your notebook passes all the tests." in validate(blank)


@pytest.mark.slow  # some 20 s
def test_registering_an_assignment_in_a_fresh_clone(course):
    """exercises/ is there already; nbgrader must register the assignment all the same."""
    name = ALGORITHM.stem
    before = released(ALGORITHM).read_bytes()
    process = subprocess.run(
        [sys.executable, "-m", "nbgrader", "generate_assignment", name],
        cwd=course,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert (course / "gradebook.db").exists()
    assert (course / f"exercises/{name}/{name}.ipynb").read_bytes() == before

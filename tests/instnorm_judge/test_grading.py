"""A whole class through nbgrader: every mark what it should be, and nobody stops the others.

The course is real: our nbgrader_config.py (with shorter time limits), our sources, nbgrader's own
commands in processes of their own, and a gradebook.
"""

import base64
import copy
import html
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from itertools import zip_longest
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_output
from nbgrader.api import Gradebook
from tiers import late

from instnorm_checks import EXERCISES, MIME
from instnorm_judge import sandbox
from instnorm_judge.assignments import source_notebook
from instnorm_judge.execute import Execute
from instnorm_judge.grades import score

try:
    sandbox.require()
except sandbox.NoSandbox as refusal:
    pytestmark = pytest.mark.skip(f"NOTHING ABOUT GRADING IS TESTED HERE. {refusal}")

ROOT = Path(__file__).parents[2]
ASSIGNMENT = "the-algorithm"
LOOPS, VECTORISED, CONTRAST = IDS = ("instance-norm-loops", "instance-norm", "contrast-scores")
FULL = {exercise_id: EXERCISES[exercise_id].points for exercise_id in IDS}
SEED = "20160727"

SOLUTIONS = {
    cell.metadata.nbgrader.grade_id: cell.source
    for cell in source_notebook(ROOT / f"solutions/{ASSIGNMENT}/{ASSIGNMENT}.md").cells
    if cell.metadata.get("nbgrader", {}).get("solution")
}
ZEROS = {
    LOOPS: "instance_norm_loops = lambda x, eps=1e-5: 0 * x",
    VECTORISED: "instance_norm = lambda x, gamma, beta, eps=1e-5: 0 * x",
    CONTRAST: "contrast_scores = lambda s, c, n, eps=1e-5: (0 * c, 0 * c)",
}


def cell_of(notebook, grade_id):
    return next(
        cell
        for cell in notebook.cells
        if cell.metadata.get("nbgrader", {}).get("grade_id") == grade_id
    )


def answer(notebook, answers):
    """Write the solutions into a notebook, but for some other `answers` (exercise -> source)."""
    for exercise_id in IDS:
        name = f"{exercise_id}-answer"
        cell_of(notebook, name).source = answers.get(exercise_id, SOLUTIONS[name])


def answers(**sources):
    """A submission with some answers other than the solutions."""
    by_id = {name.replace("_", "-"): source for name, source in sources.items()}
    return lambda notebook: answer(notebook, by_id)


def worth(*nothing):
    """Full marks but for some exercises."""
    return {**FULL, **dict.fromkeys(nothing, 0.0)}


def missing(*grade_ids):
    def edit(notebook):
        answer(notebook, {})
        for grade_id in grade_ids:
            notebook.cells.remove(cell_of(notebook, grade_id))

    return edit


def tampered(notebook):
    """Wrong functions, and tests that say otherwise."""
    answer(notebook, ZEROS)
    cell_of(notebook, LOOPS).source = "4.0"
    cell_of(notebook, VECTORISED).source = "assert True"
    cell_of(notebook, VECTORISED).metadata.nbgrader.points = 1000
    cell_of(notebook, CONTRAST).metadata.nbgrader.grade = False


def skipped(notebook):
    """A cell with this tag is passed over: no error, and no evidence either."""
    answer(notebook, ZEROS)
    for exercise_id in IDS:
        cell_of(notebook, exercise_id).metadata.tags = ["skip-execution"]


def impostor(notebook):
    answer(notebook, ZEROS)
    notebook.cells.insert(
        0,
        new_code_cell(
            "import instnorm_checks\n"
            "check = grade = instnorm_checks.grade = lambda *anything: float(6)"
        ),
    )


def only_the_public_cases(notebook):
    """Would pass off the mark of `check` as one of `grade`, if it were in the same process."""
    answer(notebook, {})
    notebook.cells.insert(
        0, new_code_cell("import instnorm_checks\ninstnorm.checks.grade = instnorm_checks.check")
    )


def edited_tests(notebook):
    """Right answers, but nothing left of the tests."""
    answer(notebook, {})
    for exercise_id in IDS:
        cell_of(notebook, exercise_id).source = "# it works on my machine"


def copied(notebook):
    """Cells copied in Jupyter take their metadata along. The later copies count."""
    answer(notebook, {})
    for name in (f"{VECTORISED}-answer", VECTORISED, LOOPS):
        twin = copy.deepcopy(cell_of(notebook, name))
        twin.id = f"{name}-copy"
        notebook.cells.insert(0, twin)


def elsewhere(notebook):
    """The answer has been moved to a cell that nbgrader knows nothing of."""
    answer(notebook, {})
    cell = cell_of(notebook, f"{VECTORISED}-answer")
    cell.metadata = {}


def strange_metadata(notebook):
    answer(notebook, {})
    foreign = {"grade": True, "grade_id": "other", "points": 9, "locked": True, "solution": False}
    for k, metadata in enumerate([foreign, {"grade": True}, {"grade_id": [1]}, "nonsense", {}]):
        cell = new_code_cell("1 + 1", id=f"strange-{k}", metadata={"nbgrader": metadata})
        notebook.cells.insert(0, cell)


def other_types(notebook):
    answer(notebook, {})
    for name in (LOOPS, f"{VECTORISED}-answer"):
        cell = cell_of(notebook, name)
        cell.cell_type = "raw"
        del cell["outputs"], cell["execution_count"]


EXIT = "import os\ndef instance_norm(x, gamma, beta, eps=1e-5):\n    os._exit(0)"
ENDLESS = "def instance_norm_loops(x, eps=1e-5):\n    while True:\n        pass"
STUBBORN = """
def instance_norm(x, gamma, beta, eps=1e-5):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
"""
# Right, and as loud as can be: also into the cell's own stderr, which the checks don't redirect.
NOISY = (
    SOLUTIONS["instance-norm-answer"]
    + """
import sys, warnings
quiet_instance_norm, loud = instance_norm, sys.stderr

def instance_norm(*arguments):
    print("noise", file=sys.stderr)
    print("noise", file=loud)
    warnings.warn("noise")
    print(arguments)
    return quiet_instance_norm(*arguments)
"""
)

# Student -> (how they edit the notebook, their marks, what their feedback says).
CLASS = {
    "reference": (answers(), FULL, ["6 of 6 points", f"seed {SEED}"]),
    "blank": (lambda notebook: None, worth(*IDS), ["instance_norm is not written yet"]),
    "raises": (answers(instance_norm="raise RuntimeError"), worth(VECTORISED), ["RuntimeError"]),
    "syntax-error": (answers(contrast_scores="def f(:"), worth(CONTRAST), ["SyntaxError"]),
    "exits": (answers(instance_norm=EXIT), worth(VECTORISED, CONTRAST), ["process ended"]),
    "exits-at-once": (
        answers(instance_norm_loops="import os; os._exit(1)"),
        worth(*IDS),
        ["because of an earlier cell"],
    ),
    "endless": (answers(instance_norm_loops=ENDLESS), worth(LOOPS), ["Is there a loop that never"]),
    "stubborn": (
        answers(instance_norm=STUBBORN),
        worth(VECTORISED, CONTRAST),
        ["could not be interrupted"],
    ),
    "missing-test": (missing(VECTORISED), FULL, ["6 of 6 points"]),
    "missing-everything": (
        missing("imports", LOOPS, f"{LOOPS}-answer", CONTRAST),
        worth(LOOPS),
        ["NameError"],
    ),
    "missing-answer": (missing(f"{VECTORISED}-answer"), worth(VECTORISED), ["NameError"]),
    "elsewhere": (elsewhere, FULL, ["6 of 6 points"]),
    "tampered": (tampered, worth(*IDS), ["0 of 6 points"]),
    "edited-tests": (edited_tests, FULL, ["6 of 6 points"]),
    "skipped": (skipped, worth(*IDS), ["0 of 6 points"]),
    "impostor": (impostor, worth(*IDS), []),
    "only-the-public-cases": (only_the_public_cases, FULL, ["public and hidden cases"]),
    "copied": (copied, FULL, ["6 of 6 points"]),
    "strange-metadata": (strange_metadata, FULL, ["6 of 6 points"]),
    "other-types": (other_types, FULL, ["6 of 6 points"]),
    "noisy": (answers(instance_norm=NOISY), FULL, ["6 of 6 points"]),
}


def package():
    """Source of a cell that brings the checks along, which are not in the sandbox."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:xz") as tar:
        for name in ("instnorm", "instnorm_checks"):
            for path in sorted((ROOT / "src" / name).rglob("*.py")):
                tar.add(path, path.relative_to(ROOT / "src"))
    return f"""
import base64, io, sys, tarfile
if "brought" not in sys.path:
    archive = io.BytesIO(base64.b64decode("{base64.b64encode(archive.getvalue()).decode()}"))
    tarfile.open(fileobj=archive).extractall("brought", filter="data")
    for name in [*sys.modules]:
        if name.split(".")[0] in ("instnorm", "instnorm_checks"):
            del sys.modules[name]
    sys.path.insert(0, "brought")
from instnorm_checks import exercise
"""


BROUGHT_ALONG = package()


def wrong_class():
    """Students who each hold a misconception in every exercise, until all are used up."""
    for k, row in enumerate(zip_longest(*(EXERCISES[name].misconceptions for name in IDS))):
        sources, marks, says = {}, dict(FULL), []
        for exercise_id, wrong in zip(IDS, row, strict=True):
            if wrong is None:
                continue
            exercise = EXERCISES[exercise_id]
            sources[exercise_id] = (
                f"{BROUGHT_ALONG}\n"
                f"wrong = exercise({exercise_id!r}).misconception({wrong.name!r})\n"
                f"{exercise.function_name} = wrong.implementation"
            )
            marks[exercise_id] -= sum(exercise.aspect(name).points for name in wrong.loses)
            says.append(f"{wrong.name}: {wrong.says[:20]}")
        yield f"wrong-{k:02}", (lambda nb, sources=sources: answer(nb, sources), marks, says)


CLASS.update(wrong_class())

# Right, blank, ended, endless, tampered with, deleted, copied, strange, loud, and a misconception.
SOME = (
    "reference",
    "blank",
    "exits-at-once",
    "stubborn",
    "tampered",
    "missing-everything",
    "copied",
    "strange-metadata",
    "noisy",
    "wrong-03",
)
MORE = ("only-the-public-cases", "wrong-07")
every_student = pytest.mark.parametrize("student", late(CLASS, {*SOME, *MORE}))


def nbgrader(course, *arguments):
    return run(course, "nbgrader", *arguments, ASSIGNMENT)


def judge(course, *arguments):
    """Grade a class with two workers: what plain nbgrader gives, in half the time and less."""
    return run(course, "instnorm_judge", "autograde", ASSIGNMENT, "--workers", "2", *arguments)


def run(course, module, *arguments):
    environment = {
        **os.environ,
        "INSTNORM_GRADING_SEED": SEED,
        "JUPYTER_CONFIG_DIR": str(course / "no-config"),
        "IPYTHONDIR": str(course / "ipython"),
    }
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=course,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module")
def course(tmp_path_factory, students_asked_for):
    """A course whose class has handed in, been graded, and got feedback."""
    course = tmp_path_factory.mktemp("course")
    shutil.copytree(
        ROOT / f"solutions/{ASSIGNMENT}",
        course / f"solutions/{ASSIGNMENT}",
        ignore=shutil.ignore_patterns("*.ipynb"),
    )
    config = (ROOT / "nbgrader_config.py").read_text(encoding="utf-8")
    limits = "\nc.Execute.timeout = 4\nc.Execute.iopub_timeout = 8\n"
    (course / "nbgrader_config.py").write_text(config + limits, encoding="utf-8")

    result = nbgrader(course, "generate_assignment")
    assert result.returncode == 0, result.stderr
    release = nbformat.read(course / f"exercises/{ASSIGNMENT}/{ASSIGNMENT}.ipynb", 4)
    for student in sorted(students_asked_for.union(SOME)):
        edit, _, _ = CLASS[student]
        notebook = copy.deepcopy(release)
        edit(notebook)
        folder = course / "submitted" / student / ASSIGNMENT
        folder.mkdir(parents=True)
        path = folder / f"{ASSIGNMENT}.ipynb"
        # Not nbformat.write, which would refuse some of what students manage to hand in.
        path.write_text(nbformat.v4.writes_json(notebook), encoding="utf-8")

    for result in (judge(course), nbgrader(course, "generate_feedback")):
        assert result.returncode == 0, result.stderr[-4000:]
    return course


def marks_in(course):
    """Student -> exercise id -> (automatic score, whether a person is asked to look)."""
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        return {
            submission.student.id: {
                grade.name: (grade.auto_score, grade.needs_manual_grade)
                for grade in submission.notebooks[0].grades
            }
            for submission in gradebook.assignment_submissions(ASSIGNMENT)
        }


@pytest.fixture(scope="module")
def marks(course):
    return marks_in(course)


@every_student
def test_marks(student, marks):
    expected = CLASS[student][1]
    assert marks[student] == {name: (points, False) for name, points in expected.items()}


@pytest.mark.slow  # some 30 s; a class of five goes both ways each time, in test_whole_class.py
def test_plain_nbgrader_gives_the_same_marks(course, marks, tmp_path):
    """What takes plain nbgrader twice as long, for a part of the class."""
    for name in ("nbgrader_config.py", "solutions", "exercises"):
        copy_of = shutil.copytree if (course / name).is_dir() else shutil.copy
        copy_of(course / name, tmp_path / name)
    for student in SOME:
        shutil.copytree(course / "submitted" / student, tmp_path / "submitted" / student)
    for command in ("generate_assignment", "autograde"):
        result = nbgrader(tmp_path, command)
        assert result.returncode == 0, result.stderr[-4000:]
    assert marks_in(tmp_path) == {student: marks[student] for student in SOME}


@every_student
def test_feedback_says_why(student, course):
    page = course / "feedback" / student / ASSIGNMENT / f"{ASSIGNMENT}.html"
    # What a person reads: a traceback's colours are tags in the middle of its lines.
    text = html.unescape(re.sub(r"<[^>]*>", "", page.read_text(encoding="utf-8")))
    for phrase in CLASS[student][2]:
        assert phrase in text


# Some 10 s each. One has large arrays, and code between an answer and its test; one imports torch.
@pytest.mark.slow
@pytest.mark.parametrize("assignment", ["fast-kernels", "depth"])
def test_other_assignments_in_the_sandbox(assignment):
    source = source_notebook(ROOT / f"solutions/{assignment}/{assignment}.md")
    blank = copy.deepcopy(source)
    released = nbformat.read(ROOT / f"exercises/{assignment}/{assignment}.ipynb", 4)
    for cell in blank.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            cell.source = cell_of(released, cell.metadata.nbgrader.grade_id).source
    for notebook, share in ((source, 1), (blank, 0)):
        resources = {"metadata": {"path": "."}, "nbgrader": {}}
        ran, _ = Execute().preprocess(notebook, resources)
        tests = [cell for cell in ran.cells if cell.metadata.get("nbgrader", {}).get("grade")]
        assert len(tests) > 2
        for cell in tests:
            assert score(cell) == share * cell.metadata.nbgrader.points, cell.outputs


def test_nothing_but_notebooks_is_handed_out(course):
    assert [p.name for p in (course / "exercises").rglob("*") if p.is_file()] == [
        f"{ASSIGNMENT}.ipynb"
    ]


@pytest.mark.slow  # 7 s, for four new Pythons
def test_each_run_draws_a_seed_of_its_own_for_all_its_kernels(course):
    load = (
        "import os; from traitlets.config import PyFileConfigLoader as Loader\n"
        "for _ in 'twice': Loader('nbgrader_config.py').load_config()\n"
        "print(os.environ['INSTNORM_GRADING_SEED'])"
    )
    environment = {k: v for k, v in os.environ.items() if k != "INSTNORM_GRADING_SEED"}
    seeds = {
        subprocess.run(
            [sys.executable, "-c", load],
            cwd=course,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for _ in range(2)
    }
    assert len(seeds) == 2
    assert all(seed.isdigit() for seed in seeds)


def test_a_bad_seed_stops_the_run_before_it_costs_marks(course):
    process = subprocess.run(
        [sys.executable, "-m", "nbgrader", "autograde", ASSIGNMENT],
        cwd=course,
        env={**os.environ, "INSTNORM_GRADING_SEED": "tuesday"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode != 0
    assert "INSTNORM_GRADING_SEED must be a whole number" in process.stderr


def graded(outputs):
    metadata = {"nbgrader": {"grade_id": LOOPS, "grade": True, "points": 6}}
    return score(new_code_cell("", outputs=outputs, metadata=metadata))


def result(mark):
    data = {"text/plain": "6.0"} | ({} if mark is None else {MIME: mark})
    return new_output("execute_result", data)


GOOD = {"exercise": LOOPS, "points": 4.5, "seed": "1"}


@pytest.mark.parametrize(
    ("outputs", "points"),
    [
        ([result(GOOD)], 4.5),
        ([new_output("stream", name="stderr", text="oh"), result(GOOD)], 4.5),
        ([result({**GOOD, "points": 1e9})], 6),
        ([result({**GOOD, "points": -3})], 0),
        ([result({**GOOD, "points": float("nan")})], 0),
        ([result({**GOOD, "points": float("inf")})], 0),
        ([result({**GOOD, "points": "6"})], 0),
        ([result({**GOOD, "points": True})], 0),
        ([result({**GOOD, "exercise": VECTORISED})], 0),
        ([result({**GOOD, "seed": None})], 0),
        ([result("mark")], 0),
        ([result(None)], 0),
        ([result(GOOD), new_output("error", ename="E", evalue="", traceback=[])], 0),
        ([new_output("display_data", {MIME: GOOD})], 0),
        ([], 0),
    ],
)
def test_only_a_mark_of_ours_scores(outputs, points):
    assert graded(outputs) == points

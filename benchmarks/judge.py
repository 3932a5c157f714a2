"""Grading a class: `instnorm-judge autograde`, sandboxed, against stock `nbgrader autograde`.

    python -m benchmarks.judge

A class is made up that is honest, but not always right. Both graders get the same submissions and
the same seed for hidden cases, each in a course folder of its own. Stock nbgrader runs with its own
settings: the tests in the student's process, no walls, one submission after the other. Ours runs
with nbgrader_config.py, in the sandbox, with as many workers as there are cores.

What is timed is the whole command, from the shell to its end. The two take turns, in an order that
changes from round to round, and the ratio is taken within a round. Before any time is reported the
two gradebooks are compared: every mark must be the same.

The results go to benchmarks/results/judge.json; the book's page for instructors reads them.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook
from sqlalchemy.exc import SAWarning

from instnorm_checks import SEED
from instnorm_judge import one_submission, sandbox
from instnorm_judge.assignments import source_notebook
from instnorm_judge.course import Course
from instnorm_judge.ledger import NOTE
from instnorm_judge.whole_class import autograde
from instnorm_judge.workers import Workers

from .surroundings import surroundings

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "judge.json"

ASSIGNMENT = "the-algorithm"
CASES = "20160727"  # the seed of the hidden cases
BAR = 5.0  # times the throughput of stock nbgrader
BIN = Path(sys.executable).parent

STOCK = f"""\
c = get_config()
import os
os.environ["PATH"] = {str(BIN)!r} + os.pathsep + os.environ["PATH"]
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "feedback", "*.md"]
"""

# What students have in place of a solution: answer cell -> source. None: they left it blank.
WRONG = [
    {},
    {
        "instance-norm-answer": "def instance_norm(x, gamma, beta, eps=1e-5):\n"
        "    m, v = x.mean((2, 3), keepdims=True), x.var((2, 3), keepdims=True, ddof=1)\n"
        "    return gamma[:, None, None] * (x - m) / np.sqrt(v + eps) + beta[:, None, None]"
    },
    {"contrast-scores-answer": None},
    {"instance-norm-answer": "def instance_norm(x, gamma, beta, eps=1e-5):\n    return 0 * x"},
]


def make_course(folder, assignment, students, wrong=({},)):
    """A course folder whose students have handed in, with our configuration."""
    folder.mkdir()
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    source = Path("solutions", assignment)
    (folder / source).mkdir(parents=True)
    shutil.copy(ROOT / source / f"{assignment}.md", folder / source)
    run(folder, "nbgrader", "generate_assignment", assignment)
    answers = {
        cell.metadata.nbgrader.grade_id: cell.source
        for cell in source_notebook(ROOT / source / f"{assignment}.md").cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    }
    for k in range(students):
        notebook = nbformat.read(folder / f"exercises/{assignment}/{assignment}.ipynb", 4)
        for cell in notebook.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            if name in answers:
                answer = wrong[k % len(wrong)].get(name, answers[name])
                cell.source = cell.source if answer is None else answer
        path = folder / f"submitted/student-{k:04}" / assignment / f"{assignment}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)


def assignments():
    return sorted(path.name for path in (ROOT / "solutions").iterdir() if path.is_dir())


def run(folder, command, *arguments):
    """Run a command in a course folder; the seconds that it took."""
    environment = {**os.environ, SEED: CASES, "JUPYTER_CONFIG_DIR": str(folder / "no-config")}
    environment.pop("INSTNORM_UNSANDBOXED", None)
    start = time.perf_counter()
    done = subprocess.run(
        [BIN / command, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{command} {' '.join(arguments)} failed:\n{done.stderr[-3000:]}")
    return seconds


def marks(folder):
    """(student, exercise) -> points."""
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as gradebook:
        return {
            (submission.student.id, grade.name): grade.auto_score
            for submission in gradebook.assignment_submissions(ASSIGNMENT)
            for notebook in submission.notebooks
            for grade in notebook.grades
        }


def grade(who, course, workers):
    """Grade a copy of a course from nothing; (seconds, marks)."""
    with tempfile.TemporaryDirectory(prefix="judge-bench-") as folder:
        copy = Path(folder) / "course"
        shutil.copytree(course, copy)
        if who == "stock":
            (copy / "nbgrader_config.py").write_text(STOCK)
            seconds = run(copy, "nbgrader", "autograde", ASSIGNMENT)
        else:
            seconds = run(
                copy, "instnorm-judge", "autograde", ASSIGNMENT, "--workers", str(workers)
            )
        return seconds, marks(copy)


def occupied(assignment, workers):
    """Seconds for which one submission, the solution, occupies one of the workers, all busy."""
    with tempfile.TemporaryDirectory(prefix="judge-bench-") as folder:
        course = Path(folder) / "course"
        make_course(course, assignment, 2 * workers)
        run(course, "instnorm-judge", "autograde", assignment, "--workers", str(workers))
        notes = course.glob(f"autograded/*/{assignment}/{NOTE}")
        seconds = round(
            statistics.median(json.loads(note.read_text())["seconds"] for note in notes), 2
        )
    print(f"{assignment:16} occupies a worker for {seconds:.2f} s", flush=True)
    return seconds


def writing(course):
    """Seconds in which the one process that writes the gradebook puts one submission's marks away.

    The same graded submission is handed to it as that of every student of a class.
    """
    with tempfile.TemporaryDirectory(prefix="judge-bench-") as folder:
        copy = Path(folder) / "course"
        shutil.copytree(course, copy)
        with contextlib.chdir(copy):
            here = Course.here()
            spent = []

            class Writing(Workers):
                def grade(self, submissions):
                    graded = one_submission.grade(self.plan, submissions[0])
                    for each in submissions:
                        start = time.perf_counter()
                        yield dataclasses.replace(graded, student=each.student)
                        spent.append(time.perf_counter() - start)

            autograde(here, ASSIGNMENT, Writing)
    return round(statistics.median(spent), 4)


def compare(ours, stock, students):
    """Stop unless all marks are there, and the same."""
    wanted = len({exercise for _, exercise in ours}) * students
    if len(ours) != wanted or wanted == 0:
        raise SystemExit(f"{wanted} marks are wanted, {len(ours)} are there")
    different = sorted(key for key in ours | stock if ours.get(key) != stock.get(key))
    if different:
        key = different[0]
        raise SystemExit(
            f"{len(different)} marks differ, first that of {' for '.join(key)}: "
            f"ours {ours.get(key)}, stock nbgrader's {stock.get(key)}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--students", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument(
        "--part",
        choices=("class", "assignments"),
        help="only the class, or only the seconds of a worker; the rest of the file stays",
    )
    options = parser.parse_args()
    sandbox.require()
    warnings.filterwarnings("ignore", category=SAWarning)  # from inside nbgrader's gradebook
    report = json.loads(options.out.read_text()) if options.part else {}
    if options.part != "assignments":
        report |= of_a_class(options)
    if options.part != "class":
        report["seconds of a worker"] = {
            name: occupied(name, options.workers) for name in assignments()
        }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    verdict = "meets" if report["met"] else "is below"
    median = report["times as fast as stock nbgrader"][1]
    print(f"{median:.2f} times as fast as stock nbgrader: {verdict} the bar of {BAR:g}")
    print(f"Written to {options.out}")


def of_a_class(options):
    """The report on one class, graded by both in turns."""
    load = round(os.getloadavg()[0], 1)
    seconds = {"ours": [], "stock": []}
    with tempfile.TemporaryDirectory(prefix="judge-bench-") as folder:
        course = Path(folder) / "course"
        make_course(course, ASSIGNMENT, options.students, WRONG)
        for k in range(options.rounds):
            found = {}
            for who in (("stock", "ours"), ("ours", "stock"))[k % 2]:
                taken, found[who] = grade(who, course, options.workers)
                seconds[who].append(round(taken, 2))
                print(f"{who:5} {options.students} submissions in {taken:.1f} s", flush=True)
            compare(found["ours"], found["stock"], options.students)
        writer = writing(course)
    ratios = [stock / ours for stock, ours in zip(seconds["stock"], seconds["ours"], strict=True)]
    median = statistics.median(ratios)
    return {
        **surroundings("benchmarks.judge"),
        "load average before": load,
        "assignment": ASSIGNMENT,
        "submissions": options.students,
        "workers": options.workers,
        "seconds": seconds,
        "submissions per hour": {
            who: round(3600 * options.students / statistics.median(times))
            for who, times in seconds.items()
        },
        "times as fast as stock nbgrader": [
            round(f(ratios), 2) for f in (min, lambda _: median, max)
        ],
        "identical marks": len(found["ours"]),
        "bar": BAR,
        "met": median >= BAR,
        "seconds of the writer": writer,
    }


if __name__ == "__main__":
    main()

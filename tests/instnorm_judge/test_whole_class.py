"""A class graded by many workers: the gradebook that plain nbgrader makes, whatever happens."""

import dataclasses
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook
from sqlalchemy.exc import SAWarning

from instnorm_checks import EXERCISES, SEED
from instnorm_judge import class_report, sandbox, workers
from instnorm_judge.assignments import source_notebook
from instnorm_judge.course import Course
from instnorm_judge.hand_ins import Submission
from instnorm_judge.ledger import NOTE
from instnorm_judge.one_submission import Plan
from instnorm_judge.results import results
from instnorm_judge.whole_class import autograde
from instnorm_judge.workers import in_this_process, on_this_machine

try:
    sandbox.require()
except sandbox.NoSandbox as refusal:
    pytestmark = pytest.mark.skip(f"NOTHING ABOUT GRADING A CLASS IS TESTED HERE. {refusal}")

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
ASSIGNMENT = "the-algorithm"
LOOPS = "instance-norm-loops"
SOLUTIONS = {
    cell.metadata.nbgrader.grade_id: cell.source
    for cell in source_notebook(ROOT / f"solutions/{ASSIGNMENT}/{ASSIGNMENT}.md").cells
    if cell.metadata.get("nbgrader", {}).get("solution")
}
ZEROS = {"instance-norm-answer": "instance_norm = lambda x, gamma, beta, eps=1e-5: 0 * x"}
LATE = "2027-01-16 18:00 UTC"  # a day

# Student -> what is written over the solutions; None: no notebook at all.
CLASS = {"ada": {}, "ben": ZEROS, "cleo": dict.fromkeys(SOLUTIONS, "pass"), "dan": None, "eve": {}}


def run(course, command, *arguments, **options):
    """A command in a course folder, with a seed of its own."""
    return subprocess.run(
        [BIN / command, *arguments],
        cwd=course,
        env={**os.environ, SEED: "20160727", "JUPYTER_CONFIG_DIR": str(course / "no-config")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **options,
    )


def judge(course, *arguments):
    result = run(course, "instnorm-judge", "autograde", ASSIGNMENT, *arguments)
    # dan handed in no notebook, which is said.
    assert result.returncode == 1, result.stderr[-4000:]
    assert "dan: The file handed in is no Jupyter notebook (JSONDecodeError)." in result.stderr
    assert result.stderr.count("\n  ") == 1
    return result.stdout


@pytest.fixture(scope="module")
def handed_in(tmp_path_factory):
    """A course whose class has handed in."""
    course = tmp_path_factory.mktemp("class") / "course"
    (course / "solutions" / ASSIGNMENT).mkdir(parents=True)
    shutil.copy(ROOT / "nbgrader_config.py", course)
    shutil.copy(ROOT / f"solutions/{ASSIGNMENT}/{ASSIGNMENT}.md", course / "solutions" / ASSIGNMENT)
    with (course / "nbgrader_config.py").open("a") as config:
        config.write("\nc.AssignLatePenalties.plugin_class = 'late.Late'\n")
    (course / "late.py").write_text(
        "from nbgrader.plugins import BasePlugin\n"
        "class Late(BasePlugin):\n"
        "    def late_submission_penalty(self, student, score, seconds):\n"
        "        return 2.0\n"
    )
    result = run(course, "nbgrader", "generate_assignment", ASSIGNMENT)
    assert result.returncode == 0, result.stderr
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        gradebook.update_or_create_assignment(ASSIGNMENT, duedate="2027-01-15 18:00 UTC")
    for student, answers in CLASS.items():
        folder = course / "submitted" / student / ASSIGNMENT
        folder.mkdir(parents=True)
        notebook = nbformat.read(course / f"exercises/{ASSIGNMENT}/{ASSIGNMENT}.ipynb", 4)
        for cell in notebook.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            cell.source = {**SOLUTIONS, **(answers or {})}.get(name, cell.source)
        text = nbformat.writes(notebook) if answers is not None else "{ no notebook"
        (folder / f"{ASSIGNMENT}.ipynb").write_text(text)
    (folder / "timestamp.txt").write_text(LATE)
    return course


@pytest.fixture(scope="module")
def plain(handed_in, tmp_path_factory):
    """The gradebook that plain nbgrader makes of it."""
    course = copy(handed_in, tmp_path_factory.mktemp("plain"))
    result = run(course, "nbgrader", "autograde", ASSIGNMENT)
    assert result.returncode == 0, result.stderr[-4000:]
    return gradebook_of(course)


@pytest.fixture(scope="module")
def judged(handed_in, tmp_path_factory):
    """The course after two workers have graded it."""
    course = copy(handed_in, tmp_path_factory.mktemp("judged"))
    assert f"Graded {len(CLASS)}; 0 had been graded before." in judge(course, "--workers", "2")
    return course


def copy(course, folder):
    return Path(shutil.copytree(course, folder / "course"))


def done(run):
    return run.graded, run.before, run.failed


def gradebook_of(course):
    return marks_in(f"sqlite:///{course / 'gradebook.db'}")


def marks_in(address):
    """All marks and comments: student -> (late by, penalty, cell -> ...)."""
    with Gradebook(address) as gradebook:
        return {
            submission.student.id: (
                submission.total_seconds_late,
                submission.late_submission_penalty,
                {
                    (notebook.name, grade.name): (
                        grade.auto_score,
                        grade.manual_score,
                        grade.needs_manual_grade,
                    )
                    for notebook in submission.notebooks
                    for grade in notebook.grades
                },
                {
                    (notebook.name, comment.name): comment.auto_comment
                    for notebook in submission.notebooks
                    for comment in notebook.comments
                },
            )
            for submission in gradebook.assignment_submissions(ASSIGNMENT)
        }


@pytest.fixture
def here(judged, monkeypatch):
    """`Course.here()` in some folder, as the command has it."""

    def go(course):
        monkeypatch.chdir(course)
        monkeypatch.setenv("PATH", str(BIN), prepend=os.pathsep)
        monkeypatch.setenv(SEED, "20160727")
        return Course.here()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # from inside nbgrader's gradebook
        yield go


def test_marks_and_lateness_of_a_class(judged):
    graded = gradebook_of(judged)
    scores = {
        student: sum(m[0] for m in marks.values()) for student, (_, _, marks, _) in graded.items()
    }
    assert scores == {"ada": 18, "ben": 12, "cleo": 0, "dan": 0, "eve": 18}
    assert graded["eve"][:2] == (86400, 2)


@pytest.mark.slow  # some 15 s, for nbgrader's own command
def test_the_gradebook_is_that_of_plain_nbgrader(judged, plain):
    assert gradebook_of(judged) == plain


def test_what_is_no_notebook_has_a_mark_and_a_reason(judged, here):
    outcome = results(here(judged), ASSIGNMENT)
    dan = next(each for each in outcome.submissions if each.student == "dan")
    assert dan.score == 0
    assert "no Jupyter notebook" in " ".join(dan.flags)


@pytest.fixture
def broken(monkeypatch):
    """A class of two, whose first exercise has a reference that fails."""

    def fails(x, eps=1e-5):
        raise AttributeError("no such clock")

    ours = dataclasses.replace(EXERCISES[LOOPS], reference=fails)
    monkeypatch.setitem(EXERCISES, LOOPS, ours)


@pytest.mark.usefixtures("broken")
def test_where_a_check_itself_fails_the_mark_waits_for_a_person(handed_in, here, tmp_path):
    """Some 10 s. The others of the notebook have their marks; log, run and report say why."""
    course = copy(handed_in, tmp_path)
    for student in ("cleo", "dan", "eve"):
        shutil.rmtree(course / "submitted" / student)
    there = here(course)
    run = autograde(there, ASSIGNMENT, in_this_process)
    for student, points in (("ada", 6.0), ("ben", 0.0)):
        marks = gradebook_of(course)[student][2]
        assert marks[ASSIGNMENT, LOOPS] == (None, None, True)
        assert marks[ASSIGNMENT, "instance-norm"] == (points, None, False)
        assert marks[ASSIGNMENT, "contrast-scores"] == (6.0, None, False)
        reason = f"no mark for {LOOPS}, whose check itself failed: the reference"
        assert any(each.startswith(f"{student}: {reason}") for each in run.for_a_person)
        log = (course / "autograded" / student / ASSIGNMENT / "grading.log").read_text()
        assert reason in log
        assert "AttributeError: no such clock" in log
    outcome = results(there, ASSIGNMENT)
    ada = next(each for each in outcome.submissions if each.student == "ada")
    assert ada.to_grade_by_hand == (LOOPS,)
    assert reason in class_report.render(outcome)
    graded = (course / f"autograded/ada/{ASSIGNMENT}/{ASSIGNMENT}.ipynb").read_text()
    assert "the check itself failed, which is not your answer's fault" in graded


@pytest.mark.slow
def test_so_it_does_in_plain_nbgrader(handed_in, tmp_path):
    """Some 10 s, for nbgrader's own command."""
    course = copy(handed_in, tmp_path)
    with (course / "nbgrader_config.py").open("a") as config:
        config.write(
            "\nimport dataclasses\nfrom instnorm_checks import EXERCISES\n"
            "def fails(x, eps=1e-5):\n    raise AttributeError('no such clock')\n"
            f"ours = dataclasses.replace(EXERCISES[{LOOPS!r}], reference=fails)\n"
            f"EXERCISES[{LOOPS!r}] = ours\n"
        )
    result = run(course, "nbgrader", "autograde", ASSIGNMENT, "--student", "ada")
    assert f"no mark for {LOOPS}, whose check itself failed" in result.stderr
    assert "AttributeError: no such clock" in result.stderr
    marks = gradebook_of(course)["ada"][2]
    assert marks[ASSIGNMENT, LOOPS] == (None, None, True)
    assert marks[ASSIGNMENT, "instance-norm"] == (6.0, None, False)


def test_only_what_has_changed_is_graded_again(judged, here, tmp_path):
    course = copy(judged, tmp_path)
    there, before = here(course), gradebook_of(judged)
    assert done(autograde(there, ASSIGNMENT, in_this_process)) == (0, len(CLASS), [])
    assert gradebook_of(course) == before

    cell = "instance-norm"
    with Gradebook(there.db_url) as gradebook:
        gradebook.find_grade(cell, ASSIGNMENT, ASSIGNMENT, "ben").manual_score = 5.5
        gradebook.db.commit()
    file = f"{ASSIGNMENT}/{ASSIGNMENT}.ipynb"
    shutil.copy(course / "submitted/ada" / file, course / "submitted/ben" / file)
    run = autograde(there, ASSIGNMENT, in_this_process)
    assert done(run) == (1, len(CLASS) - 1, [])
    assert f"ben: marks by hand from before stand: {cell}; look again" in run.for_a_person
    marks = gradebook_of(course)["ben"][2]
    assert marks[ASSIGNMENT, cell] == (6, 5.5, True)  # what a person gave stays, to be looked at
    assert set(gradebook_of(course)) == set(before)


@pytest.mark.slow  # some 20 s
def test_killed_and_continued_while_workers_die(handed_in, plain, here, tmp_path):
    course = copy(handed_in, tmp_path)
    command = [BIN / "instnorm-judge", "autograde", ASSIGNMENT, "--workers", "1"]
    with subprocess.Popen(
        command,
        cwd=course,
        env={**os.environ, SEED: "20160727"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        deadline = time.monotonic() + 120
        while not list(course.glob(f"autograded/*/*/{NOTE}")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.kill()
    before = len(list(course.glob(f"autograded/*/*/{NOTE}")))
    assert before < len(CLASS)

    killed = []

    def kill_a_worker(done, total):
        if len(killed) < 2:
            worker = multiprocessing.active_children()[0]
            os.kill(worker.pid, signal.SIGKILL)
            killed.append(worker.pid)

    there = here(course)
    run = autograde(there, ASSIGNMENT, on_this_machine(2), progress=kill_a_worker)
    assert len(set(killed)) == 2
    graded, kept, failed = done(run)
    # One may have been killed between its note and the gradebook: it is graded anew.
    assert (graded + kept, failed) == (len(CLASS), [])
    assert before - kept in (0, 1)
    assert gradebook_of(course) == plain


@pytest.mark.slow  # some 25 s: Dask is started by its own commands
def test_a_cluster_of_processes_gives_the_same_gradebook(handed_in, plain, tmp_path):
    course = copy(handed_in, tmp_path)
    about = tmp_path / "scheduler.json"
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    dask = [BIN / "dask"]
    common = ["--scheduler-file", about, "--no-dashboard"]
    scheduler = ["scheduler", "--host", "127.0.0.1", "--port", "0", *common]
    worker = ["worker", "--host", "127.0.0.1", "--nworkers", "2", "--nthreads", "1", *common]
    with subprocess.Popen([*dask, *scheduler], **options) as first:
        try:
            with subprocess.Popen([*dask, *worker], **options) as second:
                try:
                    address = address_in(about)
                    assert address.startswith("tcp://127.0.0.1:")
                    judge(course, "--scheduler", address)
                finally:
                    second.terminate()
        finally:
            first.terminate()
    assert gradebook_of(course) == plain


@pytest.fixture
def postgres(tmp_path):
    """Address of a gradebook in a PostgreSQL server of its own."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs or find_spec("psycopg") is None:
        pytest.skip("POSTGRESQL IS NOT TESTED HERE: its server and the package psycopg are needed")
    root = os.geteuid() == 0
    # The server refuses to run as root, and nobody else may enter pytest's folder.
    account = {"user": 65534, "group": 65534, "extra_groups": []} if root else {}
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        if root:
            os.chown(folder, 65534, 65534)

        def call(program, *arguments):
            command = [programs[-1] / program, "-D", f"{folder}/data", *arguments]
            subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, **account)

        call("initdb", "--username", "nbgrader", "--auth", "trust", "--encoding", "UTF8")
        # No port of the network: a socket in the folder.
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}'"
        call("pg_ctl", "-w", "-o", options, "-l", f"{folder}/log", "start")
        try:
            yield f"postgresql://nbgrader@/postgres?host={folder}"
        finally:
            call("pg_ctl", "-w", "-m", "immediate", "stop")


@pytest.mark.slow  # `plain` is made for it, before it can be skipped
def test_the_gradebook_may_be_in_postgresql(handed_in, plain, postgres, tmp_path):
    course = copy(handed_in, tmp_path)
    with (course / "nbgrader_config.py").open("a") as config:
        config.write(f"\nc.CourseDirectory.db_url = {postgres!r}\n")
    (course / "gradebook.db").unlink()
    result = run(course, "nbgrader", "generate_assignment", ASSIGNMENT, "--force")
    assert result.returncode == 0, result.stderr
    with Gradebook(postgres) as gradebook:
        gradebook.update_or_create_assignment(ASSIGNMENT, duedate="2027-01-15 18:00 UTC")
    assert f"Graded {len(CLASS)}; 0 had been graded before." in judge(course, "--workers", "2")
    assert f"Graded 0; {len(CLASS)} had been graded before." in judge(course, "--workers", "2")
    assert not (course / "gradebook.db").exists()
    assert marks_in(postgres) == plain


def address_in(path, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            return json.loads(path.read_text())["address"]
        except (OSError, ValueError):
            time.sleep(0.1)
    raise AssertionError("the scheduler did not start")


class Deadly:
    """Ends the process that unpickles it."""

    def __reduce__(self):
        return os._exit, (1,)


def test_a_submission_is_given_up_when_its_workers_die(monkeypatch):
    monkeypatch.setattr(workers, "ATTEMPTS", 2)
    handed = [Submission(student, {}) for student in ("ada", "ben")]
    with on_this_machine(2)(Plan(Deadly(), b"", "1")) as team:
        outcome = list(team.grade(handed))
    assert sorted(each.student for each in outcome) == ["ada", "ben"]
    assert all("lost 2 times" in each.failure for each in outcome)

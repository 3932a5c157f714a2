"""A class of attackers through `instnorm-judge autograde`: nothing gained, nobody harmed.

Some of the same attacks are tried with the tests in the student's process, as nbgrader has it by
default. There they get full marks: they are real, and it is the wall that stops them.
"""

import contextlib
import copy
import hashlib
import html
import re
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import pytest
from attacks import ZEROS, controls, harming, scoring, tampering
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.api import Gradebook
from nbgrader.preprocessors import Execute as StockExecute
from nbgrader.utils import determine_grade
from test_grading import (
    ASSIGNMENT,
    FULL,
    IDS,
    ROOT,
    answer,
    cell_of,
    nbgrader,
    source_notebook,
)
from tiers import late

from instnorm_judge import inert, sandbox
from instnorm_judge.execute import Execute

try:
    sandbox.require()
except sandbox.NoSandbox as refusal:
    pytestmark = pytest.mark.skip(f"NOTHING ABOUT THE SANDBOX IS TESTED HERE. {refusal}")

ATTACKS = {
    f"{module.__name__.rpartition('.')[2]}-{name}": attack
    for module in (scoring, harming, tampering)
    for name, attack in module.ATTACKS.items()
}
CONTROLS = {f"control-{name}": control for name, control in controls.CONTROLS.items()}
# Of each way in one; and those that other tests of this file look at.
ALWAYS = {
    "scoring-patched-grade",
    "scoring-forged-mark",
    "scoring-finds-the-reference-in-memory",
    "scoring-malicious-pickle",
    "scoring-forged-outputs",
    "scoring-forged-prompt-and-reply",
    "harming-kills-everything",
    "harming-memory-bomb",
    "harming-network",
    "harming-html-and-script",
    "tampering-deletes-the-tests",
    "tampering-script-in-text",
    "tampering-links-to-other-files",
}
ODD = {"control-plain", "control-noisy", "control-in-place-on-its-own-copy", "control-big-endian"}
SECRET = "a-secret-of-the-instructor"
MARKER = "HARMEDbythemarker"


def attacked(release, attack, filled):
    notebook = copy.deepcopy(release)
    answer(notebook, {**ZEROS, **attack.answers})
    if attack.cell:
        source = attack.cell
        for name, value in filled.items():
            source = source.replace(f"{{{name}!r}}", repr(value)).replace(f"{{{name}}}", str(value))
        notebook.cells.insert(0, new_code_cell(source))
    if attack.edit:
        attack.edit(notebook)
    return notebook


def controlled(release, control):
    first, after = control
    notebook = copy.deepcopy(release)
    answer(notebook, {})
    for name, source in after.items():
        cell_of(notebook, f"{name}-answer").source += f"\n{source}"
    if first:
        notebook.cells.insert(0, new_code_cell(first))
    return notebook


class Listener:
    """A service on this machine that student code would like to talk to."""

    def __init__(self):
        self.heard = 0
        network = socket.create_server(("127.0.0.1", 0))
        self.port = network.getsockname()[1]
        local = socket.socket(socket.AF_UNIX)  # with a name, as desktops have them, and no file
        local.bind(f"\0{MARKER}-{self.port}")
        local.listen()
        for each in (network, local):
            threading.Thread(target=self.listen, args=(each,), daemon=True).start()

    def listen(self, service):
        while True:
            service.accept()[0].close()
            self.heard += 1


class Course:
    def __init__(self, folder):
        self.folder, self.listener = folder, Listener()
        self.database = f"sqlite:///{folder / 'gradebook.db'}"
        self.gradebook_elsewhere = None

    def feedback(self, student):
        page = self.folder / "feedback" / student / ASSIGNMENT / f"{ASSIGNMENT}.html"
        return page.read_text(encoding="utf-8")

    def text(self, student):
        return html.unescape(re.sub(r"<[^>]*>", "", self.feedback(student)))


@pytest.fixture(scope="module")
def course(tmp_path_factory, students_asked_for):
    folder = tmp_path_factory.mktemp("hostile")
    shutil.copytree(
        ROOT / f"solutions/{ASSIGNMENT}",
        folder / f"solutions/{ASSIGNMENT}",
        ignore=shutil.ignore_patterns("*.ipynb"),
    )
    config = (ROOT / "nbgrader_config.py").read_text(encoding="utf-8")
    limits = "\nc.Execute.timeout = 4\nc.Execute.iopub_timeout = 4\nc.Execute.memory = 2**30\n"
    (folder / "nbgrader_config.py").write_text(config + limits, encoding="utf-8")
    result = nbgrader(folder, "generate_assignment")
    assert result.returncode == 0, result.stderr
    release = nbformat.read(folder / f"exercises/{ASSIGNMENT}/{ASSIGNMENT}.ipynb", 4)

    course = Course(folder)
    filled = {"port": course.listener.port, "marker": MARKER, "course": str(folder)}
    notebooks = {name: controlled(release, control) for name, control in CONTROLS.items()}
    notebooks |= {name: attacked(release, attack, filled) for name, attack in ATTACKS.items()}
    for student in sorted(students_asked_for | ALWAYS | ODD):
        notebook = notebooks[student]
        place = folder / "submitted" / student / ASSIGNMENT
        place.mkdir(parents=True)
        path = place / f"{ASSIGNMENT}.ipynb"
        path.write_text(nbformat.v4.writes_json(notebook), encoding="utf-8")
        if student in ATTACKS and ATTACKS[student].file:
            ATTACKS[student].file(place)
    course.before = fingerprints(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSTNORM_CANARY", SECRET)
        course.run = instnorm_judge(course, "autograde", ASSIGNMENT, "--workers", "2")
        result = nbgrader(folder, "generate_feedback")
        assert result.returncode == 0, result.stderr[-4000:]
    return course


def fingerprints(folder):
    """Of all notebooks handed in and all sources: nobody may change those."""
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for part in ("submitted", "solutions")
        for path in sorted((folder / part).rglob("*"))
        if path.is_file() and not path.is_symlink() and path.name != "timestamp.txt"
    }


@pytest.fixture(scope="module")
def marks(course):
    with Gradebook(course.database) as gradebook:
        return {
            submission.student.id: {g.name: g.auto_score for g in submission.notebooks[0].grades}
            for submission in gradebook.assignment_submissions(ASSIGNMENT)
        }


def test_grading_goes_through_the_whole_class(course):
    number = len(list((course.folder / "submitted").iterdir()))
    assert f"graded {number} of {number}" in course.run.stderr, course.run.stderr[-4000:]
    # 1 where somebody waits for a person.
    assert course.run.returncode in (0, 1), course.run.stderr[-4000:]


@pytest.mark.parametrize("student", late(ATTACKS, ALWAYS))
def test_no_point_is_gained_and_the_reason_is_given(student, course, marks):
    # Who cuts off their own messages may get no mark yet, and so no point either.
    assert marks[student] in (dict.fromkeys(IDS, 0.0), dict.fromkeys(IDS))
    assert ATTACKS[student].says
    text = course.text(student)
    assert any(says in text for says in ATTACKS[student].says.split("|")), text[-4000:]


@pytest.mark.parametrize("student", late(CONTROLS, ODD))
def test_right_answers_get_full_marks_however_odd(student, marks):
    # A big-endian float64 is another dtype to NumPy, and the same to everybody else.
    assert marks[student] == FULL


def test_submissions_and_sources_are_as_they_were(course):
    after = fingerprints(course.folder)
    assert {path: after.get(path) for path in course.before} == course.before


def processes():
    """Command line and parent of each process."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            yield (folder / "cmdline").read_bytes(), parent


def test_nothing_is_left_behind(course):
    for place in (Path("/tmp"), Path("/dev/shm"), Path("/"), course.folder):
        assert not list(place.glob("*HARMED*"))
    running = list(processes())
    assert not [command for command, _ in running if MARKER.encode() in command]
    # A sandbox of another grading that is going on has its grader for a parent.
    assert not [c for c, parent in running if b"/judge/zygote.py" in c and parent == 1]


def test_no_connection_was_made(course):
    assert course.listener.heard == 0


def test_the_environment_stays_at_home(course):
    for path in (course.folder / "autograded").rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes()


def test_links_were_not_followed(course):
    copied = course.folder / "autograded/tampering-links-to-other-files" / ASSIGNMENT
    # Beside the notebook lies what the judge notes of it.
    assert sorted(p.name for p in copied.iterdir()) == [".judged.json", f"{ASSIGNMENT}.ipynb"]


def test_nothing_that_a_browser_would_run_gets_into_the_feedback(course):
    page = course.feedback("harming-html-and-script")
    assert f"&lt;script&gt;{MARKER}()" in page, "as text it may be there"
    assert f"<script>{MARKER}" not in page
    assert not re.search(rf"<[^>]*\bon\w+=[^>]*{MARKER}", page)
    assert not re.search(r"<img[^>]*onload", course.feedback("scoring-forged-outputs"))
    page = course.feedback("tampering-script-in-text")
    assert f"&lt;{inert.JOINER}script&gt;HARMED()" in page, "as text it may be there"
    assert "onclick='HARMED()'&gt;" in page
    assert not re.search(
        rf"<script>[^<]*{MARKER}", course.feedback("scoring-forged-prompt-and-reply")
    )


def test_output_is_cut(course):
    for path in (course.folder / "autograded").rglob("*.ipynb"):
        assert path.stat().st_size < 4_000_000, path


@pytest.mark.parametrize(
    "name", late([k for k, a in ATTACKS.items() if a.scores_in_process], ["scoring-patched-grade"])
)
def test_the_attack_works_where_tests_run_in_the_students_process(name, tmp_path):
    attack = ATTACKS[name]
    source = ROOT / f"solutions/{ASSIGNMENT}/{ASSIGNMENT}.md"
    notebook = source_notebook(source)
    keep = {"imports", *IDS, *(f"{each}-answer" for each in IDS)}
    notebook.cells = [
        cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") in keep
    ]
    notebook = attacked(notebook, attack, {})
    # The hidden part of the tests is there, as after nbgrader's own OverwriteCells.
    ran, _ = StockExecute(timeout=60).preprocess(
        notebook, {"metadata": {"path": str(tmp_path)}, "nbgrader": {}}
    )
    for exercise_id in IDS:
        points, of = determine_grade(cell_of(ran, exercise_id))
        assert points == of, "no attack any more: is it still worth trying?"


def instnorm_judge(course, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "instnorm_judge", *arguments],
        cwd=course.folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow  # some 6 s
def test_without_bubblewrap_nothing_is_graded_and_the_remedy_is_named(course, marks, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    for result in (
        nbgrader(course.folder, "autograde", "--force", "--student=control-plain"),
        instnorm_judge(course, "autograde", ASSIGNMENT, "--again"),
    ):
        assert result.returncode != 0
        assert "apt-get install bubblewrap" in result.stderr
        assert "INSTNORM_UNSANDBOXED=1" in result.stderr
        assert "--unsandboxed" in result.stderr
    with Gradebook(course.database) as gradebook:
        assert gradebook.find_submission(ASSIGNMENT, "control-plain").score == sum(FULL.values())


def test_off_linux_there_is_a_refusal_too(monkeypatch):
    monkeypatch.setattr(sandbox, "_broken", sandbox._broken.__wrapped__)  # which is kept
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(sandbox.NoSandbox, match=r"no sandbox for darwin.*(.|\n)*--unsandboxed"):
        sandbox.require()


@pytest.mark.slow
def test_trusted_work_can_be_graded_without_walls(course, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    # Nobody else's code is to run here now.
    for other in (course.folder / "submitted").iterdir():
        if other.name != "control-plain":
            shutil.rmtree(other)
    result = instnorm_judge(course, "autograde", ASSIGNMENT, "--again", "--unsandboxed")
    assert "graded 1 of 1" in result.stderr
    # Attackers graded before may wait for a person still, and are named; he is none of them.
    assert "control-plain" not in result.stderr
    monkeypatch.setenv("INSTNORM_UNSANDBOXED", "1")
    result = nbgrader(course.folder, "autograde", "--force", "--student=control-plain")
    assert result.returncode == 0, result.stderr[-2000:]
    with Gradebook(course.database) as gradebook:
        submission = gradebook.find_submission(ASSIGNMENT, "control-plain")
        assert submission.score == sum(FULL.values())


def blank_notebook(*sources):
    return new_notebook(
        cells=[
            *(new_code_cell(source) for source in sources),
            # Cells after the last that counts are not run.
            new_code_cell("", metadata={"nbgrader": {"grade": True, "solution": True}}),
        ]
    )


def executed(notebook, **limits):
    resources = {"metadata": {"path": "."}, "nbgrader": {}}
    return Execute(**limits).preprocess(notebook, resources)[0]


@pytest.mark.alone
def test_a_notebook_has_no_more_time_than_all_notebooks():
    notebook = executed(blank_notebook(*["import time; time.sleep(1.2)"] * 5), total=2, timeout=9)
    told = [cell.outputs[0].evalue if cell.outputs else "" for cell in notebook.cells[:5]]
    assert told[:2] == ["", ""]
    assert told[2] == "This notebook took more than 2 seconds."
    assert told[3].startswith("Not run")

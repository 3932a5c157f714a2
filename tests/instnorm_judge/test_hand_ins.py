"""Nothing that a student hands in vanishes: it is graded, or named with a reason."""

import functools
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unicodedata
import warnings
from pathlib import Path

import mangled
import pytest
from attacks.showing import FOLDERS
from mangled import BEYOND_REPAIR, MANGLINGS, NAME, RIGHT
from nbgrader.api import Gradebook
from sqlalchemy.exc import SAWarning

from instnorm_checks import EXERCISES, SEED
from instnorm_judge import hand_ins, sandbox
from instnorm_judge.assignments import source_notebook
from instnorm_judge.hand_ins import File, HandedOut, archived, find, student_of, submission
from instnorm_judge.rebuild import without_installs

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SOLUTIONS = {
    cell.metadata.nbgrader.grade_id: cell.source
    for cell in source_notebook(ROOT / f"solutions/{NAME}/{NAME}.md").cells
    if cell.metadata.get("nbgrader", {}).get("solution")
}
POINTS = {name: EXERCISES[name.removesuffix("-answer")].points for name in SOLUTIONS}


def handed_out(name=NAME):
    notebook = json.loads((ROOT / f"exercises/{name}/{name}.ipynb").read_text())
    return notebook, HandedOut(
        name,
        name,
        frozenset(c["metadata"]["nbgrader"]["grade_id"] for c in _named(notebook)),
        frozenset(hand_ins._stripped("".join(cell["source"])) for cell in notebook["cells"]),
    )


def _named(notebook):
    return [cell for cell in notebook["cells"] if "nbgrader" in cell["metadata"]]


KNOWN = [handed_out(name)[1] for name in (NAME, "limits", "the-family")]


def solved(answers=SOLUTIONS):
    """The notebook with these answers."""
    notebook, _ = handed_out()
    for cell in _named(notebook):
        name = cell["metadata"]["nbgrader"]["grade_id"]
        cell["source"] = answers.get(name, "".join(cell["source"]))
    return notebook


def files(handed_in):
    return [
        each
        for path, content in sorted(handed_in.items())
        if not hand_ins._is_litter(path)
        for each in hand_ins._opened(path, content)
    ]


def chosen(handed_in):
    return submission("ada", NAME, files(handed_in), KNOWN)


# --- Recognised -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mangle", MANGLINGS, ids=lambda each: each.__name__)
def test_a_notebook_is_recognised_however_it_was_handed_in(mangle):
    found = chosen(mangle(solved()))
    assert list(found.notebooks) == [f"{NAME}.ipynb"]
    text = hand_ins.rebuild.decoded(found.notebooks[f"{NAME}.ipynb"])
    own = "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
    assert all(answer in own for answer in SOLUTIONS.values())
    assert not set(found.notes.get(NAME, {})) - {"flags"}


@pytest.mark.parametrize("mangle", BEYOND_REPAIR, ids=lambda each: each.__name__)
def test_what_cannot_be_used_is_named(mangle):
    handed_in = mangle(solved())
    found = chosen(handed_in)
    if mangle is mangled.cut_off:  # by its name it is one; what is wrong is told when it is read
        assert found.notebooks == {f"{NAME}.ipynb": handed_in[RIGHT]}
    else:
        reason = found.notes[NAME]["unreadable"]
        assert Path(next(iter(handed_in))).name in reason
        assert "(" in reason


def test_of_two_the_one_with_answers_counts():
    some = dict(itertools.islice(SOLUTIONS.items(), 1))
    early, late = mangled.text(solved(some)), mangled.text(solved())
    found = chosen({RIGHT: early, f"{NAME}/{NAME} (1).ipynb": late})
    assert found.notebooks[f"{NAME}.ipynb"] == late
    assert found.notes[NAME] == {
        "flags": [
            f"{NAME}/{NAME} (1).ipynb was graded as {NAME}.ipynb",
            f"{RIGHT} was handed in too, with less in it",
        ]
    }


def test_between_two_finished_ones_a_person_decides():
    other = {**SOLUTIONS, "instance-norm-answer": "instance_norm = print"}
    found = chosen({RIGHT: mangled.text(solved()), f"{NAME}/b.ipynb": mangled.text(solved(other))})
    assert found.notebooks[f"{NAME}.ipynb"] == mangled.text(solved())
    assert "a person has to decide" in found.notes[NAME]["undecided"]


def test_the_notebook_of_another_assignment_is_not_taken_for_this_one():
    limits = mangled.text(handed_out("limits")[0])
    assert submission("ada", NAME, [File("limits/x.ipynb", limits)], KNOWN) is None
    found = submission("ada", NAME, [File(RIGHT, limits)], KNOWN)
    assert "the notebook of limits" in found.notes[NAME]["unreadable"]
    # Where it belongs to, it is found.
    assert submission("ada", "limits", [File(RIGHT, limits)], KNOWN).notebooks == {
        "limits.ipynb": limits
    }


def test_names_are_meant_as_people_mean_them():
    nfc = "Zoé"
    roster = [nfc, "ada", "Ben", "ben"]
    assert student_of(unicodedata.normalize("NFD", nfc), roster) == nfc
    assert student_of("ADA", roster) == "ada"
    assert student_of("ben", roster) == "ben"
    assert student_of("BEN", roster) is None  # which of the two?


def test_archives_are_bounded(tmp_path):
    bomb = mangled.zipped({f"{k}": b"" for k in range(hand_ins.MAX_FILES + 1)})
    (only,) = hand_ins._opened("x.zip", bomb)
    assert "more than 1000 files" in only.problem
    big = mangled.zipped({"x.ipynb": bytes(hand_ins.MAX_FILE + 1)})
    (only,) = hand_ins._opened("x.zip", big)
    assert only.problem == "larger than 20 MiB"
    nested = b"x"
    for _ in range(5):
        nested = mangled.zipped({"x.zip": nested})
    (only,) = hand_ins._opened("x.zip", nested)
    assert "archives in each other" in only.problem
    (only,) = hand_ins._opened("x.zip", b"PK\x03\x04 and then nonsense")
    assert "can't be opened" in only.problem
    assert archived is not None


def test_links_are_not_followed(tmp_path):
    secret = tmp_path / "secret.ipynb"
    secret.write_bytes(mangled.text(solved()))
    folder = tmp_path / "submitted" / "ada" / NAME
    folder.mkdir(parents=True)
    (folder / f"{NAME}.ipynb").symlink_to(secret)
    (tmp_path / "submitted" / "ben").symlink_to(tmp_path)
    (tmp_path / "submitted" / "loose.ipynb").write_text("{}")
    found = find(tmp_path / "submitted", NAME, KNOWN, [])
    (only,) = found.submissions
    assert "a link to another file" in only.notes[NAME]["unreadable"]
    assert len(found.unused) == 2


def test_who_has_a_name_that_is_markup_is_named_and_not_graded(tmp_path):
    """Each name on its own; a folder of that name with nothing of the assignment is let alone."""
    for name in FOLDERS:
        folder = tmp_path / "submitted" / name / NAME
        folder.mkdir(parents=True)
        (folder / f"{NAME}.ipynb").write_bytes(mangled.text(solved()))
    (tmp_path / "submitted" / "<b>" / "limits").mkdir(parents=True)
    found = find(tmp_path / "submitted", NAME, KNOWN, list(FOLDERS))
    assert found.submissions == []
    assert len(found.unused) == len(FOLDERS)
    assert all("handed in, and can't be graded: nbgrader's" in each for each in found.unused)
    assert "\u202e" not in "".join(found.unused), "or the terminal would be written backwards"


def test_installations_are_not_tried():
    code = "import x\n%pip install -q instnorm\n!{sys.executable} -m pip install \\\n  y\nz = 5 % 3"
    assert without_installs(code).splitlines() == [
        "import x",
        "pass  # not run while grading: %pip install -q instnorm",
        "pass  # not run while grading: !{sys.executable} -m pip install y",
        "z = 5 % 3",
    ]


# --- Graded ---------------------------------------------------------------------------------------


def run(course, command, *arguments):
    return subprocess.run(
        [BIN / command, *arguments],
        cwd=course,
        env={**os.environ, SEED: "20160727", "JUPYTER_CONFIG_DIR": str(course / "no-config")},
        capture_output=True,
        text=True,
        check=False,
    )


def needs_a_sandbox():
    try:
        sandbox.require()
    except sandbox.NoSandbox as refusal:
        pytest.skip(f"NO HAND-IN IS GRADED HERE. {refusal}")


@functools.cache
def _registered():
    """A course whose gradebook knows the assignment; made once."""
    home = tempfile.TemporaryDirectory(prefix="registered-")
    folder = Path(home.name) / "course"
    (folder / "solutions" / NAME).mkdir(parents=True)
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    shutil.copy(ROOT / f"solutions/{NAME}/{NAME}.md", folder / "solutions" / NAME)
    result = run(folder, "nbgrader", "generate_assignment", NAME)
    assert result.returncode == 0, result.stderr
    return home, folder


def new_course(folder, handed_in):
    """A course in which `handed_in` (student -> files) has been handed in."""
    needs_a_sandbox()
    shutil.copytree(_registered()[1], folder)
    for student, theirs in handed_in.items():
        for path, content in theirs.items():
            file = folder / "submitted" / student / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    return folder


def scores(course, assignment=NAME):
    """Student -> (points, whether a person has to look)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # from inside nbgrader's gradebook
        with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
            return {
                each.student_id: (
                    each.score,
                    any(g.needs_manual_grade for n in each.notebooks for g in n.grades),
                )
                for each in gradebook.assignment_submissions(assignment)
            }


FULL = sum(POINTS.values())
MARKUP = "<img src=x onerror=HARMED()>"


@pytest.mark.slow  # some 15 s of processor time, to grade them
def test_the_ten_rows(tmp_path):
    """A class of those who hand in as students do."""
    nfc, nfd = unicodedata.normalize("NFC", "Zoé"), unicodedata.normalize("NFD", "Zoé")
    other = {**SOLUTIONS, "instance-norm-answer": "instance_norm = print"}
    handed_in = {
        "second": mangled.second_download(solved()),
        "upper": mangled.upper_case(solved()),
        "text": mangled.text_file(solved()),
        "deep": mangled.archive_in_archive(solved()),
        "blank": mangled.beside_a_blank_one(solved()),
        "two": {RIGHT: mangled.text(solved()), f"{NAME}/b.ipynb": mangled.text(solved(other))},
        nfd: mangled.utf_16(solved()),
        "bare": mangled.no_metadata(solved()),
        "joined": mangled.joined(solved()),
        "pip": mangled.install_first(solved()),
        "pdf": mangled.printed(solved()),
        MARKUP: {RIGHT: mangled.text(solved())},
    }
    course = new_course(tmp_path / "week 1", handed_in)
    course = course.rename(tmp_path / "week [1]")  # nbgrader itself would find nothing in there
    students = roster_file(tmp_path, nfc, handed_in)
    imported = run(course, "instnorm-judge", "roster", students)
    assert "11 students" in imported.stdout
    assert f"  {MARKUP}: nbgrader's pages would take" in imported.stderr
    result = run(course, "instnorm-judge", "autograde", NAME, "--workers", "2")
    assert scores(course) == {
        **dict.fromkeys(handed_in.keys() - {nfd, "pdf", "two", MARKUP}, (FULL, False)),
        nfc: (FULL, False),
        "two": (FULL, True),
        "pdf": (0, False),
    }, result.stderr
    assert result.returncode == 1
    pip = (course / f"autograded/pip/{NAME}/{NAME}.ipynb").read_text()
    assert "not run while grading: %pip install" in pip
    assert "Retrying" not in pip
    said = [line for line in result.stderr.splitlines() if line.startswith("  ")]
    assert len(said) == 3
    assert said[0].startswith(f"  {MARKUP}: handed in, and can't be graded")
    assert said[1].startswith("  pdf: Nothing that was handed in is a notebook")
    assert f"{NAME}/{NAME}.pdf" in said[1]
    assert said[2].startswith("  two: Several different notebooks were handed in.")
    # Said until somebody has done something about it.
    again = run(course, "instnorm-judge", "autograde", NAME)
    assert again.returncode == 1
    assert [line for line in again.stderr.splitlines() if line.startswith("  ")] == said
    # Nor does that name get onto a page, or into what is imported elsewhere.
    for command in (("report",), ("export", "--blank")):
        result = run(course, "instnorm-judge", command[0], NAME, *command[1:])
        assert result.returncode == 1
        assert f"  {MARKUP}: handed in, and can't be graded" in result.stderr
    assert not any("HARMED" in path.read_text() for path in (course / "reports").iterdir())
    assert not (course / "autograded" / MARKUP).exists()


def roster_file(folder, nfc, handed_in):
    """With a byte order mark and semicolons, as Excel writes it in half of Europe."""
    path = folder / "students.csv"
    rows = ["id;first_name;last_name;email"]
    rows += [f"{each};{each};;" for each in handed_in if each.isascii()] + [f"{nfc};Zoé;;"]
    path.write_text("\r\n".join(rows), encoding="utf-8-sig")
    return path


@pytest.mark.slow
def test_plain_nbgrader_reads_the_same_files(tmp_path):
    """Where it finds an .ipynb in the assignment's folder. Some 10 s of processor time."""
    handed_in = {
        "second": mangled.second_download(solved()),
        "blank": mangled.beside_a_blank_one(solved()),
        "wide": mangled.utf_16(solved()),
        "joined": mangled.joined(solved()),
    }
    course = new_course(tmp_path / "course", handed_in)
    result = run(course, "nbgrader", "autograde", NAME)
    assert result.returncode == 0, result.stderr[-2000:]
    assert scores(course) == dict.fromkeys(handed_in, (FULL, False))


@pytest.mark.slow
def test_an_assignment_may_be_called_anything(tmp_path):
    """Some 5 s of processor time."""
    name = "-week 1 (IN) a[b]"
    course = new_course(tmp_path / "course", {"ada[1]": {f"{name}/{NAME}.ipynb": b""}})
    (course / f"submitted/ada[1]/{name}/{NAME}.ipynb").write_bytes(mangled.text(solved()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)
        with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
            gradebook.find_assignment(NAME).name = name
            gradebook.db.commit()
    result = run(course, "instnorm-judge", "autograde", "--", name)
    assert (result.returncode, scores(course, name)) == (0, {"ada[1]": (FULL, False)}), (
        result.stderr
    )


@pytest.mark.proof
def test_four_hundred_mangled_hand_ins(tmp_path):
    """Twenty notebooks, each mangled in twenty ways: 400 marks, all of them right."""
    names = list(SOLUTIONS)
    wrong = "def {}(*arguments):\n    return 0"
    wanted, handed_in = {}, {}
    for k in range(20):
        answers = {
            name: SOLUTIONS[name] if k >> j & 1 else f"{wrong.format('f')}\n# {k}"
            for j, name in enumerate(names)
        }
        for mangle in MANGLINGS:
            student = f"{mangle.__name__}-{k:02}"
            handed_in[student] = mangle(solved(answers))
            wanted[student] = sum(POINTS[name] for j, name in enumerate(names) if k >> j & 1), False
    course = new_course(tmp_path / "course", handed_in)
    result = run(course, "instnorm-judge", "autograde", NAME)
    found = scores(course)
    different = {
        who: (mark, found.get(who)) for who, mark in wanted.items() if found.get(who) != mark
    }
    assert different == {}, result.stderr[-2000:]
    assert len(found) == 400
    assert result.returncode == 0, result.stderr
    print(f"{len(found)} hand-ins, {len(found)} right marks, 0 silent")

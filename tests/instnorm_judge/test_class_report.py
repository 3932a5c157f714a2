"""What the instructor sees of a class: results, the report page and the files for platforms."""

import csv
import errno
import io
import json
import os
import re
import sqlite3
import sys
import warnings
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory
from sqlalchemy.exc import OperationalError, SAWarning
from traitlets.config import Config

from instnorm_checks import EXERCISES, MIME
from instnorm_judge import class_report, exports
from instnorm_judge.__main__ import main
from instnorm_judge.course import Course
from instnorm_judge.rebuild import FLAGS
from instnorm_judge.results import Results, StudentResult, results

ASSIGNMENT = "the-algorithm"
LOOPS, VECTORISED = IDS = ("instance-norm-loops", "instance-norm")
WRONG = EXERCISES[VECTORISED].misconceptions[0]
NASTY = '<script>alert(1)</script>"&'

# Student -> points of the two exercises.
CLASS = {
    "ada": (6, 6),
    "ben": (6, 3),
    "cleo": (3, 3),
    "dan": (0, 0),
    "eve": (6, 6),
    "fay": (3, 0),
}


def notebook(points, wrong=(), flags=()):
    """An autograded notebook, as far as anybody reads it."""
    cells = [
        {
            "cell_type": "code",
            "source": "",
            "metadata": {"nbgrader": {"grade_id": name, "grade": True, "solution": False}},
            "outputs": [
                {
                    "output_type": "execute_result",
                    "data": {MIME: {"exercise": name, "misconceptions": list(wrong), "points": p}},
                }
            ],
        }
        for name, p in zip(IDS, points, strict=True)
    ]
    # What a student's own cell says is nobody's evidence.
    forged = {MIME: {"exercise": LOOPS, "misconceptions": ["forged"]}}
    cells.append({"cell_type": "code", "source": "", "metadata": {}, "outputs": [{"data": forged}]})
    return {"cells": cells, "metadata": {FLAGS: {"flags": list(flags)} if flags else {}}}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A gradebook and graded notebooks of six students; gus handed nothing in."""
    tmp_path = tmp_path_factory.mktemp("course")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # from inside nbgrader's gradebook
        # nbgrader starts `alembic` by its bare name.
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        return _course(tmp_path)


def _course(tmp_path):
    url = f"sqlite:///{tmp_path / 'gradebook.db'}"
    with Gradebook(url) as gradebook:
        gradebook.add_assignment(ASSIGNMENT)
        gradebook.add_notebook("notebook", ASSIGNMENT)
        for name in IDS:
            about = {"max_score": 6, "cell_type": "code"}
            gradebook.add_grade_cell(name, "notebook", ASSIGNMENT, **about)
        for student, points in CLASS.items():
            gradebook.add_student(student, first_name=student.title(), last_name=f"={student}")
            gradebook.add_submission(ASSIGNMENT, student)
            for name, p in zip(IDS, points, strict=True):
                grade = gradebook.find_grade(name, "notebook", ASSIGNMENT, student)
                grade.auto_score, grade.needs_manual_grade = p, student == "dan"
            folder = tmp_path / "autograded" / student / ASSIGNMENT
            folder.mkdir(parents=True)
            wrong = [WRONG.name] if points[1] == 3 else []
            flags = [NASTY] if student == "fay" else []
            text = json.dumps(notebook(points, wrong, flags))
            (folder / "notebook.ipynb").write_text("{" if student == "dan" else text)
        gradebook.add_student("gus")
        gradebook.db.commit()
    config = Config()
    config.CourseDirectory.update(root=str(tmp_path), db_url=url)
    return Course(config, CourseDirectory(config=config))


@pytest.fixture
def outcome(course):
    return results(course, ASSIGNMENT)


def test_results_are_those_of_the_gradebook(outcome):
    by_student = {each.student: each for each in outcome.submissions}
    assert list(by_student) == [*CLASS, "gus"]
    assert outcome.exercises == dict.fromkeys(IDS, 6)
    assert outcome.max_score == 12
    for student, points in CLASS.items():
        assert by_student[student].score == (None if student == "dan" else sum(points))
        assert by_student[student].points == dict(zip(IDS, points, strict=True))
    assert by_student["gus"].score is None
    assert [each.student for each in outcome.absent] == ["gus"]
    # What waits for a person is not passed off as 0.
    assert by_student["dan"].score is None
    assert outcome.ungraded == [f"dan: to be graded by hand: {LOOPS}, {VECTORISED}"]


def test_reasons_come_from_test_cells_alone(outcome):
    by_student = {each.student: each for each in outcome.submissions}
    assert by_student["ben"].misconceptions[VECTORISED] == (WRONG.name,)
    assert "forged" not in str(outcome)
    assert by_student["fay"].flags == (NASTY,)
    assert by_student["dan"].flags == ("the graded notebook can't be read",)
    assert by_student["dan"].to_grade_by_hand == IDS


def test_an_unknown_assignment_is_named(course):
    with pytest.raises(LookupError, match=r"no assignment 'nope'; it has: the-algorithm"):
        results(course, "nope")


def test_the_numbers_of_the_report(outcome):
    # 3, 6, 9, 12, 12 of 12 points
    assert class_report.histogram(outcome) == [0, 0, 1, 0, 0, 1, 0, 1, 0, 2]
    assert class_report.difficulty(outcome, LOOPS) == pytest.approx((6 + 6 + 3 + 6 + 3) / 30)
    assert class_report.misconceptions(outcome, VECTORISED) == {WRONG.name: ["ben", "cleo"]}
    # By hand: the two columns are (6 6 3 6 3) and (6 3 3 6 0).
    assert class_report.discrimination(outcome, LOOPS) == pytest.approx(12.6 / (10.8 * 25.2) ** 0.5)


def test_a_correlation_needs_students_and_differences(outcome):
    few = type(outcome)(outcome.assignment, outcome.exercises, outcome.submissions[:3])
    assert class_report.discrimination(few, LOOPS) is None
    same = type(outcome)(outcome.assignment, outcome.exercises, outcome.submissions[:1] * 6)
    assert class_report.discrimination(same, LOOPS) is None


def test_the_page_asks_for_nothing_and_runs_nothing(outcome):
    page = class_report.render(outcome, date="2026-01-01")
    assert "http" not in page.replace("http-equiv", "")
    assert not re.search(r"<script|<link|<img|url\(|@import| on\w+=", page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&amp;" in page
    assert WRONG.name in page
    assert "6 of 7 students handed something in, 1 did not" in page
    assert "Nothing was handed in by: gus." in page
    assert "not recognised" in page  # fay lost points for no known reason
    assert "1 student handed in and has no mark yet" in page


def test_nobody_handed_anything_in(outcome):
    empty = type(outcome)(outcome.assignment, outcome.exercises, outcome.submissions[-1:])
    page = class_report.render(empty)
    assert "Nobody has been graded yet." in page
    assert "Nobody lost a point." in page


@pytest.mark.parametrize("name", exports.FORMATS)
def test_files_have_a_line_for_each_student_and_no_formulas(outcome, name):
    rows = read(exports.FORMATS[name](outcome))
    assert len({len(row) for row in rows}) == 1
    body = rows[2:] if name == "canvas" else rows[1:]
    assert len(body) == 7
    assert not any(cell.startswith(exports.FORMULA) for row in rows for cell in row)
    assert any("'=ben" in cell for row in rows for cell in row)


def test_logins_stay_as_the_platform_knows_them_and_text_is_text():
    nasty = "-dan\n[1]"
    student = StudentResult(nasty, "＝1+1", "", "@home", 1.0, {}, ())
    outcome = Results(ASSIGNMENT, {}, (student,))
    assert read(exports.moodle(outcome))[1] == [nasty, "'＝1+1", "", "'@home", "1"]
    assert read(exports.canvas(outcome))[2][3] == nasty
    assert exports.everything(outcome).startswith("\ufeff".encode())
    assert not exports.canvas(outcome).startswith("\ufeff".encode())
    assert read(exports.everything(outcome))[1][0] == f"'{nasty}"


def read(content):
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def as_dicts(content):
    heading, *rows = read(content)
    return [dict(zip(heading, row, strict=True)) for row in rows]


def test_canvas_finds_students_by_login(outcome):
    rows = as_dicts(exports.canvas(outcome))
    assert rows[0]["Student"] == "    Points Possible"
    assert rows[0][ASSIGNMENT] == "12"
    marks = {row["SIS Login ID"]: row[ASSIGNMENT] for row in rows[1:]}
    assert marks == {**{s: f"{sum(p)}" for s, p in CLASS.items()}, "gus": "", "dan": ""}


def test_moodle_finds_students_by_user_name(outcome):
    rows = as_dicts(exports.moodle(outcome))
    assert {row["Username"]: row[ASSIGNMENT] for row in rows}["cleo"] == "6"


def test_the_full_file_says_why(outcome):
    rows = {row["student"]: row for row in as_dicts(exports.everything(outcome))}
    assert rows["ben"][f"{VECTORISED}: why"] == WRONG.name
    assert rows["fay"][f"{VECTORISED}: why"] == "not recognised"
    assert rows["dan"]["score"] == ""
    assert rows["fay"]["flags"] == NASTY
    assert rows["dan"]["to grade by hand"] == " ".join(IDS)


# --- The commands ---------------------------------------------------------------------------------


@pytest.fixture
def course_folder(course, tmp_path, monkeypatch):
    """A course of our own around the gradebook of the class."""
    text = f"c = get_config()\nc.CourseDirectory.db_url = {course.db_url!r}\n"
    text += f"c.CourseDirectory.autograded_directory = {str(course.root('autograded'))!r}\n"
    (tmp_path / "nbgrader_config.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    return tmp_path


def test_the_commands_write_their_files(course_folder, outcome, capsys):
    assert main(["report", ASSIGNMENT]) == 1  # dan has no mark yet
    main(["export", ASSIGNMENT, "--format", "moodle", "--blank"])
    main(["export", ASSIGNMENT, "--out", "marks.csv", "--blank"])
    page = (course_folder / f"reports/{ASSIGNMENT}.html").read_text()
    assert WRONG.name in page
    assert "Made on 20" in page
    written = (course_folder / f"reports/{ASSIGNMENT}-moodle.csv").read_bytes()
    assert written == exports.moodle(outcome)
    assert (course_folder / "marks.csv").read_bytes() == exports.everything(outcome)
    assert capsys.readouterr().out.count("Written to") == 3


def test_export_does_not_pass_off_ungraded_work_as_nothing(course_folder, capsys):
    with pytest.raises(SystemExit, match="--blank"):
        main(["export", ASSIGNMENT])
    assert "dan: to be graded by hand" in capsys.readouterr().err
    assert not (course_folder / "reports").exists()


@pytest.mark.parametrize(
    ("problem", "says"),
    [
        (OperationalError("", {}, sqlite3.OperationalError("database is locked")), "is in use"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full"),
    ],
)
def test_what_an_instructor_can_mend_is_said_in_words(course_folder, monkeypatch, problem, says):
    def fail(*_, **__):
        raise problem

    monkeypatch.setattr(class_report, "render", fail)
    with pytest.raises(SystemExit, match=says):
        main(["report", ASSIGNMENT])


def test_a_run_that_is_stopped_shows_no_traceback(course_folder, monkeypatch, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(class_report, "render", stop)
    assert main(["report", ASSIGNMENT]) == 130
    assert "run this again to go on" in capsys.readouterr().err


def test_the_commands_refuse_in_words(course_folder, tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match="no assignment 'nope'; it has: the-algorithm"):
        main(["report", "nope"])
    assert not (course_folder / "reports").exists()
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    with pytest.raises(SystemExit, match=r"no nbgrader_config\.py here"):
        main(["report", ASSIGNMENT])

"""What being late costs: by the settings of today, for marks of any day."""

import warnings
from datetime import timedelta

import pytest
import sqlalchemy
from nbgrader.api import Base, Gradebook
from nbgrader.coursedir import CourseDirectory
from sqlalchemy.exc import SAWarning
from traitlets.config import Config

from instnorm_judge.course import Course
from instnorm_judge.hand_ins import Submission
from instnorm_judge.lateness import DAY, LatePenalty, time_of
from instnorm_judge.ledger import Ledger
from instnorm_judge.one_submission import GradedSubmission

NAME, CELL, HAND = "week-1", "machine", "person"
DUE = "2027-01-15 18:00 UTC"


@pytest.mark.parametrize(
    ("late", "settings", "penalty"),
    [
        (1, {}, 0),
        (1, {"per_day": 0.1}, 1),  # a day that has begun
        (DAY, {"per_day": 0.1}, 1),
        (DAY + 1, {"per_day": 0.1}, 2),
        (900, {"per_day": 0.1, "grace": 15}, None),
        (901, {"per_day": 0.1, "grace": 15}, 1),
        (DAY + 900, {"per_day": 0.1, "grace": 15}, 1),  # the grace is at every day's end
        (4 * DAY, {"per_day": 0.5}, 10),  # no more than there is
        (4 * DAY, {"per_day": 0.5, "at_most": 0.3}, 3),
        (4 * DAY, {"per_day": 0.5, "at_most": 7}, 10),
    ],
)
def test_what_it_costs(late, settings, penalty):
    plugin = LatePenalty(**settings)
    assert plugin.late_submission_penalty("ada", 10.0, late) == (
        None if penalty is None else pytest.approx(penalty)
    )


@pytest.fixture
def course(tmp_path):
    """A course with an assignment of two cells, one for the machine and one for a person."""
    path = tmp_path / "gradebook.db"
    config = Config()
    config.CourseDirectory.update(root=str(tmp_path), db_url=f"sqlite:///{path}")
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    Base.metadata.create_all(engine)
    engine.dispose()
    with Gradebook(f"sqlite:///{path}") as gradebook:
        gradebook.add_assignment(NAME, duedate=DUE)
        gradebook.add_notebook(NAME, NAME)
        for cell in (CELL, HAND):
            gradebook.add_grade_cell(cell, NAME, NAME, max_score=10, cell_type="code")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # from inside nbgrader's gradebook
        yield Course(config, CourseDirectory(config=config))


def run(course, handed_in, graded=(), **settings):
    """A run of the judge: enter what is graded, settle the rest. (what was odd, the marks)."""
    course.config.LatePenalty.update(**settings)
    with course.gradebook() as gradebook:
        ledger = Ledger(course, NAME, gradebook)
        for each in graded:
            marks = {(NAME, CELL): (6.0, False), (NAME, HAND): (0.0, False)}
            ledger.enter(each, GradedSubmission(each.student, marks))
        odd = ledger.settle_lateness(handed_in)
        return odd, {
            entry.student_id: (entry.score, round(entry.late_submission_penalty, 9))
            for entry in gradebook.assignment_submissions(NAME)
        }


def submission(student, when):
    return Submission(student, {f"{NAME}.ipynb": b"{}"}, when)


LATE = [
    submission("ada", "2027-01-15 17:59 UTC"),
    submission("ben", "2027-01-15 19:10 +01:00"),  # ten minutes
    submission("cleo", "2027-01-17 10:00 UTC"),  # two days have begun
    submission("dan", None),
]


def test_it_is_worked_out_anew_on_each_run(course):
    """Neither the marks nor what was said before have a part in it."""
    nothing = {"ada": (6, 0), "ben": (6, 0), "cleo": (6, 0), "dan": (6, 0)}
    assert run(course, LATE, LATE) == ([], nothing)
    _, marks = run(course, LATE, per_day=0.1)
    assert marks == {"ada": (6, 0), "ben": (6, 0.6), "cleo": (6, 1.2), "dan": (6, 0)}
    _, marks = run(course, LATE, per_day=0.1, grace=10)
    assert marks == {"ada": (6, 0), "ben": (6, 0), "cleo": (6, 1.2), "dan": (6, 0)}
    for _ in range(2):  # once more changes nothing
        _, marks = run(course, LATE, extensions={NAME: {"cleo": 1}})
        assert marks == {"ada": (6, 0), "ben": (6, 0), "cleo": (6, 0.6), "dan": (6, 0)}
    _, marks = run(course, LATE, extensions={NAME: {"cleo": 2}, "week-2": {"ben": 9}}, grace=0)
    assert marks == {"ada": (6, 0), "ben": (6, 0.6), "cleo": (6, 0), "dan": (6, 0)}
    _, marks = run(course, LATE, extensions={})  # taken back
    assert marks == {"ada": (6, 0), "ben": (6, 0.6), "cleo": (6, 1.2), "dan": (6, 0)}
    # Handed in again, and in time after all.
    again = [submission("ben", "2027-01-15 17:00 UTC"), *LATE[2:]]
    assert run(course, again)[1]["ben"] == (6, 0)


def test_a_mark_by_hand_is_kept_and_counts_for_the_penalty(course):
    run(course, LATE, LATE, per_day=0.5)
    with course.gradebook() as gradebook:
        gradebook.find_grade(HAND, NAME, NAME, "cleo").manual_score = 4.0
        gradebook.db.commit()
    _, marks = run(course, LATE)
    assert marks["cleo"] == (10, 10)
    _, marks = run(course, LATE, LATE, per_day=0.1)  # graded again
    assert marks["cleo"] == (10, 2)
    with course.gradebook() as gradebook:
        grade = gradebook.find_grade(HAND, NAME, NAME, "cleo")
        assert (grade.manual_score, grade.needs_manual_grade) == (4.0, True)


def test_an_extension_that_the_gradebook_has_stays(course):
    """As somebody has set it in nbgrader; that in the settings goes before."""
    run(course, LATE, LATE)
    with course.gradebook() as gradebook:
        gradebook.find_submission(NAME, "cleo").extension = timedelta(days=7)
        gradebook.db.commit()
    assert run(course, LATE, per_day=0.1)[1]["cleo"] == (6, 0)
    assert run(course, LATE, extensions={NAME: {"cleo": 0}})[1]["cleo"] == (6, 1.2)


def test_a_moved_due_date_moves_the_penalty(course):
    run(course, LATE, LATE, per_day=0.1)
    with course.gradebook() as gradebook:
        gradebook.update_or_create_assignment(NAME, duedate="2027-01-16 18:00 UTC")
    assert run(course, LATE)[1] == {"ada": (6, 0), "ben": (6, 0), "cleo": (6, 0.6), "dan": (6, 0)}


def test_what_is_no_time_is_said_and_costs_nothing(course):
    odd, marks = run(course, [submission("eve", "soon")], [submission("eve", "soon")], per_day=1.0)
    assert odd == ["eve: its timestamp.txt holds no time"]
    assert marks == {"eve": (6, 0)}
    assert time_of("soon") is None

"""What a class did in one assignment: marks from the gradebook, reasons from graded notebooks.

Marks are the gradebook's alone. Which misconceptions were recognised, and what was odd about a
submission, stand in the autograded notebooks; those are ours, but much in them was written by
students, so everything is read with suspicion.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

from nbgrader.api import Gradebook

from instnorm_checks import EXERCISES, MIME

from .rebuild import FLAGS, REMARKS


@dataclass(frozen=True)
class StudentResult:
    """One student's marks for one assignment."""

    student: str
    first_name: str
    last_name: str
    email: str
    score: float | None  # after late penalties; None: nothing was handed in
    points: dict[str, float]  # grade id -> points
    to_grade_by_hand: tuple[str, ...] = ()
    seconds_late: float = 0.0
    misconceptions: dict[str, tuple[str, ...]] = field(default_factory=dict)  # by exercise
    flags: tuple[str, ...] = ()

    @property
    def handed_in(self):
        return self.score is not None


@dataclass(frozen=True)
class Results:
    """A class and an assignment."""

    assignment: str
    exercises: dict[str, float]  # grade id -> the most points that it can give, in order
    submissions: tuple[StudentResult, ...]  # of every student in the gradebook, by student

    @property
    def max_score(self):
        return sum(self.exercises.values())

    @property
    def handed_in(self):
        return [each for each in self.submissions if each.handed_in]


def results(db_url, assignment, autograded):
    """The `Results` of `assignment`; `autograded` is the folder that nbgrader wrote.

    Raises LookupError if the gradebook has no such assignment, in words for the instructor.
    """
    with Gradebook(db_url) as gradebook:
        names = sorted(each.name for each in gradebook.assignments)
        if assignment not in names:
            raise LookupError(
                f"the gradebook has no assignment {assignment!r}; it has: "
                f"{', '.join(names) or 'none yet'}"
            )
        notebooks = gradebook.find_assignment(assignment).notebooks
        exercises = {
            cell.name: cell.max_score for notebook in notebooks for cell in notebook.grade_cells
        }
        handed_in = {
            submission.student_id: submission
            for submission in gradebook.assignment_submissions(assignment)
        }
        submissions = [
            _submission(student, handed_in.get(student.id), Path(autograded) / student.id)
            for student in sorted(gradebook.students, key=lambda student: student.id)
        ]
    return Results(assignment, _in_the_order_of_the_book(exercises), tuple(submissions))


def _in_the_order_of_the_book(exercises):
    known = [name for name in EXERCISES if name in exercises]
    return {name: exercises[name] for name in [*known, *sorted(set(exercises) - set(known))]}


def _submission(student, submission, folder):
    about = {
        "student": student.id,
        "first_name": student.first_name or "",
        "last_name": student.last_name or "",
        "email": student.email or "",
    }
    if submission is None:
        return StudentResult(**about, score=None, points={})
    grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
    misconceptions, flags = {}, []
    for path in sorted((folder / submission.name).glob("*.ipynb")):
        _read(path, misconceptions, flags)
    return StudentResult(
        **about,
        score=max(0.0, submission.score - submission.late_submission_penalty),
        points={grade.name: grade.score for grade in grades},
        to_grade_by_hand=tuple(grade.name for grade in grades if grade.needs_manual_grade),
        seconds_late=submission.total_seconds_late,
        misconceptions=misconceptions,
        flags=tuple(flags),
    )


def _read(path, misconceptions, flags):
    """Add what an autograded notebook tells to `misconceptions` and `flags`."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cells = notebook["cells"]
        notes = notebook["metadata"].get(FLAGS, {})
    except (OSError, ValueError, KeyError, TypeError):
        flags.append("the graded notebook can't be read")
        return
    flags += [str(flag) for flag in notes.get("flags", [])]
    flags += [str(notes[key]) for key in REMARKS if key in notes]
    for cell in cells:
        about = cell.get("metadata", {}).get("nbgrader", {})
        if not about.get("grade") or about.get("solution"):
            continue  # only what a test cell says is ours
        for output in cell.get("outputs", []):
            mark = output.get("data", {}).get(MIME)
            if isinstance(mark, dict) and mark.get("exercise") == about.get("grade_id"):
                names = mark.get("misconceptions", [])
                misconceptions[about["grade_id"]] = tuple(str(name) for name in names)

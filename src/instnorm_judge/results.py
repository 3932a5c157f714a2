"""What a class did in one assignment: marks from the gradebook, reasons from graded notebooks.

Marks are the gradebook's alone. Which misconceptions were recognised, and what was odd about a
submission, stand in the autograded notebooks; those are ours, but much in them was written by
students, so everything is read with suspicion.
"""

import json
from dataclasses import dataclass, field

from instnorm_checks import EXERCISES, MIME

from . import course as courses
from .hand_ins import shown
from .lateness import AssignLatePenalties
from .ledger import content_of, note_of
from .rebuild import FLAGS, REMARKS

# Why an exercise lost points, where no misconception was recognised.
BLANK, SYNTAX, CRASHED, SLOW, OTHER = (
    "left blank",
    "syntax error",
    "raised an error",
    "ran out of time",
    "not recognised",
)


@dataclass(frozen=True)
class StudentResult:
    """One student's marks for one assignment."""

    student: str
    first_name: str
    last_name: str
    email: str
    score: float | None  # after late penalties; None: there is no mark
    points: dict[str, float]  # grade id -> points
    to_grade_by_hand: tuple[str, ...] = ()
    seconds_late: float = 0.0
    misconceptions: dict[str, tuple[str, ...]] = field(default_factory=dict)  # by exercise
    flags: tuple[str, ...] = ()
    reasons: dict[str, str] = field(default_factory=dict)  # where no misconception was recognised
    ungraded: str = ""  # why there is no mark, though something was handed in


@dataclass(frozen=True)
class Results:
    """A class and an assignment."""

    assignment: str
    exercises: dict[str, float]  # grade id -> the most points that it can give, in order
    submissions: tuple[StudentResult, ...]  # of every student in the gradebook, by student
    unused: tuple[str, ...] = ()  # what was handed in and is nobody's, in words

    @property
    def max_score(self):
        return sum(self.exercises.values())

    @property
    def graded(self):
        """Those with a mark."""
        return [each for each in self.submissions if each.score is not None]

    @property
    def absent(self):
        """Those who handed nothing in."""
        return [each for each in self.submissions if each.score is None and not each.ungraded]

    @property
    def ungraded(self):
        """Who handed in and has no mark yet, and why, in words."""
        return [
            f"{shown(each.student)}: {each.ungraded}" for each in self.submissions if each.ungraded
        ]


def results(course, assignment):
    """The `Results` of an assignment of a Course.

    Raises LookupError if the gradebook has no such assignment, in words for the instructor.
    """
    with course.gradebook() as gradebook:
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
        stubs = {
            cell.name: (cell.source or "").strip()
            for notebook in notebooks
            for cell in notebook.source_cells
        }
        entries = {
            entry.student_id: entry for entry in gradebook.assignment_submissions(assignment)
        }
        found = courses.handed_in(course, gradebook, assignment)
        waiting = _waiting(course, assignment, found.submissions, entries)
        roster = courses.on_the_roster(gradebook)
        students = {each.id: each for each in gradebook.students}
        penalties = AssignLatePenalties(config=course.config)
        submissions = []
        for who in sorted({*students, *waiting}):
            outside = roster is not None and who not in roster
            submissions.append(
                _submission(
                    who,
                    students.get(who),
                    entries.get(who),
                    penalties.seconds_late(entries[who]) if who in entries else 0.0,
                    course.folder("autograded", who, assignment),
                    stubs,
                    waiting.get(who, ""),
                    ("is not in the roster",) if outside else (),
                )
            )
    ordered = _in_the_order_of_the_book(exercises)
    return Results(assignment, ordered, tuple(submissions), tuple(found.unused))


def _waiting(course, assignment, submissions, entries):
    """Student -> why there is no mark for what was handed in."""
    waiting = {}
    for who, entry in entries.items():
        marks = [mark for notebook in entry.notebooks for mark in notebook.grades]
        names = [m.name for m in marks if m.needs_manual_grade and m.manual_score is None]
        if names:
            waiting[who] = f"to be graded by hand: {', '.join(names)}"
    for each in submissions:
        before = note_of(course, each.student, assignment).get("submission")
        if each.student not in entries:
            waiting[each.student] = "handed in, and not graded yet"
        elif before not in (None, content_of(each)):
            waiting[each.student] = "handed in again since it was graded"
    return waiting


def _in_the_order_of_the_book(exercises):
    known = [name for name in EXERCISES if name in exercises]
    return {name: exercises[name] for name in [*known, *sorted(set(exercises) - set(known))]}


def _submission(who, student, entry, late, folder, stubs, ungraded, flags):
    about = {
        "student": who,
        "first_name": getattr(student, "first_name", None) or "",
        "last_name": getattr(student, "last_name", None) or "",
        "email": getattr(student, "email", None) or "",
        "ungraded": ungraded,
    }
    if entry is None:
        return StudentResult(**about, score=None, points={}, flags=flags)
    grades = [grade for notebook in entry.notebooks for grade in notebook.grades]
    notes = _Notes(stubs, list(flags))
    for path in sorted(folder.glob("*.ipynb")):
        notes.read(path)
    lost = {grade.name for grade in grades if grade.score < grade.max_score}
    return StudentResult(
        **about,
        score=None if ungraded else max(0.0, entry.score - entry.late_submission_penalty),
        points={grade.name: grade.score for grade in grades},
        to_grade_by_hand=tuple(grade.name for grade in grades if grade.needs_manual_grade),
        seconds_late=late,
        misconceptions=notes.misconceptions,
        flags=tuple(notes.flags),
        reasons={
            name: notes.reasons.get(name, OTHER)
            for name in sorted(lost)
            if not notes.misconceptions.get(name)
        },
    )


class _Notes:
    """What autograded notebooks tell. Only what a test cell says is ours."""

    def __init__(self, stubs, flags):
        self.stubs, self.flags = stubs, flags  # grade id -> source, as it was handed out
        self.misconceptions, self.reasons = {}, {}

    def read(self, path):
        try:
            notebook = json.loads(path.read_text(encoding="utf-8"))
            cells = notebook["cells"]
            notes = notebook["metadata"].get(FLAGS, {})
        except (OSError, ValueError, KeyError, TypeError):
            self.flags.append("the graded notebook can't be read")
            return
        self.flags += [str(flag) for flag in notes.get("flags", [])]
        self.flags += [str(notes[key]) for key in REMARKS if key in notes]
        answer = None
        for cell in cells:
            about = cell.get("metadata", {}).get("nbgrader", {})
            if about.get("solution"):
                answer = cell
            elif about.get("grade"):
                self._test(about.get("grade_id"), cell, answer)
                answer = None

    def _test(self, name, cell, answer):
        outputs = cell.get("outputs", [])
        for output in outputs:
            mark = output.get("data", {}).get(MIME)
            if isinstance(mark, dict) and mark.get("exercise") == name:
                wrong = mark.get("misconceptions", [])
                self.misconceptions[name] = tuple(str(each) for each in wrong)
        self.reasons[name] = self._reason(outputs, answer or {})

    def _reason(self, outputs, answer):
        raised = [output.get("ename") for output in answer.get("outputs", []) + outputs]
        source = answer.get("source", "")
        source = "".join(source) if isinstance(source, list) else source
        about = answer.get("metadata", {}).get("nbgrader", {})
        said = "".join(str(output.get("text", "")) for output in outputs)
        if answer and source.strip() == self.stubs.get(about.get("grade_id")):
            return BLANK
        if {"SyntaxError", "IndentationError", "TabError"} & set(raised):
            return SYNTAX
        if "CellTimeoutError" in raised or "took too long" in said:
            return SLOW
        if any(raised) or "your function raised" in said:
            return CRASHED
        return OTHER

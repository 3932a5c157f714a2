"""What has been graded: marks in the gradebook, the graded notebooks, and a note beside each.

One process alone writes here. A note says what a mark depends on, so that a run can be stopped at
any time and run again: what is unchanged is not graded again.
"""

import contextlib
import hashlib
import json
import secrets
import shutil
import tempfile
from pathlib import Path

import instnorm

from . import course as courses
from .hand_ins import shown
from .lateness import AssignLatePenalties, time_of

NOTE = ".judged.json"  # in the folder of a graded submission


class Ledger:
    """The marks of one assignment of a course; `gradebook` is open."""

    def __init__(self, course, assignment, gradebook, *, again=False, cases="all"):
        self.course, self.name, self.gradebook = course, assignment, gradebook
        self.assignment = courses.require(gradebook, assignment)
        self.seed, self.cases = self._seed(again), cases
        cells = courses.cells(self.assignment)
        about = self.seed.encode(), cases.encode()
        self.base = fingerprint(instnorm_sources(), cells, *about)
        self.penalties = AssignLatePenalties(config=course.config)

    def _seed(self, again):
        """The seed of the class: that of the environment, or of the run before, or a new one."""
        path = self.course.root("autograded") / f".{self.name}-seed"
        before = path.read_text(encoding="ascii").strip() if path.exists() and not again else None
        chosen = self.course.seed or before or str(secrets.randbits(48))
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, chosen.encode())
        return chosen

    def is_graded(self, submission):
        """Whether this very submission has been graded, with these very checks."""
        note = note_of(self.course, submission.student, self.name)
        return note.get("fingerprint") == self._fingerprint(submission)

    def _fingerprint(self, submission):
        return fingerprint(self.base.encode(), content_of(submission).encode())

    def enter(self, submission, graded):
        """Write what came of a submission: marks, notebooks, and last of all the note."""
        student = submission.student
        self.gradebook.update_or_create_student(student)
        entry = self.gradebook.update_or_create_submission(self.name, student)
        for notebook in entry.notebooks:
            for mark in notebook.grades:
                missing = (None if graded.failure else 0.0, True)
                mark.auto_score, by_hand = graded.grades.get((notebook.name, mark.name), missing)
                # Marks and comments by a person are kept, and listed to be looked at again.
                mark.needs_manual_grade = by_hand or mark.manual_score is not None
            for comment in notebook.comments:
                comment.auto_comment = graded.comments.get((notebook.name, comment.name))
        self.gradebook.db.commit()
        self._keep(submission, graded)

    def _keep(self, submission, graded):
        """Put the graded notebooks in place, all at once."""
        folder = self.course.folder("autograded", graded.student, self.name)
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{self.name}-", dir=folder.parent))
        for name, content in graded.notebooks.items():
            (fresh / name).write_bytes(content)
        if graded.log:
            (fresh / "grading.log").write_text(graded.log, encoding="utf-8", errors="replace")
        if not graded.failure:
            note = {
                "fingerprint": self._fingerprint(submission),
                "submission": content_of(submission),
                "seconds": round(graded.seconds, 3),
                "remarks": graded.remarks,
            }
            (fresh / NOTE).write_text(json.dumps(note), encoding="utf-8")
        fresh.chmod(0o755)
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=".old-", dir=folder.parent))
            folder.rename(old / folder.name)
            fresh.rename(folder)
            shutil.rmtree(old, ignore_errors=True)
        else:
            fresh.rename(folder)

    def settle_lateness(self, submissions):
        """Set time, extension and penalty of all that was graded. What was odd, in words."""
        handed_in, odd = {each.student: each for each in submissions}, []
        for entry in self.gradebook.assignment_submissions(self.name):
            submission = handed_in.get(entry.student_id)
            self.settle(submission, entry)
            if submission and submission.timestamp and entry.timestamp is None:
                odd.append(f"{shown(entry.student_id)}: its timestamp.txt holds no time")
        self.gradebook.db.commit()
        return odd

    def settle(self, submission, entry=None):
        """Set time, extension and penalty of one entry of the gradebook, and return it."""
        entry = entry or self.gradebook.find_submission(self.name, submission.student)
        if submission is not None:
            entry.timestamp = time_of(submission.timestamp)
        self.penalties.assign(entry)
        return entry

    def for_a_person(self, graded):
        """What a person has to look at, in words; `graded` are the students of this run."""
        found = []
        for entry in self.gradebook.assignment_submissions(self.name):
            marks = [mark for notebook in entry.notebooks for mark in notebook.grades]
            remarks = note_of(self.course, entry.student_id, self.name).get("remarks", [])
            waiting = [m.name for m in marks if m.needs_manual_grade and m.manual_score is None]
            stale = [m.name for m in marks if m.needs_manual_grade and m.manual_score is not None]
            what = list(remarks)
            if waiting and not remarks:
                what.append(f"no mark yet for {', '.join(waiting)}")
            if stale and entry.student_id in graded:
                what.append(f"marks by hand from before stand: {', '.join(stale)}; look again")
            found += [f"{shown(entry.student_id)}: {each}" for each in what]
        return found


def note_of(course, student, assignment):
    """What was noted when a submission was graded; {} if nothing was."""
    path = course.folder("autograded", student, assignment) / NOTE
    with contextlib.suppress(OSError, ValueError):
        note = json.loads(path.read_text(encoding="utf-8"))
        return note if isinstance(note, dict) else {}
    return {}


def content_of(submission):
    """A hash of what a student handed in, but not of when: lateness is no part of grading."""
    notebooks = sorted(submission.notebooks.items())
    parts = [part for name, content in notebooks for part in (name.encode(), content)]
    return fingerprint(*parts, json.dumps(submission.notes, sort_keys=True).encode())


def instnorm_sources():
    """The code that a mark depends on: the checks, the kernels under them, and the judge."""
    home = Path(instnorm.__file__).parents[1]
    packages = "instnorm", "instnorm_checks", "instnorm_judge"
    files = [path for name in packages for path in home.glob(f"{name}/**/*.py")]
    return b"".join(path.read_bytes() for path in sorted(files))


def fingerprint(*parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def write(path, content):
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    beside.write_bytes(content)
    beside.replace(path)

"""Grade one submission by itself: in a folder of its own, with a gradebook of its own.

This is what a worker does, in this process or on another machine. It is handed bytes and gives
back plain values; it sees neither the course folder nor the gradebook nor anybody else's work.
nbgrader's own `Autograde` does the grading, with the settings of nbgrader_config.py.
"""

import contextlib
import json
import logging
import os
import sqlite3
import tempfile
import threading
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import AssignLatePenalties
from sqlalchemy.exc import SAWarning
from sqlalchemy.orm import scoped_session, sessionmaker
from traitlets.config import Config

from instnorm_checks import CASES, SEED

# nbgrader_config.py names what is in these; so workers have it before they are forked.
from . import execute, grades, lateness, rebuild  # noqa: F401

LOG_LINES = 200  # of one submission, kept for the instructor

# What the assignment and the student are called here. nbgrader takes names for patterns of files,
# and nobody has promised that there are no brackets in them.
ASSIGNMENT, STUDENT = "assignment", "student"


@dataclass(frozen=True)
class Plan:
    """What all submissions of a run have in common."""

    config: dict  # nbgrader's, as nbgrader_config.py has it
    gradebook: bytes  # an SQLite file that knows ASSIGNMENT and no students
    seed: str  # of the hidden cases
    cases: str = "all"  # or "public": the hidden ones are left for later


@dataclass(frozen=True)
class GradedSubmission:
    """What came of a submission."""

    student: str
    # (notebook, cell) -> (points by the machine, whether a person has to grade it)
    grades: dict[tuple[str, str], tuple[float | None, bool]] = field(default_factory=dict)
    comments: dict[tuple[str, str], str | None] = field(default_factory=dict)
    notebooks: dict[str, bytes] = field(default_factory=dict)  # autograded
    seconds: float = 0.0
    remarks: list[str] = field(default_factory=list)  # what a person has to know
    failure: str | None = None  # why there are no grades
    log: str = ""


def grade(plan, submission):
    """Grade one Submission by a Plan; a GradedSubmission. Raises nothing that a student did."""
    start = time.perf_counter()
    log = _Lines()
    os.environ[SEED] = plan.seed
    os.environ[CASES] = plan.cases
    with tempfile.TemporaryDirectory(prefix="grading-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # from inside nbgrader's gradebook
        root = Path(folder).resolve()
        config = _config(plan, submission, root)
        _lay_out(plan, submission, root)
        try:
            course = CourseDirectory(config=config)
            with _opened_often(root / "gradebook.db", course.db_url):
                converter = Autograde(coursedir=course, config=config, log=log.logger)
                _without(converter, AssignLatePenalties).start()
                result = _outcome(root, course.db_url)
        # nbgrader ends the program where it gives up on a submission.
        except (Exception, SystemExit) as problem:
            result = {"failure": f"{type(problem).__name__}: {problem}"[:500]}
        result["log"] = log.text()
    return GradedSubmission(submission.student, **result, seconds=time.perf_counter() - start)


def _config(plan, submission, root):
    config = Config(plan.config)
    config.CourseDirectory.update(
        root=str(root),
        db_url=f"sqlite:///{root / 'gradebook.db'}",
        assignment_id=ASSIGNMENT,
        student_id=STUDENT,
        submitted_directory="submitted",
        autograded_directory="autograded",
        source_directory="source",
    )
    config.Chooser.notes = submission.notes
    return config


def _lay_out(plan, submission, root):
    (root / "gradebook.db").write_bytes(plan.gradebook)
    folder = root / "submitted" / STUDENT / ASSIGNMENT
    folder.mkdir(parents=True)
    for name, content in submission.notebooks.items():
        (folder / name).write_bytes(content)


# --- The gradebook --------------------------------------------------------------------------------
# nbgrader opens it nine times for a submission. Each time it makes an engine that compiles all its
# queries anew, and looks for seventeen tables. That is a third of the work of this process.

_here = threading.local()


@contextlib.contextmanager
def _opened_often(path, db_url):
    """Within, this thread opens the gradebook in the file `path` quickly."""
    _here.path, _here.db_url, _here.fresh = str(path), db_url, True
    try:
        yield
    finally:
        _here.db_url = None
        _engine().dispose()


def _engine():
    """The engine of this thread, whose queries stay compiled. Its file is another each time."""

    def connect():
        connection = sqlite3.connect(_here.path)
        connection.execute("PRAGMA synchronous = OFF")  # if this machine stops, it is graded again
        return connection

    if not hasattr(_here, "engine"):
        _here.engine = sqlalchemy.create_engine(
            "sqlite://", creator=connect, poolclass=sqlalchemy.QueuePool
        )
    return _here.engine


def _open(self, db_url, course_id="default_course", authenticator=None):
    if db_url != getattr(_here, "db_url", None):
        _open_as_usual(self, db_url, course_id, authenticator)
        return
    self.engine, self.course_id, self.authenticator = _engine(), course_id, authenticator
    self.db = scoped_session(sessionmaker(autoflush=True, bind=self.engine))
    if _here.fresh:
        self.check_course(course_id=course_id)
        _here.fresh = False


_open_as_usual, Gradebook.__init__ = Gradebook.__init__, _open


def _without(converter, preprocessor):
    """The settings without late penalties: only the real gradebook knows who has an extension."""
    converter.autograde_preprocessors = [
        each for each in converter.autograde_preprocessors if not issubclass(each, preprocessor)
    ]
    return converter


def _outcome(root, db_url):
    with Gradebook(db_url) as gradebook:
        notebooks = gradebook.find_submission(ASSIGNMENT, STUDENT).notebooks
        grades = {
            (notebook.name, each.name): (each.auto_score, each.needs_manual_grade)
            for notebook in notebooks
            for each in notebook.grades
        }
        comments = {
            (notebook.name, each.name): each.auto_comment
            for notebook in notebooks
            for each in notebook.comments
        }
    folder = root / "autograded" / STUDENT / ASSIGNMENT
    files = {path.name: path.read_bytes() for path in folder.glob("*.ipynb")}
    remarks = [each for content in files.values() for each in _remarks(content)]
    return {"grades": grades, "comments": comments, "notebooks": files, "remarks": remarks}


def _remarks(notebook):
    notes = json.loads(notebook)["metadata"].get(rebuild.FLAGS, {})
    return [notes[key] for key in rebuild.REMARKS if key in notes]


class _Lines(logging.Handler):
    """The last lines of what nbgrader has to say about one submission."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []
        self.logger = logging.Logger("submission")
        self.logger.addHandler(self)

    def emit(self, record):
        self.lines = [*self.lines[1 - LOG_LINES :], self.format(record)]

    def text(self):
        return "\n".join(self.lines)

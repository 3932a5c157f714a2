"""A course folder: its settings, its gradebook, who is in it and what they handed in."""

import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy
from nbgrader.api import Base, Gradebook
from nbgrader.apps.baseapp import NbGrader
from nbgrader.coursedir import CourseDirectory

from instnorm_checks import SEED

from . import hand_ins


@dataclass(frozen=True)
class Course:
    """A course folder, as its nbgrader_config.py describes it."""

    config: dict
    directory: CourseDirectory
    seed: str | None = None  # that somebody chose, by setting the variable

    @classmethod
    def here(cls):
        """The course in the working directory. Raises SystemExit if there is none."""
        if not Path("nbgrader_config.py").exists():
            raise SystemExit("There is no nbgrader_config.py here. Run this in your course folder.")
        seed = os.environ.get(SEED)  # nbgrader_config.py draws one where none is given
        sys.path.insert(0, os.getcwd())  # as nbgrader has it: plugins may lie here
        app = NbGrader()
        app.load_config_file()
        return cls(app.config, CourseDirectory(parent=app), seed)

    @property
    def db_url(self):
        return self.directory.db_url

    def gradebook(self):
        return Gradebook(self.db_url)

    def folder(self, step, student, assignment):
        """Where nbgrader has a student's work: `step` is submitted, autograded or feedback."""
        step = getattr(self.directory, f"{step}_directory")
        return Path(self.directory.format_path(step, student, assignment))

    def root(self, step):
        return Path(self.directory.root) / getattr(self.directory, f"{step}_directory")


def require(gradebook, assignment):
    """The assignment in an open Gradebook. Raises SystemExit, in words, if it has none."""
    known = [each.name for each in gradebook.assignments]
    if assignment not in known:
        raise SystemExit(
            f"The gradebook has no assignment {assignment!r}; it has: "
            f"{', '.join(known) or 'none'}. Run `nbgrader generate_assignment {assignment}`."
        )
    return gradebook.find_assignment(assignment)


def handed_in(course, gradebook, assignment, only=None):
    """The `hand_ins.HandIns` of an assignment."""
    return hand_ins.find(
        course.root("submitted"),
        assignment,
        hand_ins.handed_out(gradebook),
        [student.id for student in gradebook.students],
        only,
    )


def same_student(folder, student):
    """Whether a folder may be meant as that of a student."""
    return hand_ins.same(folder) == hand_ins.same(student)


def on_the_roster(gradebook):
    """Ids of the students who were imported; None if nobody was, so that there is no roster.

    nbgrader makes a student of everybody who hands in. Those have an id and nothing else.
    """
    known = {
        each.id
        for each in gradebook.students
        if each.first_name or each.last_name or each.email or each.lms_user_id
    }
    return known or None


def cells(assignment):
    """All that was handed out, as bytes to compare."""
    return json.dumps(
        sorted(
            (notebook.name, cell.name, cell.cell_type, cell.source or "", bool(cell.locked))
            for notebook in assignment.notebooks
            for cell in notebook.source_cells
        )
    ).encode()


def template(original, name):
    """A gradebook file, as bytes, with one assignment called `name` and no students."""
    with tempfile.TemporaryDirectory(prefix="grading-") as folder:
        path = Path(folder) / "gradebook.db"
        # nbgrader would make the tables too, and then ask alembic which version they are: 3 seconds
        engine = sqlalchemy.create_engine(f"sqlite:///{path}")
        Base.metadata.create_all(engine)
        engine.dispose()
        with Gradebook(f"sqlite:///{path}") as gradebook:
            _copy(original, gradebook, name)
        return path.read_bytes()


def _copy(original, gradebook, name):
    gradebook.add_assignment(name)
    for notebook in original.notebooks:
        gradebook.add_notebook(notebook.name, name)
        for add, originals, keys in (
            (gradebook.add_grade_cell, notebook.grade_cells, ("max_score", "cell_type")),
            (gradebook.add_solution_cell, notebook.solution_cells, ()),
            (gradebook.add_task_cell, notebook.task_cells, ("max_score", "cell_type")),
            (
                gradebook.add_source_cell,
                notebook.source_cells,
                ("source", "checksum", "cell_type", "locked"),
            ),
        ):
            for cell in originals:
                about = {key: getattr(cell, key) for key in keys}
                add(cell.name, notebook.name, name, **about)

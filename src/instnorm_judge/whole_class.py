"""Grade a whole class: many workers, one writer.

Workers grade submissions (`one_submission.grade`) and know nothing of each other. This process
alone reads the course folder and writes to the gradebook, which may be SQLite or PostgreSQL:
several writers would lose marks. Workers are processes of this machine, or those of a Dask cluster;
the code is the same, and so are the marks.

A run can be interrupted at any time, and run again. What has been graded is noted next to the
graded notebook, with a fingerprint of all that the mark depends on; what is unchanged is not graded
again.
"""

import contextlib
import hashlib
import json
import multiprocessing.connection
import os
import secrets
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import nbformat
import sqlalchemy
from nbgrader.api import Base, Gradebook
from nbgrader.apps.baseapp import NbGrader
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import AssignLatePenalties
from nbgrader.utils import parse_utc

import instnorm
from instnorm_checks import SEED

from .one_submission import GradedSubmission, Plan, Submission, grade
from .rebuild import MAX_FILE

NOTE = ".judged.json"  # in the folder of a graded submission
ATTEMPTS = 3  # for a submission whose worker dies


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

    def folder(self, step, student, assignment):
        return Path(self.directory.format_path(step, student, assignment))

    @property
    def db_url(self):
        return self.directory.db_url

    @property
    def autograded(self):
        return Path(self.directory.root) / self.directory.autograded_directory


def autograde(course, assignment, submit, *, again=False, progress=lambda done, total: None):
    """Grade what has been handed in and not been graded yet.

    Parameters
    ----------
    course : Course
    assignment : its name
    submit : function (plan, list of Submission) -> iterator over GradedSubmission, as they come
    again : grade everything anew, with a new seed
    progress : called with the number of submissions graded and that of all

    Returns
    -------
    (graded, skipped, failed) : number of submissions graded, number found graded already, and the
        GradedSubmission that have no mark, which a person has to look at

    Raises SystemExit, in words, when the gradebook does not know the assignment.
    """
    with tempfile.TemporaryDirectory(prefix="grading-") as folder:
        template = _template(course.db_url, assignment, Path(folder) / "gradebook.db")
    seed = _seed(course, assignment, again)
    plan = Plan(assignment, course.config, template, seed)
    base = _fingerprint(instnorm_sources(), _cells(course.db_url, assignment), seed.encode())
    handed = _handed_in(course, assignment)
    prints = {each.student: _fingerprint(base.encode(), *_content(each)) for each in handed}
    todo = [
        each
        for each in handed
        if again or _note(course, assignment, each.student) != prints[each.student]
    ]
    failed, done = [], 0
    if todo:
        by_student = {each.student: each for each in todo}
        with Gradebook(course.db_url) as gradebook:
            for graded in submit(plan, todo):
                if graded.failure:
                    failed.append(graded)
                _record(gradebook, course, assignment, by_student[graded.student], graded)
                _keep(course, assignment, graded, prints[graded.student])
                done += 1
                progress(done, len(todo))
    return done, len(handed) - len(todo), failed


# --- What is there --------------------------------------------------------------------------------


def _handed_in(course, assignment):
    """What every student handed in: the notebooks that the gradebook knows, and the time."""
    with Gradebook(course.db_url) as gradebook:
        names = [f"{each.name}.ipynb" for each in gradebook.find_assignment(assignment).notebooks]
    root = course.folder(course.directory.submitted_directory, "*", assignment)
    found = []
    for folder in sorted(
        Path(course.directory.root).glob(os.path.relpath(root, course.directory.root))
    ):
        files = {name: _read(folder / name) for name in names if os.path.lexists(folder / name)}
        if files:
            stamp = _read(folder / "timestamp.txt") or b""
            timestamp = stamp.decode("utf-8", "replace").strip() or None
            found.append(Submission(folder.parent.name, files, timestamp))
    return found


def _read(path):
    """The bytes of an ordinary file of ordinary size; None for anything else."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_FILE:
            return None
        return path.read_bytes()
    except OSError:
        return None


def _content(handed):
    for name, content in sorted(handed.notebooks.items()):
        yield name.encode()
        yield content or b""
    yield (handed.timestamp or "").encode()


def _template(db_url, assignment, path):
    """A gradebook file with one assignment and no students."""
    # nbgrader would make the tables too, and then ask alembic which version they are: 3 seconds.
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    Base.metadata.create_all(engine)
    engine.dispose()
    with Gradebook(db_url) as whole, Gradebook(f"sqlite:///{path}") as template:
        known = [each.name for each in whole.assignments]
        if assignment not in known:
            raise SystemExit(
                f"The gradebook has no assignment {assignment!r}; it has: "
                f"{', '.join(known) or 'none'}. Run `nbgrader generate_assignment {assignment}`."
            )
        original = whole.find_assignment(assignment)
        template.add_assignment(assignment, duedate=original.duedate)
        for notebook in original.notebooks:
            template.add_notebook(notebook.name, assignment)
            for add, cells, keys in (
                (template.add_grade_cell, notebook.grade_cells, ("max_score", "cell_type")),
                (template.add_solution_cell, notebook.solution_cells, ()),
                (template.add_task_cell, notebook.task_cells, ("max_score", "cell_type")),
                (
                    template.add_source_cell,
                    notebook.source_cells,
                    ("source", "checksum", "cell_type", "locked"),
                ),
            ):
                for cell in cells:
                    about = {key: getattr(cell, key) for key in keys}
                    add(cell.name, notebook.name, assignment, **about)
    return path.read_bytes()


def _cells(db_url, assignment):
    """All that was handed out, as bytes to compare."""
    with Gradebook(db_url) as gradebook:
        cells = [
            (notebook.name, cell.name, cell.cell_type, cell.source or "", bool(cell.locked))
            for notebook in gradebook.find_assignment(assignment).notebooks
            for cell in notebook.source_cells
        ]
    return json.dumps(sorted(cells)).encode()


def instnorm_sources():
    """The code that a mark depends on: the checks, the kernels under them, and the judge."""
    home = Path(instnorm.__file__).parents[1]
    packages = "instnorm", "instnorm_checks", "instnorm_judge"
    files = [path for name in packages for path in home.glob(f"{name}/**/*.py")]
    return b"".join(path.read_bytes() for path in sorted(files))


def _fingerprint(*parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


# --- What has been done ---------------------------------------------------------------------------


def _seed(course, assignment, again):
    """The seed of the class: that of the environment, or of the run before, or a new one."""
    path = course.autograded / f".{assignment}-seed"
    before = path.read_text(encoding="ascii").strip() if path.exists() and not again else None
    chosen = course.seed or before or str(secrets.randbits(48))
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, chosen.encode())
    return chosen


def _note(course, assignment, student):
    path = course.folder(course.directory.autograded_directory, student, assignment) / NOTE
    try:
        return json.loads(path.read_text(encoding="utf-8")).get("fingerprint")
    except (OSError, ValueError, AttributeError):
        return None


def _record(gradebook, course, assignment, handed, graded):
    """Write one submission's marks, all or none. What a person has written stays."""
    gradebook.update_or_create_student(handed.student)
    about = {"timestamp": handed.timestamp} if _is_a_time(handed.timestamp) else {}
    submission = gradebook.update_or_create_submission(assignment, handed.student, **about)
    for notebook in submission.notebooks:
        for mark in notebook.grades:
            points, by_hand = graded.grades.get((notebook.name, mark.name), (0.0, True))
            mark.auto_score = points
            mark.needs_manual_grade = by_hand or mark.manual_score is not None
        for comment in notebook.comments:
            comment.auto_comment = graded.comments.get((notebook.name, comment.name))
    gradebook.db.commit()
    for notebook in submission.notebooks:
        about = {"notebook": notebook.name, "assignment": assignment, "student": handed.student}
        AssignLatePenalties(config=course.config).preprocess(
            nbformat.v4.new_notebook(), {"nbgrader": {**about, "db_url": course.db_url}}
        )
    gradebook.db.expire_all()


def _is_a_time(text):
    try:
        return parse_utc(text) is not None
    except Exception:
        return False


def _keep(course, assignment, graded, fingerprint):
    """Put the graded notebooks in place, all at once; last of all the note that it is done."""
    folder = course.folder(course.directory.autograded_directory, graded.student, assignment)
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{assignment}-", dir=folder.parent))
    for name, content in graded.notebooks.items():
        (fresh / name).write_bytes(content)
    if graded.log:
        (fresh / "grading.log").write_text(graded.log, encoding="utf-8")
    if not graded.failure:
        note = {"fingerprint": fingerprint, "seconds": round(graded.seconds, 3)}
        (fresh / NOTE).write_text(json.dumps(note), encoding="utf-8")
    fresh.chmod(0o755)
    if folder.exists():
        old = Path(tempfile.mkdtemp(prefix=".old-", dir=folder.parent))
        folder.rename(old / folder.name)
        fresh.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    else:
        fresh.rename(folder)


def _write(path, content):
    beside = path.with_name(f"{path.name}.part")
    beside.write_bytes(content)
    beside.replace(path)


# --- Workers --------------------------------------------------------------------------------------


def on_this_machine(workers=None):
    """A `submit` for `autograde`: so many processes of this machine, or one for each core.

    A submission whose worker dies is given to a new one, up to ATTEMPTS times in all; then it is
    given up, with a reason.
    """

    def submit(plan, handed):
        waiting = [(each, 1) for each in reversed(handed)]
        wanted = min(workers or os.cpu_count() or 1, len(handed))
        with tempfile.TemporaryDirectory(prefix="grading-") as folder:
            team = {}  # connection -> worker
            try:
                while waiting or team:
                    while waiting and len(team) < wanted:
                        worker = _Worker(plan, folder)
                        team[worker.connection] = worker
                        worker.begin(*waiting.pop())
                    for connection in multiprocessing.connection.wait(team):
                        worker = team[connection]
                        graded = worker.result()
                        if graded is None and worker.attempt < ATTEMPTS:
                            waiting.append((worker.handed, worker.attempt + 1))
                        elif graded is None:
                            yield _given_up(worker.handed, "it ended while grading")
                        else:
                            yield graded
                        if graded is not None and waiting:
                            worker.begin(*waiting.pop())
                        else:
                            team.pop(connection).end()
            finally:
                for worker in team.values():
                    worker.end()

    return submit


class _Worker:
    """A process that grades one submission after the other."""

    # Forked from a process that has imported what grading needs, and done nothing else.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["instnorm_judge.one_submission"])

    def __init__(self, plan, folder):
        self.connection, theirs = self.context.Pipe()
        with theirs:
            about = plan, folder, theirs
            self.process = self.context.Process(target=_work, args=about, daemon=True)
            self.process.start()

    def begin(self, handed, attempt):
        self.handed, self.attempt = handed, attempt
        with contextlib.suppress(OSError):  # it has died: `result` will tell
            self.connection.send(handed)

    def result(self):
        """What the worker made of its submission; None if it has died."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            return None

    def end(self):
        with contextlib.suppress(OSError):
            self.connection.send(None)
        self.connection.close()
        self.process.join(5)
        self.process.kill()


def _work(plan, folder, connection):
    """A worker's life. What it leaves behind is in `folder`, which somebody else removes."""
    tempfile.tempdir = folder
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        while (handed := connection.recv()) is not None:
            connection.send(grade(plan, handed))


def on_dask(scheduler):
    """A `submit` for `autograde`: the workers of the Dask cluster at `scheduler`.

    As many attempts for a submission as on this machine. Dask is made for colleagues, not for
    strangers: keep the cluster's ports closed to others, or use TLS.
    """

    def submit(plan, handed):
        import dask
        from distributed import Client, as_completed

        with (
            dask.config.set({"distributed.admin.event-loop": "tornado"}),
            Client(scheduler, set_as_default=False) as client,
        ):
            # A copy for each worker, in place of one for each submission.
            shared = client.scatter(plan, broadcast=True)
            futures = {
                client.submit(grade, shared, each, pure=False, retries=ATTEMPTS - 1): each
                for each in handed
            }
            for future in as_completed(futures, loop=client.loop):
                yield _result(future, futures.pop(future))
                future.release()

    return submit


def _result(future, handed):
    try:
        return future.result()
    except Exception as problem:
        return _given_up(handed, type(problem).__name__)


def _given_up(handed, what):
    failure = f"the worker was lost {ATTEMPTS} times ({what})"
    return GradedSubmission(handed.student, failure=failure)


def in_this_process(plan, handed):
    """A `submit` without workers: one submission after the other."""
    for each in handed:
        yield grade(plan, each)


def show_progress(done, total, width=40):
    """A bar, where somebody is watching; elsewhere a line now and then."""
    if sys.stderr.isatty():
        bar = "█" * (width * done // total)
        end = "\n" if done == total else ""
        print(f"\r{bar:{width}} {done}/{total}", end=end, file=sys.stderr, flush=True)
    elif done == total or done % max(1, total // 20) == 0:
        print(f"graded {done} of {total}", file=sys.stderr, flush=True)

"""Feedback for a class: the pages, and the archive that a learning platform takes."""

import contextlib
import io
import multiprocessing
import os
import re
import sys
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import PurePosixPath

from . import feedback
from .collect import original_names
from .hand_ins import shown, unfit
from .ledger import write
from .workers import follow_whoever_started_this

MOODLE = re.compile(r".+_\d+_assignsubmission_[a-z]+")


class Pages:
    """Makes pages in processes of their own: what is on them was written by students."""

    def __init__(self, workers=None):
        # Forked from a process that has imported what that takes.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["instnorm_judge.one_submission", "instnorm_judge.feedback"])
        self.processes = ProcessPoolExecutor(
            workers or os.cpu_count(), mp_context=context, initializer=follow_whoever_started_this
        )
        self.begun = []  # (path, future)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.finish()
        self.processes.shutdown()

    def begin(self, course, entry):
        """Start on the pages of one SubmittedAssignment; how many there will be."""
        folder = course.folder("autograded", entry.student_id, entry.name)
        before = len(self.begun)
        for notebook in entry.notebooks:
            with contextlib.suppress(FileNotFoundError):
                content = (folder / f"{notebook.name}.ipynb").read_bytes()
                page = self.processes.submit(feedback.page, content, feedback.marks_of(notebook))
                path = course.folder("feedback", entry.student_id, entry.name)
                self.begun.append((path / f"{notebook.name}.html", page))
        return len(self.begun) - before

    def finish(self, *, wait=True):
        """Write the pages that are done, or all."""
        for path, page in self.begun:
            if wait or page.done():
                write(path, _content(page).encode("utf-8", "replace"))
        self.begun = [] if wait else [each for each in self.begun if not each[1].done()]


def _content(page):
    try:
        return page.result()
    except Exception as problem:  # whatever a notebook may do to a program that lays it out
        print(f"A page of feedback could not be made: {type(problem).__name__}", file=sys.stderr)
        return "<!doctype html><title>Feedback</title>This page could not be made. Please ask."


def is_current(course, student, assignment):
    """Whether the pages of a student are at least as new as what was graded."""
    graded = course.folder("autograded", student, assignment)
    pages = course.folder("feedback", student, assignment)
    try:
        return all(
            (pages / f"{path.stem}.html").stat().st_mtime_ns >= path.stat().st_mtime_ns
            for path in graded.glob("*.ipynb")
        )
    except FileNotFoundError:
        return False


def write_pages(course, gradebook, assignment):
    """The pages of a class: (how many were written, students who were graded and have none)."""
    with Pages() as pages:
        begun = {
            entry.student_id: pages.begin(course, entry)
            for entry in gradebook.assignment_submissions(assignment)
            if not unfit(entry.student_id)
        }
    without = [who for who, count in begun.items() if not count]
    without += [
        f"{shown(entry.student_id)}: {trouble}"
        for entry in gradebook.assignment_submissions(assignment)
        if (trouble := unfit(entry.student_id))
    ]
    return sum(begun.values()), without


def archive(course, assignment, platform):
    """The ZIP with everybody's pages that a platform imports, as bytes.

    Moodle ("Upload multiple feedback files in a zip") wants the names of the folders that it had
    given, Canvas ("Upload submissions") those of the files. They are known since `collect`; who is
    not known is left out, and named. Returns (bytes, names of those left out).
    """
    called, missing, content = original_names(course, assignment), [], io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for folder in sorted(course.root("feedback").glob("*")):
            student = folder.name
            if unfit(student):  # such pages are not ours
                continue
            pages = sorted(course.folder("feedback", student, assignment).glob("*.html"))
            if pages and platform != "plain" and student not in called:
                missing.append(student)
                continue
            for page in pages:
                file.write(page, _name(platform, student, called.get(student, ""), page.name))
    return content.getvalue(), missing


def _name(platform, student, original, page):
    if platform == "plain":
        return f"{student}/{page}"
    if platform == "moodle":
        # Moodle looks for a last underscore there, which not all its versions write.
        about = MOODLE.match(original)
        return f"{about[0] if about else original}_/{page}"
    return f"{PurePosixPath(original).stem}.html"

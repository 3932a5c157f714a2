"""Feedback for a class: the pages, and the archive that a learning platform takes."""

import contextlib
import io
import multiprocessing
import os
import re
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import PurePosixPath

from . import feedback
from .collect import original_names
from .ledger import write

MOODLE = re.compile(r".+_\d+_assignsubmission_[a-z]+")


def pool(workers=None):
    """Processes that make pages, forked from one that has imported what that takes."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["instnorm_judge.one_submission", "instnorm_judge.feedback"])
    return ProcessPoolExecutor(workers or os.cpu_count(), mp_context=context)


def begin(course, entry, processes):
    """Start on the pages of one SubmittedAssignment: [(path, future of the page)]."""
    folder = course.folder("autograded", entry.student_id, entry.name)
    pages = []
    for notebook in entry.notebooks:
        with contextlib.suppress(FileNotFoundError):
            content = (folder / f"{notebook.name}.ipynb").read_bytes()
            marks = feedback.marks_of(notebook)
            path = course.folder("feedback", entry.student_id, entry.name) / f"{notebook.name}.html"
            pages.append((path, processes.submit(feedback.page, content, marks)))
    return pages


def write_pages(course, gradebook, assignment):
    """The pages of a class: (how many were written, students who were graded and have none)."""
    with pool() as processes:
        begun = {
            entry.student_id: begin(course, entry, processes)
            for entry in gradebook.assignment_submissions(assignment)
        }
        for pages in begun.values():
            for path, page in pages:
                write(path, page.result().encode("utf-8", "replace"))
    return sum(map(len, begun.values())), [who for who, pages in begun.items() if not pages]


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

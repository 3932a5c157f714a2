"""Notebooks and files that were tampered with, or that are no notebooks at all."""

import copy
import json
import os

from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from instnorm_judge.rebuild import MAX_FILE, MAX_SOURCE

from . import CONTRAST, LOOPS, VECTORISED, Attack

ALL = (LOOPS, VECTORISED, CONTRAST)


def named(notebook, name):
    """The cell of that grade_id."""
    return next(
        cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == name
    )


def each_test(change):
    def edit(notebook):
        for name in ALL:
            change(notebook, named(notebook, name))

    return edit


def skipped(_, cell):
    cell.metadata["tags"] = ["skip-execution", "raises-exception", "remove-cell"]


def ungraded(_, cell):
    cell.metadata.nbgrader.update(grade=False, points=1000, locked=False)


def deleted(notebook, cell):
    notebook.cells.remove(cell)


def raw(_, cell):
    cell.cell_type = "raw"
    cell.pop("outputs", None), cell.pop("execution_count", None)


def doubled(notebook, cell):
    twin = copy.deepcopy(cell)
    twin.source = "6.0"
    notebook.cells.append(twin)


def executed(_, cell):
    """Outputs that claim the points."""
    mark = {"exercise": "instance-norm", "points": 6.0, "of": 6.0, "seed": "1", "aspects": {}}
    data = {"text/plain": "6.0", "application/vnd.instnorm.mark+json": mark}
    cell.outputs = [new_output("execute_result", data)]


def answer_turned_test(notebook):
    """An answer that says that it is the test, and the test that says that it is the answer."""
    for name in ALL:
        test, answer = named(notebook, name), named(notebook, f"{name}-answer")
        test.metadata.nbgrader.grade_id, answer.metadata.nbgrader.grade_id = f"{name}-answer", name


def script_in_text(notebook):
    notebook.cells.insert(
        0, new_markdown_cell("<script>HARMED()</script><b onclick='HARMED()'>b</b>")
    )


def huge(notebook):
    notebook.cells.insert(0, new_code_cell("#" * MAX_SOURCE))


def quadratic(notebook):
    """Takes minutes to become a page."""
    notebook.cells.insert(0, new_markdown_cell("[" * 200_000))


def wide(data):
    """Of a size that is allowed, and a hundred times that where all of it is made into objects."""
    many = b"{}," * (MAX_FILE // 3 - 100_000)
    return data.replace(b"{", b'{"more": [%b0], ' % many, 1)


def marked(notebook):
    """Lines that mean something to nbgrader, where it does not expect them."""
    for marker in ("BEGIN HIDDEN TESTS", "BEGIN SOLUTION", "END MARK SCHEME"):
        notebook.cells.insert(0, new_code_cell(f"### {marker}"))
        named(notebook, f"{LOOPS}-answer").source += f"\n### {marker}"


def foreign_notes(notebook):
    """Metadata that the judge might take for its own, or nbconvert for an order."""
    notebook.metadata["instnorm_judge"] = {"not_graded": "x", "flags": ["x"]}
    notebook.metadata["kernelspec"] = {"name": "bash", "display_name": "x", "language": "bash"}
    notebook.metadata["celltoolbar"] = {"a": [{}] * 100}


def forged_time(folder):
    (folder / "timestamp.txt").write_text("the day before the deadline")


def helpers(folder):
    """Files that Python would import in place of its own."""
    evil = "open('/tmp/HARMED-by-an-import', 'w')\ngrade = check = lambda *a: 6.0\n"
    for name in ("numpy.py", "sitecustomize.py", "conftest.py", "usercustomize.py", "zlib.py"):
        (folder / name).write_text(evil)
    (folder / "instnorm").mkdir()
    (folder / "instnorm/__init__.py").write_text(evil)
    (folder / "instnorm_checks.py").write_text(evil)
    (folder / "nbgrader_config.py").write_text(evil)


def links(folder):
    (folder / "notes.txt").symlink_to(folder.parents[2] / "gradebook.db")
    (folder / "data").symlink_to(folder.parents[1])
    os.mkfifo(folder / "pipe")


def becomes_a_link(folder):
    path = next(folder.glob("*.ipynb"))
    path.unlink()
    path.symlink_to(folder.parents[1] / "control-plain" / folder.name / path.name)


def content(write):
    def change(folder):
        path = next(folder.glob("*.ipynb"))
        path.write_bytes(write(path.read_bytes()))

    return change


def strange_cells(data):
    notebook = json.loads(data)
    notebook["cells"][0]["source"] = ["ok", {"not": "ok"}]
    return json.dumps(notebook).encode()


NO_NOTEBOOK = "The file handed in is no Jupyter notebook"

ATTACKS = {
    "skips-the-tests": Attack(edit=each_test(skipped), scores_in_process=True),
    "grade-false": Attack(edit=each_test(ungraded), says="the metadata of instance-norm had been"),
    "deletes-the-tests": Attack(edit=each_test(deleted), says="instance-norm was missing"),
    "raw-tests": Attack(edit=each_test(raw), says="had become a raw cell"),
    "doubles-the-tests": Attack(edit=each_test(doubled), says="was there more than once"),
    "outputs-of-tests": Attack(edit=each_test(executed)),
    "answers-turned-tests": Attack(edit=answer_turned_test, says="had been edited"),
    "foreign-notes": Attack(edit=foreign_notes),
    "script-in-text": Attack(edit=script_in_text),
    "forged-time-stamp": Attack(file=forged_time),
    "files-to-import": Attack(file=helpers),
    "links-to-other-files": Attack(file=links),
    "link-to-another-submission": Attack(file=becomes_a_link, says="a link to another file"),
    "no-json": Attack(file=content(lambda data: data[: len(data) // 2]), says=NO_NOTEBOOK),
    "empty-file": Attack(file=content(lambda data: b""), says=NO_NOTEBOOK),
    "no-text": Attack(file=content(lambda data: bytes(range(256)) * 9), says=NO_NOTEBOOK),
    "deep-json": Attack(file=content(lambda data: b"[" * 10**6), says=NO_NOTEBOOK),
    "other-json": Attack(file=content(lambda data: b'{"cells": 3}'), says=NO_NOTEBOOK),
    "strange-cells": Attack(file=content(strange_cells), says=NO_NOTEBOOK),
    "huge-file": Attack(file=content(lambda data: data + bytes(MAX_FILE)), says="larger than"),
    "wide-json": Attack(file=content(wide)),
    "quadratic-markdown": Attack(edit=quadratic),
    "huge-cell": Attack(edit=huge, says="has more than"),
    "markers-of-nbgrader": Attack(edit=marked),
    "cells-are-null": Attack(
        file=content(lambda data: b'{"nbformat": 4, "nbformat_minor": 5, "cells": [null, 3]}'),
        says=NO_NOTEBOOK,
    ),
}

"""Rebuild a submission before any of it runs: known cells from the gradebook, the rest as text.

Of a submission only the *source* of cells is taken, and of cells that the gradebook knows only the
source of answers. Metadata, tags, outputs, attachments and foreign keys stay behind. So a test can
be edited, deleted, copied, skipped or renamed to no effect; what was found is noted (`FLAGS`).

Cells that the gradebook does not know are kept: students put imports and helpers there, and in the
sandbox they can do no harm. Text by students is kept so that it can be read (`inert`).
"""

import contextlib
import json
import re
from pathlib import Path

from nbconvert.exporters import NotebookExporter
from nbformat import from_dict
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader import preprocessors
from nbgrader.api import Gradebook
from nbgrader.nbgraderformat.v3 import MetadataValidatorV3
from nbgrader.utils import parse_utc

from . import inert

FLAGS = "instnorm_judge"  # key of our notes in the notebook's metadata
# Of these notes, the ones that a person has to see.
REMARKS = "unreadable", "undecided", "not_graded", "check_failed"

# A parsed file takes up to twenty times its size in memory. A page made of it takes a second for
# ten thousand characters, and on hostile text the time is quadratic in the length.
MAX_FILE = 20 * 2**20  # bytes of a submission
MAX_CELLS = 1_000
MAX_SOURCE = 1_000_000  # characters of all cells
MAX_TEXT = 10_000  # characters of a cell that is not code

SAID = ("grade_id", "grade", "solution", "locked", "task", "points")  # by a cell, of itself


class Unreadable(ValueError):
    """The submission is not a notebook; the message says so to its author."""


class SafeExporter(NotebookExporter):
    """Reads what students hand in. What is no notebook becomes an empty one, with the reason.

    nbgrader would drop the submission, and the student would have no grade at all.
    """

    def from_filename(self, filename, resources=None, **kwargs):
        if not getattr(self.parent, "_sanitizing", True):
            return super().from_filename(filename, resources, **kwargs)  # rebuilt already
        self._leave_behind(resources)
        path = Path(filename)
        content, notes = self.content(path)
        try:
            if "unreadable" in notes:
                raise Unreadable(notes["unreadable"])
            notebook = read(path) if content is None else parse(content)
        except Unreadable as reason:
            self.log.warning("%s: %s", filename, reason)
            notebook, notes = new_notebook(), {**notes, "unreadable": str(reason)}
        if notes:
            notebook.metadata[FLAGS] = notes
        resources = resources or {}
        resources.setdefault("metadata", {}).update(name=path.stem, path=str(path.parent))
        return self.from_notebook_node(notebook, resources=resources, **kwargs)

    def _preprocess(self, nb, resources):
        """nbconvert copies the notebook three times, and checks it after each step.

        It is nobody else's, and is checked once, at the end.
        """
        step = None
        for step in self._preprocessors:
            nb, resources = step(nb, resources)
        self._validate_preprocessor(nb, step)
        return nb, resources

    def content(self, path):
        """(bytes of the notebook, or None for those of the file at `path`; notes about them)."""
        return None, {}

    def _leave_behind(self, resources):
        """Remove what nbgrader copied of other files: HTML would be shown as a page of ours."""
        about = (resources or {}).get("nbgrader")
        if about is None:
            return
        graded = Path(self.parent._format_dest(about["assignment"], about["student"]))
        for path in sorted(graded.rglob("*"), reverse=True):
            if path.is_dir() and not path.is_symlink():
                with contextlib.suppress(OSError):  # there are notebooks in it
                    path.rmdir()
            elif path.suffix != ".ipynb" and path != graded / "timestamp.txt":
                path.unlink()


def read(path):
    """The notebook in a file: its cells' sources, and what they say of themselves.

    Raises Unreadable, with a reason for the student, for everything else.
    """
    path = Path(path)
    try:
        # A link would put the file of somebody else into this student's folder.
        if path.is_symlink():
            raise Unreadable("The file handed in is a link to another file.")
        if path.stat().st_size > MAX_FILE:
            raise Unreadable(f"The file handed in is larger than {MAX_FILE // 2**20} MiB.")
        return parse(path.read_bytes())
    except OSError as error:
        raise Unreadable(f"The file handed in can't be read ({error.strerror}).") from None


def parse(content):
    """The notebook in the bytes of a file; raises Unreadable like `read`."""
    try:
        notebook = json.loads(decoded(content))
        if not isinstance(notebook, dict) or notebook.get("nbformat") != 4:
            raise Unreadable("The file handed in is no Jupyter notebook of format 4.")
        cells = notebook["cells"]
        if len(cells) > MAX_CELLS:
            raise Unreadable(f"The notebook handed in has more than {MAX_CELLS} cells.")
        cells = [_plain(cell, f"cell-{k}") for k, cell in enumerate(cells)]
        if sum(len(cell.source) for cell in cells) > MAX_SOURCE:
            raise Unreadable(f"The notebook handed in has more than {MAX_SOURCE} characters.")
        return new_notebook(cells=cells)
    except Unreadable:
        raise
    except Exception as error:  # what is raised for nonsense depends on the nonsense
        name = type(error).__name__
        raise Unreadable(f"The file handed in is no Jupyter notebook ({name}).") from None


def decoded(content):
    """The text in the bytes of a file, whatever editor saved it: UTF-8, UTF-16 or Windows-1252."""
    encoding = json.detect_encoding(content)
    try:
        return content.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError:
        return content.decode("cp1252")


def _plain(cell, name):
    """A new cell with the type and the source of another, and its nbgrader metadata and tags."""
    kind = cell["cell_type"] if cell["cell_type"] in ("code", "markdown") else "raw"
    source = cell.get("source", "")
    source = "".join(source) if isinstance(source, list) else source
    if kind != "code" and len(source) > MAX_TEXT:
        source = f"{source[:MAX_TEXT]}\n\n(The rest was left out.)"
    source = source.encode("utf-8", "replace").decode("utf-8")  # lone surrogates can't be written
    metadata = cell.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    about = metadata.get("nbgrader")
    about = about if isinstance(about, dict) else {}
    said = {
        "nbgrader": {
            key: about[key] for key in SAID if isinstance(about.get(key), str | int | float)
        },
        "tags": ["dropped"] if metadata.get("tags") else [],
    }
    made = {"cell_type": kind, "id": name, "metadata": said, "source": source}
    if kind == "code":
        made |= {"execution_count": None, "outputs": []}
    return from_dict(made)  # nbformat's own functions check each cell, for a millisecond each


class Rebuild(preprocessors.NbGraderPreprocessor):
    """Put every cell that the gradebook knows back to what it was handed out as.

    Each is there once, with its own type and metadata; all but answers also with their own source.
    No other cell keeps any metadata.

    A missing answer stays missing: if the function is defined in another cell, that counts.
    Everything else that is missing comes back, imports first and tests last.
    """

    def preprocess(self, nb, resources):
        about = resources["nbgrader"]
        notes = dict(nb.metadata.get(FLAGS, {}))
        if trouble := inert.trouble_with_name(about["student"]):
            raise ValueError(f"the student {about['student']!r} can't be graded: {trouble}")
        self.flags = []
        with Gradebook(about["db_url"]) as gradebook:
            notebook = gradebook.find_notebook(about["notebook"], about["assignment"])
            official = {cell.name: cell for cell in notebook.source_cells}
            metadata = {name: _metadata(notebook, cell) for name, cell in official.items()}
            missing, edited = set(official), []
            # From the end: of two copies the later one is kept, as it is the one that counts when
            # the notebook runs.
            for cell in reversed(nb.cells):
                name, said, tags = _said(cell)
                cell.metadata = {}
                if tags and name in official:
                    self._flag(f"the tags of {name} were dropped")
                if name in missing:
                    missing.remove(name)
                    if self._compare(cell, said, official[name], metadata[name]):
                        edited.append((cell, cell.source))
                    self._restore(cell, official[name], metadata[name])
                elif name in official:
                    self._flag(f"{name} was there more than once")
                elif name is not None:
                    self._flag("a cell had a name that was not handed out")
            first, last = [], []
            for name in sorted(missing):
                if "unreadable" not in notes:
                    self._flag(f"{name} was missing")
                if not metadata[name]["solution"]:
                    cell = new_code_cell(id=f"missing-{len(first) + len(last)}")
                    self._restore(cell, official[name], metadata[name])
                    (last if metadata[name]["grade"] else first).append(cell)
            if any(metadata[name]["solution"] for name in missing):
                _keep_joined(nb, edited)
            for cell in nb.cells:
                if cell.cell_type == "code" and not cell.metadata.get("nbgrader", {}).get("grade"):
                    cell.source = without_installs(cell.source)
            for cell in nb.cells:
                if cell.cell_type != "code" and not _ours(cell):
                    cell.source = inert.markdown(cell.source)
            nb.cells = [*first, *nb.cells, *last]
        if self.flags:
            found = dict.fromkeys(reversed(self.flags))
            notes["flags"] = [*notes.get("flags", []), *found]
        if notes:
            nb.metadata[FLAGS] = notes
            nb.cells.insert(0, _for_the_student(notes))
        return nb, resources

    def _flag(self, what):
        self.log.warning("In the submission, %s", what)
        self.flags.append(what)

    def _compare(self, cell, said, official, metadata):
        name = official.name
        if cell.cell_type != official.cell_type:
            self._flag(f"{name} had become a {cell.cell_type} cell")
        forged = [key for key in SAID if key in metadata and said.get(key) != metadata[key]]
        if forged:
            self._flag(f"the metadata of {name} had been changed: {', '.join(forged)}")
        edited = not metadata["solution"] and cell.source != self._handed_out(official)
        if edited:
            self._flag(f"{name} had been edited")
        return edited and cell.cell_type == official.cell_type == "code"

    def _handed_out(self, official):
        """The source of a cell as students got it, without the hidden tests."""
        cell = new_code_cell(official.source)
        preprocessors.ClearHiddenTests(parent=self)._remove_hidden_test_region(cell)
        return cell.source

    def _restore(self, cell, official, metadata):
        cell.cell_type = official.cell_type
        cell.metadata = {"nbgrader": metadata}
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        else:
            cell.pop("outputs", None)
            cell.pop("execution_count", None)
        if not metadata["solution"]:
            cell.source = official.source


def _keep_joined(nb, edited):
    """Keep code that a student has joined to a cell which comes back as it was handed out.

    A missing answer may be in there, so the changed cells are run as well, as the student's code.
    """
    for cell, source in edited:
        place = next(k for k, each in enumerate(nb.cells) if each is cell)
        nb.cells.insert(place, new_code_cell(source, id=f"joined-{place}"))


INSTALL = re.compile(
    r"^(\s*)([%!](?:\{?[\w./]+\}?\s+-m\s+)?(?:pip3?|conda|mamba|uv)\b(?:.*\\\n)*.*)$", re.MULTILINE
)


def without_installs(source):
    """Code with installations commented out: there is no network, and finding out takes time."""

    def comment(found):
        line = re.sub(r"\s*\\\n\s*", " ", found[2])
        return f"{found[1]}pass  # not run while grading: {line}"

    return INSTALL.sub(comment, source)


def _said(cell):
    """What a cell of the submission says it is: (its name, the rest of it, its tags)."""
    said = cell.metadata.get("nbgrader", {})
    name = said.get("grade_id")
    return name if isinstance(name, str) else None, said, cell.metadata.get("tags")


def _ours(cell):
    """Whether the source of a cell, which has been restored, is that which was handed out."""
    about = cell.metadata.get("nbgrader")
    return about is not None and not about["solution"]


def _metadata(notebook, cell):
    """The nbgrader metadata of a source cell, from what the gradebook knows of it."""
    graded = {each.name: each.max_score for each in notebook.grade_cells}
    tasks = {each.name: each.max_score for each in notebook.task_cells}
    metadata = {
        "grade_id": cell.name,
        "grade": cell.name in graded,
        "solution": cell.name in {each.name for each in notebook.solution_cells},
        "task": cell.name in tasks,
        "locked": cell.locked,
        "checksum": cell.checksum,
        "cell_type": cell.cell_type,
        "schema_version": MetadataValidatorV3.schema_version,
    }
    if cell.name in graded | tasks:
        metadata["points"] = (graded | tasks)[cell.name]
    return metadata


def _for_the_student(notes):
    lines = []
    if "unreadable" in notes:
        lines.append(f"**{notes['unreadable']}** It was graded as an empty notebook.")
    if "undecided" in notes:
        lines.append(f"**{notes['undecided']}**")
    lines += [f"- {flag}" for flag in notes.get("flags", [])]
    # What is noted may quote names of files.
    lines = ["Notes from grading:", "", *map(inert.markdown, lines)]
    return new_markdown_cell("\n".join(lines), id="notes")


def check_folder(assignment, student, notebooks):
    """nbgrader's `pre_convert_hook`: make the folder of a submission safe to copy from.

    nbgrader copies every file next to the notebooks, and follows links: to the gradebook, to the
    work of others. And it gives up on a student whose time stamp makes no sense.
    """
    for folder in {Path(notebook).parent for notebook in notebooks}:
        for path in folder.rglob("*"):
            if path.suffix != ".ipynb" and (
                path.is_symlink() or not (path.is_file() or path.is_dir())
            ):
                path.unlink()
        stamp = folder / "timestamp.txt"
        if stamp.exists():
            try:
                parse_utc(stamp.read_text(encoding="utf-8").strip())
            except Exception:
                with contextlib.suppress(OSError):
                    stamp.rename(stamp.with_name("timestamp.txt.unreadable"))

"""What students handed in: found wherever it lies, and recognised by what is in it.

A notebook is called "the-algorithm (1).ipynb" or "The-Algorithm.IPYNB.txt", lies a folder too deep
or in an archive, was saved as UTF-16, or is there twice. It is recognised by the names of its
cells, which nbgrader gave them (`grade_id`); where an editor has dropped those, by the calls in its
test cells; and only then by the name of the file. Nothing is passed over in silence: what can't be
used is named, with a reason.
"""

import io
import re
import tarfile
import unicodedata
import zipfile
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from nbgrader.api import Gradebook
from traitlets import Any

from . import inert, rebuild
from .rebuild import MAX_FILE, Unreadable

STAMP = "timestamp.txt"  # nbgrader's: when it was handed in
CHECKPOINTS = ".ipynb_checkpoints"
LITTER = re.compile(r"__MACOSX|\.DS_Store|\._.*|Thumbs\.db|desktop\.ini|__pycache__|\.git")
# Of one student, or of one archive in a submission.
MAX_FILES = 1000
MAX_TOTAL = 10 * MAX_FILE  # bytes
MAX_DEPTH = 3  # archives in archives


@dataclass(frozen=True)
class File:
    """A file that was handed in. `path` says where: "folder/work.zip/the-algorithm.ipynb"."""

    path: str
    content: bytes | None  # None: it can't be used, and `problem` says why
    problem: str = ""


@dataclass(frozen=True)
class HandedOut:
    """A notebook of an assignment, as the gradebook has it."""

    assignment: str
    name: str
    ids: frozenset[str]  # of its cells
    sources: frozenset[str]  # of its cells, as students got them


@dataclass(frozen=True)
class Submission:
    """What a student handed in of an assignment: its notebooks by file name, as they are graded.

    `notes` say per notebook what rebuild.FLAGS may: `flags`, why it is `unreadable`, and why the
    choice between two is `undecided`, so that a person has to make it.
    """

    student: str
    notebooks: dict[str, bytes]
    timestamp: str | None = None
    notes: dict[str, dict] = field(default_factory=dict)


def handed_out(gradebook):
    """All notebooks of all assignments in an open Gradebook."""
    return [
        HandedOut(
            assignment.name,
            notebook.name,
            frozenset(cell.name for cell in notebook.source_cells),
            frozenset(_without_hidden(cell.source or "") for cell in notebook.source_cells),
        )
        for assignment in gradebook.assignments
        for notebook in assignment.notebooks
    ]


# --- Files ----------------------------------------------------------------------------------------


def files_below(folder, passed_over=lambda name: False):
    """Every File below a folder, those in archives too. Links are not followed."""
    found = []
    for path in sorted(Path(folder).rglob("*")):
        name = path.relative_to(folder).as_posix()
        if _is_litter(name) or passed_over(name) or (path.is_dir() and not path.is_symlink()):
            continue
        if len(found) >= MAX_FILES:
            found.append(File(name, None, f"more than {MAX_FILES} files"))
            break
        found += _opened(name, *_read(path))
    return found


def _read(path):
    """(content, problem) of a file."""
    try:
        if path.is_symlink():
            return None, "a link to another file"
        if not path.is_file():
            return None, "no ordinary file"
        if path.stat().st_size > MAX_FILE:
            return None, f"larger than {MAX_FILE // 2**20} MiB"
        return path.read_bytes(), ""
    except OSError as error:
        return None, f"can't be read ({error.strerror})"


def _opened(name, content, problem="", depth=0):
    """A File, or those in it if it is an archive."""
    if content is None or not _is_archive(content):
        return [File(name, content, problem)]
    if depth == MAX_DEPTH:
        return [File(name, None, f"more than {MAX_DEPTH} archives in each other")]
    try:
        found = []
        for inner, inside, trouble in archived(io.BytesIO(content), MAX_FILES, MAX_TOTAL):
            if not _is_litter(inner):
                found += _opened(f"{name}/{inner}", inside, trouble, depth + 1)
    except (zipfile.BadZipFile, tarfile.TarError, OSError, EOFError, ValueError, zlib.error,
            NotImplementedError, RuntimeError) as error:  # fmt: skip
        return [File(name, None, f"an archive that can't be opened ({error})"[:200])]
    return found or [File(name, None, "an archive with nothing in it")]


def archived(file, most, total):
    """(path, content, problem) of the files in a ZIP or TAR archive.

    Raises ValueError for an archive of more than `most` files, or more than `total` bytes.
    """
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            members = [each for each in archive.infolist() if not each.is_dir()]
            _bound(len(members), most, sum(each.file_size for each in members), total)
            for each in members:
                if each.file_size > MAX_FILE:
                    yield each.filename, None, f"larger than {MAX_FILE // 2**20} MiB"
                elif each.flag_bits & 1:
                    yield each.filename, None, "behind a password"
                else:
                    with archive.open(each) as inside:
                        yield each.filename, inside.read(MAX_FILE), ""
        return
    file.seek(0)
    with tarfile.open(fileobj=file) as archive:
        count = size = 0
        for each in archive:
            if not each.isfile():
                continue
            count, size = count + 1, size + each.size
            _bound(count, most, size, total)
            if each.size > MAX_FILE:
                yield each.name, None, f"larger than {MAX_FILE // 2**20} MiB"
            else:
                yield each.name, archive.extractfile(each).read(), ""


def _bound(count, most, size, total):
    if count > most or size > total:
        raise ValueError(f"more than {most} files, or {total // 2**20} MiB")


def _is_archive(content):
    if content.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return True
    head = content[:2]
    if head in (b"\x1f\x8b", b"BZ", b"\xfd7"):
        return True
    return content[257:262] == b"ustar"


def _is_litter(path):
    return any(LITTER.fullmatch(part) for part in PurePosixPath(path).parts)


# --- Names ----------------------------------------------------------------------------------------


def same(name):
    """A name as people mean it: the same for NFC and NFD, upper and lower case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).casefold()).strip()


def student_of(folder, roster):
    """Whose folder this is: the id in the roster that is meant, or None."""
    if folder in roster:
        return folder
    meant = [each for each in roster if same(each) == same(folder)]
    return meant[0] if len(meant) == 1 else None


def shown(name):
    """A name for a terminal or a page, where a student may have put control characters into it."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)


# --- Recognising ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Candidate:
    file: File
    own: frozenset[str]  # sources of cells that are not as they were handed out


def recognised(file, known):
    """(the HandedOut notebook that a File is, its cells); (None, None) if it is none."""
    if file.content is None:
        return None, None
    try:
        cells = rebuild.parse(file.content).cells
    except Unreadable:
        return None, None
    names = [cell.metadata["nbgrader"].get("grade_id") for cell in cells]
    names = {name for name in names if isinstance(name, str)}
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    called = set(re.findall(r"""\bcheck\(\s*["']([\w-]+)["']""", text))
    for found in (names, called):
        best = max(known, key=lambda each: len(each.ids & found), default=None)
        if best and best.ids & found:
            return best, cells
    return _by_name(file, known), cells


def _by_name(file, known):
    """The notebook whose name a file has, or begins or ends with; None if there is none, or two."""
    stem = re.sub(r"(\.ipynb|\.json|\.txt)+$", "", same(PurePosixPath(file.path).name))
    if "ipynb" not in same(PurePosixPath(file.path).name):
        return None
    stem = stem.removesuffix("-checkpoint")
    meant = [
        each
        for each in known
        if re.search(rf"(?:^|[\W_]){re.escape(same(each.name))}(?:$|[\W_])", stem)
    ]
    longest = [each for each in meant if len(each.name) == max(len(m.name) for m in meant)]
    return longest[0] if len(longest) == 1 else None


def submission(student, assignment, files, known):
    """The Submission of `assignment` in the Files of one student; None if there is nothing of it.

    `files` lie below the student's folder. `known` are all HandedOut notebooks of the course.
    """
    found, other = {}, []
    for file in files:
        notebook, cells = recognised(file, known)
        if notebook is None and file.content is not None and _is_meant_for(file, assignment):
            notebook = _by_name(file, [each for each in known if each.assignment == assignment])
        if notebook is None or notebook.assignment != assignment:
            other.append((file, notebook))
            continue
        own = {_stripped(cell.source) for cell in cells or ()} - notebook.sources - {""}
        found.setdefault(notebook.name, []).append(_Candidate(file, frozenset(own)))
    timestamp = next(
        (_stamp(file) for file in files if same(file.path) == same(f"{assignment}/{STAMP}")), None
    )
    notebooks, notes = {}, {}
    for name, candidates in found.items():
        chosen, about = _choose(f"{name}.ipynb", assignment, candidates)
        notebooks[f"{name}.ipynb"] = chosen.content
        if about:
            notes[name] = about
    if not notebooks:
        useless = [
            f"{shown(file.path)} ({_why(file, notebook)})"
            for file, notebook in other
            if _is_meant_for(file, assignment) and PurePosixPath(file.path).name != STAMP
        ]
        if not useless:
            return None
        reason = "Nothing that was handed in is a notebook of this assignment: "
        reason += ", ".join(useless[:5]) + (", and more" if len(useless) > 5 else "") + "."
        for each in known:
            if each.assignment == assignment:
                notebooks[f"{each.name}.ipynb"] = b""
                notes[each.name] = {"unreadable": reason}
    return Submission(student, notebooks, timestamp, notes)


def _is_meant_for(file, assignment):
    """Whether a file lies in the folder of an assignment."""
    parts = PurePosixPath(file.path).parts
    return len(parts) > 1 and same(parts[0]) == same(assignment)


def _why(file, notebook):
    if notebook is not None:
        return f"the notebook of {notebook.assignment}"
    if file.content is None:
        return file.problem
    try:
        rebuild.parse(file.content)
    except Unreadable as reason:
        return str(reason).removesuffix(".")
    return "a notebook, but with none of the cells that were handed out"


def _stamp(file):
    return (file.content or b"").decode("utf-8-sig", "replace").strip() or None


def _choose(wanted, assignment, candidates):
    """(the File that is graded, notes) of those that are the same notebook."""
    right = f"{assignment}/{wanted}"
    saved = [each for each in candidates if CHECKPOINTS not in each.file.path]
    # What the one who opens it last would see: the right name first, then the shortest path.
    candidates = sorted(
        saved or candidates,
        key=lambda each: (each.file.path != right, len(each.file.path), each.file.path),
    )
    # Blank copies, and earlier states of the same work, give way.
    best = [
        each
        for k, each in enumerate(candidates)
        if not any(
            each.own < other.own or (each.own == other.own and j < k)
            for j, other in enumerate(candidates)
        )
    ]
    chosen, flags = best[0], []
    if chosen.file.path != right:
        flags.append(f"{shown(chosen.file.path)} was graded as {wanted}")
    for each in candidates:
        if each not in best:
            less = "the same" if each.own == chosen.own else "less"
            flags.append(f"{shown(each.file.path)} was handed in too, with {less} in it")
    about = {"flags": flags} if flags else {}
    if len(best) > 1:
        rest = " and ".join(shown(each.file.path) for each in best[1:])
        about["undecided"] = (
            f"Several different notebooks were handed in. {shown(chosen.file.path)} was graded, "
            f"and not {rest}; a person has to decide which one counts."
        )
    return chosen.file, about


def _without_hidden(source):
    return _stripped(
        re.sub(r"### BEGIN HIDDEN TESTS.*?### END HIDDEN TESTS[^\n]*\n?", "", source, flags=re.S)
    )


def _stripped(source):
    return "\n".join(line.rstrip() for line in source.strip().splitlines())


# --- A class --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HandIns:
    """What a class handed in of an assignment."""

    submissions: list[Submission]  # by student
    unused: list[str]  # what belongs to nobody, in words


def find(submitted, assignment, known, roster, only=None):
    """The HandIns of `assignment` in the folder `submitted`, which has one for each student.

    `known` are the HandedOut notebooks of the course, `roster` the ids of its students. `only`:
    names of folders to look into; by default all.
    """
    elsewhere = {
        same(f"{each.assignment}/{each.name}.ipynb")
        for each in known
        if each.assignment != assignment
    }
    files, unused = {}, []
    for folder in sorted(Path(submitted).iterdir()) if Path(submitted).is_dir() else ():
        if _is_litter(folder.name) or folder.name.startswith("."):
            continue
        if folder.is_symlink() or not folder.is_dir():
            unused.append(f"{shown(folder.name)} lies in {submitted} and in no student's folder")
        elif only is None or folder.name in only:
            student = student_of(folder.name, roster) or unicodedata.normalize("NFC", folder.name)
            found = files_below(folder, lambda name: same(name) in elsewhere)
            files.setdefault(student, []).extend(found)
    submissions = []
    for who, theirs in files.items():
        found = submission(who, assignment, theirs, known)
        if found is not None and (trouble := unfit(who)):
            unused.append(f"{shown(who)}: handed in, and can't be graded: {trouble}")
        elif found is not None:
            submissions.append(found)
    return HandIns(submissions, unused)


def unfit(student):
    """Why nobody of that name is graded, in words; "" for all others."""
    trouble = inert.trouble_with_name(student)
    return f"nbgrader's pages would take the name for markup ({trouble})" if trouble else ""


# --- Plain nbgrader -------------------------------------------------------------------------------


class Chooser(rebuild.SafeExporter):
    """Reads what was handed in whatever its file is called, also for plain `nbgrader autograde`.

    The judge has chosen already, and says so by setting `notes`. nbgrader itself looks for folders
    called as the assignment with *.ipynb in them; what it has not found there is out of our reach.
    """

    notes = Any(None, help="per notebook: see `Submission`").tag(config=True)

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        converter = self.parent
        if self.notes is None and isinstance(getattr(converter, "assignments", None), dict):
            for folder in converter.assignments:
                if found := self._submission(Path(folder)):
                    converter.assignments[folder] = [
                        str(Path(folder) / name) for name in found.notebooks
                    ]

    def _submission(self, folder):
        with Gradebook(self.parent.coursedir.db_url) as gradebook:
            known = handed_out(gradebook)
        files = [replace(file, path=f"{folder.name}/{file.path}") for file in files_below(folder)]
        return submission(folder.parent.name, folder.name, files, known)

    def content(self, path):
        """(the bytes of a notebook of a submission, notes) by the path at which it should be."""
        if self.notes is not None:
            return None, self.notes.get(path.stem, {})
        found = self._submission(path.parent)
        return found.notebooks.get(path.name), found.notes.get(path.stem, {})

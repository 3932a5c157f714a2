"""Sort what a learning platform hands over: the ZIP with everybody's submissions, or a folder.

Canvas calls a file "lovelaceada_LATE_12_345_the-algorithm.ipynb", Moodle a folder
"Ada Lovelace_1234_assignsubmission_file". Elsewhere a folder or a file bears the student's login,
e-mail address or name. Each file is put into submitted/<student>/<assignment>/ as it is; what is in
it is looked at when it is graded.

It can be run again, with the same archive or a later one. What is replaced is kept in replaced/.
"""

import json
import re
import shutil
import tempfile
import zipfile
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath

from .hand_ins import MAX_FILE, STAMP, same, shown, unfit
from .ledger import write

CANVAS = re.compile(r"(?P<name>[^_]+)_(?:LATE_)?(?P<user>\d+)_(?P<attachment>\d+)_(?P<file>.+)")
MOODLE_FOLDER = re.compile(r"(?P<name>.+)_(?P<number>\d+)_assignsubmission_[a-z]+_?")
MOODLE_FILE = re.compile(r"(?P<name>.+)_(?P<number>\d+)_assignsubmission_[a-z]+_(?P<file>.+)")
LITTER = ("__MACOSX", ".DS_Store")


@dataclass
class Collected:
    """What came of it: students by what happened to their folder, and what is left over."""

    new: list = field(default_factory=list)
    replaced: list = field(default_factory=list)
    unchanged: list = field(default_factory=list)
    left_over: list = field(default_factory=list)  # in words


def collect(course, assignment, source, students):
    """Sort `source`, a ZIP file or a folder. `students` are the gradebook's."""
    done, by_student, called = Collected(), defaultdict(dict), {}
    people = _People(students)
    with _opened(source) as archive:
        for path in sorted(archive.names()):
            parts = PurePosixPath(path).parts
            if any(part in LITTER or part.startswith("._") for part in parts):
                continue
            student, inside, original = people.owner(path)
            if student is None:
                done.left_over.append(f"{shown(path)}: {inside}")
            elif trouble := unfit(student):
                done.left_over.append(f"{shown(path)}: {trouble}")
            elif archive.size(path) > MAX_FILE:
                done.left_over.append(f"{shown(path)}: larger than {MAX_FILE // 2**20} MiB")
            else:
                while inside in by_student[student]:
                    inside = f"again/{inside}"
                by_student[student][inside] = path
                called.setdefault(student, original)
        for student, paths in sorted(by_student.items()):
            files = {inside: archive.read(path) for inside, path in paths.items()}
            getattr(done, _put(course, assignment, student, files)).append(student)
    _remember(course, assignment, called)
    return done


def original_names(course, assignment):
    """Student -> what the platform called the submission, for feedback that goes back there."""
    try:
        return json.loads(_memory(course, assignment).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _memory(course, assignment):
    return course.root("submitted") / f".{assignment}-collected.json"


def _remember(course, assignment, called):
    known = {**original_names(course, assignment), **{k: v for k, v in called.items() if v}}
    write(_memory(course, assignment), json.dumps(known, indent=1).encode())


# --- Whose it is ----------------------------------------------------------------------------------


class _People:
    """The students, by all that a platform may call them."""

    def __init__(self, students):
        self.known = {each.id for each in students}
        self.by_name, self.by_number = defaultdict(set), defaultdict(set)
        for each in students:
            first, last = each.first_name or "", each.last_name or ""
            names = {each.id, each.email, f"{first} {last}", f"{last} {first}", f"{last}, {first}"}
            for name in filter(None, names):
                if _plain(name):
                    self.by_name[_plain(name)].add(each.id)
            if each.lms_user_id:
                self.by_number[each.lms_user_id].add(each.id)

    def owner(self, path):
        """(student, path inside the submission, the platform's name of it); or (None, why, "")."""
        parts = PurePosixPath(path).parts
        if found := CANVAS.fullmatch(parts[-1]):
            meant = self.by_number[found["user"]] or self.by_name[_plain(found["name"])]
            return self._one(meant, found["file"], parts[-1], found["name"])
        for k, part in enumerate(parts):
            if found := MOODLE_FOLDER.fullmatch(part) if k < len(parts) - 1 else None:
                meant, inside = self.by_name[_plain(found["name"])], "/".join(parts[k + 1 :])
                return self._one(meant, inside, part, found["name"])
        if found := MOODLE_FILE.fullmatch(parts[-1]):
            meant = self.by_name[_plain(found["name"])]
            return self._one(meant, found["file"], parts[-1], found["name"])
        for k, part in enumerate(parts[:-1]):
            if meant := self.by_name.get(_plain(part)):
                return self._one(meant, "/".join(parts[k + 1 :]), "", part)
        if not self.known and len(parts) > 1:  # no roster: a folder for each student
            return parts[0], "/".join(parts[1:]), ""
        words = re.split(r"[^\w.@+-]|_|(?<=\w)-(?=\w)", parts[-1].partition(".ipynb")[0])
        meant = {who for word in words for who in self.by_name.get(_plain(word), ())}
        return self._one(meant, parts[-1], "", parts[-1])

    @staticmethod
    def _one(meant, inside, original, name):
        if len(meant) == 1:
            return next(iter(meant)), inside, original
        return None, f"{'several students are' if meant else 'no student is'} called so", ""


def _plain(name):
    """A name as file names have it: letters and digits alone."""
    return re.sub(r"[\W_]", "", same(name))


# --- Where it goes --------------------------------------------------------------------------------


def _put(course, assignment, student, files):
    """Put a student's files in place, all at once: "new", "replaced" or "unchanged"."""
    folder = course.folder("submitted", student, assignment)
    before = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and path.name != STAMP
    }
    if before.keys() == files.keys() and all(
        path.read_bytes() == files[name] for name, path in before.items()
    ):
        return "unchanged"
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Not in the student's folder, where it would be taken for a hand-in.
    fresh = Path(tempfile.mkdtemp(prefix=".collecting-", dir=course.root("submitted")))
    for name, content in files.items():
        path = fresh / _safe(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    fresh.chmod(0o755)
    replaced = folder.exists()
    if replaced:
        time = datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S-%f")
        old = Path(course.directory.root) / "replaced" / assignment / f"{student}-{time}"
        old.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder, old)
    fresh.rename(folder)
    return "replaced" if replaced else "new"


def _safe(name):
    """A path that stays below the folder, whatever an archive says."""
    parts = [part for part in PurePosixPath(name).parts if part not in ("/", "..", ".")]
    return Path(*parts) if parts else Path("unnamed")


# --- Where it comes from --------------------------------------------------------------------------


def _opened(source):
    return _Folder(source) if Path(source).is_dir() else _Zip(source)


class _Zip:
    def __init__(self, path):
        try:
            self.file = zipfile.ZipFile(path)
        except FileNotFoundError:
            raise SystemExit(f"There is no file {path}.") from None
        except (OSError, zipfile.BadZipFile):
            raise SystemExit(f"{path} is no ZIP file.") from None
        self.members = {each.filename: each for each in self.file.infolist() if not each.is_dir()}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def names(self):
        return list(self.members)

    def size(self, name):
        return self.members[name].file_size

    def read(self, name):
        try:
            with self.file.open(self.members[name]) as file:
                return file.read(MAX_FILE)
        except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError) as problem:
            raise SystemExit(
                f"Nothing of {shown(name)} and of what comes after it was collected: the archive "
                f"is damaged ({problem}). Download it again."
            ) from None


class _Folder:
    def __init__(self, path):
        self.root = Path(path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Nothing to close."""

    def names(self):
        paths = (path for path in self.root.rglob("*") if path.is_file() and not path.is_symlink())
        return [path.relative_to(self.root).as_posix() for path in paths]

    def size(self, name):
        return (self.root / name).stat().st_size

    def read(self, name):
        return (self.root / name).read_bytes()

"""What platforms hand over comes into the right folders, and what goes back to them fits."""

import io
import unicodedata
import zipfile
from types import SimpleNamespace

import pytest
from attacks.showing import FOLDERS
from mangled import zipped
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from instnorm_judge import handing_back, roster
from instnorm_judge.collect import collect, original_names
from instnorm_judge.course import Course

NAME = "the-algorithm"
ADA = {"id": "ada", "first_name": "Ada", "last_name": "Lovelace", "email": "ada@x.org"}
ZOE = {"id": "-zoé@x", "first_name": "Zoé", "last_name": "O'Neil-Ruiz", "email": None}
BEN = {"id": "b123456", "first_name": "Ben", "last_name": "Li", "email": "ben.li@x.org"}
TWIN = {"id": "b777", "first_name": "Ben", "last_name": "Li", "email": None}
STUDENTS = [
    SimpleNamespace(**each, lms_user_id=number)
    for each, number in ((ADA, "11"), (ZOE, "12"), (BEN, "13"), (TWIN, "14"))
]


@pytest.fixture
def course(tmp_path):
    config = Config()
    config.CourseDirectory.root = str(tmp_path / "course")
    (tmp_path / "course").mkdir()
    return Course(config, CourseDirectory(config=config))


def gather(course, tmp_path, files, students=STUDENTS):
    path = tmp_path / "submissions.zip"
    path.write_bytes(zipped(files))
    return collect(course, NAME, path, students)


def submitted(course):
    root = course.root("submitted")
    return {
        path.relative_to(root).as_posix(): path.read_text()
        for path in root.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def test_canvas(course, tmp_path):
    done = gather(
        course,
        tmp_path,
        {
            "lovelaceada_11_901_the-algorithm.ipynb": "a",
            "oneilruizzoe_LATE_12_902_the-algorithm-1.ipynb": "z",
            "liben_13_903_My notebook (2).ipynb": "b",
            "liben_99_904_x.ipynb": "whose?",
        },
    )
    assert submitted(course) == {
        f"ada/{NAME}/the-algorithm.ipynb": "a",
        f"-zoé@x/{NAME}/the-algorithm-1.ipynb": "z",
        f"b123456/{NAME}/My notebook (2).ipynb": "b",
    }
    assert done.left_over == ["liben_99_904_x.ipynb: several students are called so"]


@pytest.mark.parametrize("within", ["", "Course-Essay-77/"])
def test_moodle(course, tmp_path, within):
    nfd = unicodedata.normalize("NFD", "Zoé O'Neil-Ruiz")
    done = gather(
        course,
        tmp_path,
        {
            f"{within}Ada Lovelace_5501_assignsubmission_file/work/x.ipynb": "a",
            f"{within}{nfd}_5502_assignsubmission_file_the-algorithm.ipynb": "z",
            f"{within}Ben Li_5503_assignsubmission_file_/the-algorithm.ipynb": "which?",
            "__MACOSX/._x": "litter",
        },
    )
    assert submitted(course) == {
        f"ada/{NAME}/work/x.ipynb": "a",
        f"-zoé@x/{NAME}/the-algorithm.ipynb": "z",
    }
    assert len(done.left_over) == 1
    assert "several students are called so" in done.left_over[0]


def test_anybodys_zip(course, tmp_path):
    gather(
        course,
        tmp_path,
        {
            "week 1/ADA/the-algorithm.ipynb": "a",
            "week 1/b123456-the-algorithm.ipynb": "b",
            "week 1/ben.li@x.org/../../../evil.ipynb": "outside?",
        },
    )
    assert submitted(course) == {
        f"ada/{NAME}/the-algorithm.ipynb": "a",
        f"b123456/{NAME}/b123456-the-algorithm.ipynb": "b",
        f"b123456/{NAME}/evil.ipynb": "outside?",
    }
    assert not list(tmp_path.rglob("evil.ipynb"))[1:]


def test_it_can_be_run_again_and_nothing_is_lost(course, tmp_path):
    files = {"ada/x.ipynb": "first", "b777/x.ipynb": "same"}
    assert gather(course, tmp_path, files).new == ["ada", "b777"]
    stamp = course.folder("submitted", "ada", NAME) / "timestamp.txt"
    stamp.write_text("2027-01-15 18:00 UTC")
    assert gather(course, tmp_path, files).unchanged == ["ada", "b777"]
    assert stamp.exists()
    done = gather(course, tmp_path, {**files, "ada/x.ipynb": "second"})
    assert (done.replaced, done.unchanged) == (["ada"], ["b777"])
    assert submitted(course)[f"ada/{NAME}/x.ipynb"] == "second"
    (old,) = (tmp_path / "course/replaced").rglob("x.ipynb")
    assert old.read_text() == "first"


def test_without_a_roster_folders_are_students(course, tmp_path):
    done = gather(course, tmp_path, {"eve/x.ipynb": "e", "loose.ipynb": "?"}, students=[])
    assert submitted(course) == {f"eve/{NAME}/x.ipynb": "e"}
    assert done.left_over == ["loose.ipynb: no student is called so"]


def test_a_name_that_is_markup_gets_no_folder(course, tmp_path):
    known = [SimpleNamespace(**{**ADA, "id": name}, lms_user_id=None) for name in FOLDERS]
    for students in ([], known):
        files = {f"{name.replace('/', '')}/x.ipynb": "x" for name in FOLDERS}
        done = gather(course, tmp_path, files, students=students)
        assert submitted(course) == {}
        assert len(done.left_over) == len(FOLDERS)
    assert "would take the name for markup" in done.left_over[0]


def test_what_is_no_archive_is_refused_in_words(course, tmp_path):
    (tmp_path / "x.zip").write_text("no archive")
    with pytest.raises(SystemExit, match="is no ZIP file"):
        collect(course, NAME, tmp_path / "x.zip", STUDENTS)
    with pytest.raises(SystemExit, match="There is no file"):
        collect(course, NAME, tmp_path / "y.zip", STUDENTS)


# --- Back to the platform -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "file", "wanted"),
    [
        ("canvas", "lovelaceada_LATE_11_901_x.ipynb", "lovelaceada_LATE_11_901_x.html"),
        (
            "moodle",
            "Ada Lovelace_5501_assignsubmission_file/x.ipynb",
            f"Ada Lovelace_5501_assignsubmission_file_/{NAME}.html",
        ),
        (
            "moodle",
            "Ada Lovelace_5501_assignsubmission_file_x.ipynb",
            f"Ada Lovelace_5501_assignsubmission_file_/{NAME}.html",
        ),
        ("plain", "ada/x.ipynb", f"ada/{NAME}.html"),
    ],
)
def test_feedback_has_the_names_that_the_platform_looks_for(
    course, tmp_path, platform, file, wanted
):
    gather(course, tmp_path, {file: "a"})
    for student in ("ada", "eve"):
        page = course.folder("feedback", student, NAME) / f"{NAME}.html"
        page.parent.mkdir(parents=True)
        page.write_text(student)
    content, missing = handing_back.archive(course, NAME, platform)
    names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    if platform == "plain":
        assert names == [wanted, f"eve/{NAME}.html"]
    else:
        assert names == [wanted]
        assert missing == ["eve"]
    assert original_names(course, NAME).keys() <= {"ada"}


# --- The roster -----------------------------------------------------------------------------------

PLAIN = "id,first_name,last_name,email\nada,Ada,Lovelace,ada@x.org\n"
CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section\n"
    "    Points Possible,,,,\n"
    '"Lovelace, Ada",11,s-1,ada,1\n'
)
MOODLE = "First name,Last name,Username,Email address\nAda,Lovelace,ada,ada@x.org\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_roster_is_read_however_it_was_saved(encoding, delimiter):
    text = PLAIN.replace("Ada", "Zoé").replace(",", delimiter)
    (ada,) = roster.read(text.encode(encoding))
    assert ada == {**ADA, "first_name": "Zoé"}


def test_a_roster_from_windows():
    (ada,) = roster.read(PLAIN.replace("Ada", "Zoé").replace("\n", "\r\n").encode("cp1252"))
    assert ada["first_name"] == "Zoé"


def test_rosters_of_platforms():
    (ada,) = roster.read(CANVAS.encode())
    assert ada == {
        "id": "ada",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "lms_user_id": "11",
    }
    assert roster.read(MOODLE.encode()) == [ADA]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name,mail\na,b\n", "no column with the students' logins"),
        ("", "there are: none"),
        ("id\nada\nada\n", "'ada' is there twice"),
    ],
)
def test_what_is_no_roster_is_refused(text, says):
    with pytest.raises(ValueError, match=says):
        roster.read(text.encode())

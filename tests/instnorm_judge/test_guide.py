"""The guide for instructors, followed to the letter: each of its commands, in its order."""

import csv
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from mangled import NAME, blank_notebook, text, zipped
from test_hand_ins import FULL, ROOT, needs_a_sandbox, solved

GUIDE = ROOT / "book/hands-on/for-instructors.md"
# What needs another machine, or a person who ends it.
NOT_HERE = ("apt-get", "dask ", "jupyter lab", "instnorm-judge watch")


def commands():
    """The lines of all shell blocks before the one about a cluster."""
    page = GUIDE.read_text().split("## Grade on a cluster")[0]
    blocks = re.findall(r"```shell\n(.*?)```", page, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line and line[0] != "#"]
    assert len(lines) >= 12
    return [line for line in lines if not line.startswith(NOT_HERE)]


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """Where somebody has followed the guide, with two students of Canvas."""
    needs_a_sandbox()
    repository = tmp_path_factory.mktemp("repository")
    for name in ("nbgrader_config.py", "solutions", "exercises"):
        (shutil.copy if name.endswith(".py") else shutil.copytree)(ROOT / name, repository / name)
    (repository / ".venv").symlink_to(ROOT / ".venv")
    roster = "Student,ID,SIS User ID,SIS Login ID,Section\n"
    roster += '"Lovelace, Ada",11,,ada,1\n"Müller, Ben",12,,ben,1\n"Absent, Cleo",13,,cleo,1\n'
    archive = zipped(
        {
            f"lovelaceada_11_901_{NAME}-1.ipynb": text(solved()),
            f"mullerben_LATE_12_902_{NAME}.ipynb": blank_notebook(),
        }
    )
    # In the folder `course`, as soon as there is one.
    script = ["set -e", f"cd {repository}"]
    for line in commands():
        script.append(line)
        if line == "cd course":
            script.append("cp ../students.csv ../submissions.zip .")
    (repository / "students.csv").write_text(roster, encoding="utf-8-sig")
    (repository / "submissions.zip").write_bytes(archive)
    result = subprocess.run(
        ["bash", "-x", "-c", "\n".join(script)],
        env={**os.environ, "JUPYTER_CONFIG_DIR": str(repository / "no-config")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return repository / "course", result


@pytest.mark.slow
def test_each_command_of_the_guide_works(followed):
    """Ten commands: some 60 s of processor time."""
    course, result = followed
    assert "3 students are in the gradebook" in result.stdout
    assert "2 new, 0 replaced" in result.stdout
    assert "Graded 2; 0 had been graded before." in result.stdout
    for name in ("canvas", "moodle"):
        content = (course / f"reports/{NAME}-{name}.csv").read_text(encoding="utf-8")
        rows = list(csv.reader(content.splitlines()))
        login = rows[0].index("SIS Login ID" if name == "canvas" else "Username")
        marks = {row[login]: row[-1] for row in rows}
        assert (marks["ada"], marks["ben"], marks["cleo"]) == (f"{FULL:g}", "0", "")
    with zipfile.ZipFile(course / f"reports/{NAME}-feedback-canvas.zip") as pages:
        assert sorted(pages.namelist()) == [
            f"lovelaceada_11_901_{NAME}-1.html",
            f"mullerben_LATE_12_902_{NAME}.html",
        ]
    report = (course / f"reports/{NAME}.html").read_text()
    assert "2 of 3 students handed something in, 1 did not" in report
    assert "left blank" in report


@pytest.mark.slow
def test_nothing_is_said_that_an_instructor_can_do_nothing_about(followed):
    said = [line for line in followed[1].stderr.splitlines() if not line.startswith("+")]
    ours = [line for line in said if not re.match(r"\[\w+ \| INFO\]", line)]
    assert [line for line in ours if "Warning" in line or "Traceback" in line] == []


def test_the_guide_names_no_command_that_does_not_exist():
    from instnorm_judge.__main__ import parser

    page = GUIDE.read_text() + (ROOT / "README.md").read_text()
    known = set(parser()._subparsers._group_actions[0].choices)
    for name in re.findall(r"instnorm-judge ([a-z]+)", page):
        assert name in known
    assert "nbgrader formgrader" not in page
    assert Path(ROOT / "solutions" / NAME).is_dir()

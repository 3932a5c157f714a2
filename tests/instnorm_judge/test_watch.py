"""What arrives is graded at once, whenever the watch is killed, and as often as the rules say."""

import json
import re
import signal
import subprocess
import time
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import mangled
import pytest
from mangled import NAME, RIGHT
from test_hand_ins import (
    BIN,
    FULL,
    MARKUP,
    SOLUTIONS,
    needs_a_sandbox,
    new_course,
    run,
    scores,
    solved,
)

from instnorm_judge.processes import process_tree
from instnorm_judge.watch import NOTICE, Rules, _Attempts, _Folder


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    needs_a_sandbox()
    return new_course(tmp_path_factory.mktemp("watched") / "course", {})


def start(course, *options):
    return subprocess.Popen(
        [BIN / "instnorm-judge", "watch", NAME, "--workers", "1", *options],
        cwd=course,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def hand_in(course, student, answers=SOLUTIONS):
    file = course / "submitted" / student / RIGHT
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(mangled.text(solved(answers)))
    return course / "feedback" / student / NAME / f"{NAME}.html"


def wait_for(what, seconds=180):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def runs(pid):
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def points_on(page):
    return re.search(r"([\d.]+) of [\d.]+ points", page.read_text())[1]


def test_feedback_comes_by_itself_and_a_kill_loses_nothing(course):
    """Some 20 s of processor time."""
    with start(course, "--attempts", "2") as watching:
        first = hand_in(course, "ada", {})
        wait_for(first.exists)
        assert points_on(first) == "0"
        hand_in(course, "ada")
        wait_for(lambda: points_on(first) == f"{FULL:g}")
        others = [hand_in(course, student) for student in ("ben", "cleo")]
        hand_in(course, MARKUP)
        started = process_tree(watching.pid)
        watching.kill()
    wait_for(lambda: not any(map(runs, started)))
    with start(course, "--attempts", "2") as watching:
        wait_for(lambda: all(page.exists() for page in others))
        hand_in(course, "ada", {"instance-norm-answer": "instance_norm = 1"})  # one too many
        wait_for((first.parent / NOTICE).exists)
        watching.send_signal(signal.SIGINT)
        said, _ = watching.communicate(timeout=60)
    assert watching.returncode == 130
    assert "Traceback" not in said
    assert "run this again to go on" in said
    assert said.count(f"{MARKUP}: handed in, and can't be graded") == 1
    assert not (course / "feedback" / MARKUP).exists()
    assert scores(course) == dict.fromkeys(("ada", "ben", "cleo"), (FULL, False))
    assert "all 2 attempts have been used" in (first.parent / NOTICE).read_text()


@pytest.mark.slow  # some 20 s
def test_public_cases_tell_nothing_of_the_hidden_ones(course):
    """A page for students comes from public cases alone; the batch run tries the others."""
    with start(course, "--cases", "public") as watching:
        page = hand_in(course, "dan")
        wait_for(page.exists)
        watching.kill()
    assert points_on(page) == f"{FULL:g}"
    assert "Grading adds hidden cases" in page.read_text()
    assert "seed" not in page.read_text()
    result = run(course, "instnorm-judge", "autograde", NAME)
    graded = int(re.search(r"Graded (\d+); 0 had been", result.stdout)[1])
    assert graded == len(scores(course))
    assert scores(course)["dan"] == (FULL, False)


def test_attempts_and_cooldown(tmp_path):
    course = SimpleNamespace(root=lambda step: tmp_path)
    attempts = _Attempts(course, NAME, Rules(attempts=2, cooldown=10))
    assert attempts.wait("ada") == 0
    attempts.count("ada")
    assert 590 < attempts.wait("ada") <= 600
    assert _Attempts(course, NAME, Rules(attempts=1)).wait("ada") is None
    long_ago = (datetime.now().astimezone() - timedelta(hours=1)).isoformat()
    attempts.path.write_text(json.dumps({"ada": [long_ago]}))
    assert _Attempts(course, NAME, Rules(cooldown=10)).wait("ada") == 0


def test_what_is_still_being_written_is_let_alone(tmp_path):
    folder = _Folder(tmp_path)
    (tmp_path / "ada").mkdir()
    file = tmp_path / "ada/x.ipynb"
    file.write_text("{")
    assert folder.changed() == set()
    file.write_text("{}")
    assert folder.changed() == set()
    assert folder.changed() == {"ada"}
    assert folder.changed() == set()
    folder.look_again("ada")
    assert folder.changed() == {"ada"}

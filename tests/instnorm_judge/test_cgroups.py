"""Groups of Linux (cgroup v2), on a copy of their files: what is asked of them, and when not.

There is no delegated cgroup on most machines that run these tests, and none is made on them.
"""

import errno
import os
from pathlib import Path

import pytest

from instnorm_judge import cgroups, provisioner, sandbox
from instnorm_judge.cgroups import OURS, Group, Unavailable, prepared

CONTROLLERS = "cpuset cpu io memory pids"


class Machine:
    """/proc and /sys/fs/cgroup in a folder, with this process in the group `name`."""

    def __init__(self, folder, name="/user.slice/run-1.scope", controllers=CONTROLLERS, root="/"):
        self.proc, self.top = folder / "proc", folder / "cgroup"
        (self.proc / "self").mkdir(parents=True)
        self.home = self.top / os.path.relpath(name, root)
        self.home.mkdir(parents=True)
        (self.proc / "self/cgroup").write_text(f"1:name=systemd:/x\n0::{name}\n")
        (self.proc / "self/mountinfo").write_text(
            "30 20 0:5 / /proc rw - proc proc rw\n"
            f"36 35 0:30 {root} {self.top} rw,relatime shared:9 - cgroup2 cgroup2 rw\n"
        )
        (self.home / "cgroup.controllers").write_text(controllers)
        (self.home / "cgroup.subtree_control").write_text("")
        self.inside(os.getpid())

    def write(self, path, value):
        """As Linux does it, who has a process in one group at a time."""
        others = [each for each in self.top.rglob("cgroup.procs") if each != path]
        if path.name == "cgroup.procs":
            for each in (*others, path):
                pids = set(each.read_text().split()) if each.exists() else set()
                pids = pids - {str(value)} | ({str(value)} if each == path else set())
                each.write_text(" ".join(sorted(pids, key=int)))
            return
        if path.name == "cgroup.subtree_control":
            if path.parent != self.top and cgroups._words(path.with_name("cgroup.procs")):
                raise OSError(errno.EBUSY, "Device or resource busy")
            value = value.replace("+", "")
            for each in path.parent.glob("*/"):
                (each / "cgroup.controllers").write_text(value)
        elif path.name == "cgroup.controllers":
            raise PermissionError
        path.write_text(str(value))

    def inside(self, *pids):
        (self.home / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))

    def process(self, pid, parent):
        (self.proc / str(pid)).mkdir()
        (self.proc / str(pid) / "stat").write_text(f"{pid} (a) b) S {parent} 1 1 0")


@pytest.fixture
def make(tmp_path, monkeypatch):
    def machine(*arguments, **options):
        made = Machine(tmp_path, *arguments, **options)
        monkeypatch.setattr(cgroups, "_write", made.write)
        return made

    return machine


def test_a_group_that_was_handed_over_is_divided_up(make):
    machine = make()
    machine.process(77, os.getpid())  # a child of ours comes along
    machine.inside(os.getpid(), 77)
    assert prepared(machine.proc) == machine.home
    assert (machine.home / "cgroup.subtree_control").read_text() == "cpu memory pids"
    assert (machine.home / "cgroup.procs").read_text() == ""
    ours = (machine.home / OURS / "cgroup.procs").read_text()
    assert set(map(int, ours.split())) == {77, os.getpid()}


@pytest.mark.parametrize("uid", [0, 1000])
def test_root_makes_one_beside_other_programs(uid, make, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    machine = make()
    machine.process(9, 1)
    machine.inside(os.getpid(), 9)
    (machine.top / "cgroup.controllers").write_text(CONTROLLERS)
    (machine.top / f"{OURS}-submissions").mkdir()
    if uid:
        with pytest.raises(Unavailable, match="other programs in it"):
            prepared(machine.proc)
        return
    home = prepared(machine.proc)
    assert home == machine.top / f"{OURS}-submissions"
    assert (home / "cgroup.subtree_control").read_text() == "cpu memory pids"
    assert prepared(machine.proc) == home


def test_a_worker_finds_what_was_prepared(make):
    machine = make(f"/run-1.scope/{OURS}", controllers="")
    (machine.home.parent / "cgroup.subtree_control").write_text("cpu memory pids")
    assert prepared(machine.proc) == machine.home.parent


def test_in_a_container_the_path_is_that_of_the_mount(make):
    machine = make("/docker/abc/judge", root="/docker/abc")
    assert prepared(machine.proc) == machine.top / "judge"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: (m.home / "cgroup.controllers").write_text("cpu pids"), "no controllers for me"),
        (
            lambda m: (m.proc / "self/cgroup").write_text("4:memory:/x\n"),
            "version 2 .* not mounted",
        ),
        (lambda m: (m.proc / "self/cgroup").unlink(), "this system has none"),
        (
            lambda m: (m.process(9, 1), m.inside(os.getpid(), 9)),
            "other programs in it; try systemd",
        ),
        (lambda m: (m.home / OURS).write_text("no folder"), "can't be divided up: File exists"),
    ],
)
def test_where_there_is_none_the_reason_is_given(change, says, make):
    machine = make()
    change(machine)
    with pytest.raises(Unavailable, match=says):
        prepared(machine.proc)
    assert (machine.home / "cgroup.subtree_control").read_text() == ""


def test_out_of_sight_is_none(make):
    with pytest.raises(Unavailable, match="out of sight"):
        prepared(make("/a", root="/docker/abc/").proc)


def test_a_submission_has_memory_processors_and_processes_of_its_own(tmp_path):
    group = Group(tmp_path, 4711, 2**30)
    told = {path.name: path.read_text() for path in group.folder.iterdir()}
    assert told == {
        "memory.max": str(2**30),
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "pids.max": "80",
        "cpu.weight": "100",
        "cgroup.procs": "4711",
    }
    assert sandbox.LIMITS["RLIMIT_NPROC"] < cgroups.PROCESSES
    assert Group(tmp_path, 4712, 1).folder != group.folder


def test_who_reaches_the_limit_is_told_from_who_was_killed_for_the_machines_sake(tmp_path):
    group = Group(tmp_path, 4711, 2**30)
    assert not group.out_of_memory
    (group.folder / "memory.events").write_text("low 0\nhigh 0\nmax 0\noom 0\noom_kill 1\n")
    assert not group.out_of_memory
    (group.folder / "memory.events").write_text("low 0\nhigh 0\nmax 7\noom 1\noom_kill 1\n")
    assert group.out_of_memory


def test_a_kernel_that_its_group_has_ended_took_too_much_memory():
    class Ended:
        out_of_memory = True

        def poll(self):
            return -9

    it = provisioner.SandboxProvisioner.__new__(provisioner.SandboxProvisioner)
    it.process = it.group = Ended()
    assert it.fate() is provisioner.Fate.MEMORY
    it.group = None
    assert it.fate() is provisioner.Fate.FROM_OUTSIDE


def test_a_group_goes_with_its_kernel(tmp_path, monkeypatch):
    group = Group(tmp_path, 4711, 2**30)
    (group.folder / "cgroup.procs").write_text("4711\n4712\n")
    killed = []

    def kill(pid, _):
        killed.append(pid)
        if len(killed) == 2:  # then Linux lets it go
            for path in group.folder.iterdir():
                path.unlink()

    monkeypatch.setattr(os, "kill", kill)
    group.remove()
    assert killed == [4711, 4712]
    assert not group.folder.exists()


def test_it_is_said_once_and_what_there_is_instead(monkeypatch):
    monkeypatch.setattr(cgroups, "home", lambda: Path("/somewhere"))
    assert cgroups.note() == ""

    def home():
        raise Unavailable("why")

    monkeypatch.setattr(cgroups, "home", home)
    assert cgroups.note().startswith("No cgroups for submissions (why), so memory is counted five")
    assert "\n" not in cgroups.note()
    assert cgroups.group(1, 2) is None

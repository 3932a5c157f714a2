"""`make test` and `make gate`: from a clone to the verdict, and where the time went.

The book is built beside the tests that do without it. Then come the tests of its pages, and last,
by themselves, those marked `alone`: their verdict hangs on what else the machine does. Whatever
fails, the rest is run as far as it can be, and the exit status is that of the whole.

A test that failed is tried once more, by itself. If it holds then, it is listed as unsteady, for
somebody to mend, and the verdict is that of the second time.

Needs nothing but Python, since it also installs what is needed.
"""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ROOT / ".venv" / "bin" / "python"
LOGS = ROOT / "_build" / "tests"
TIERS = {"test": "not slow and not proof", "gate": "not proof"}
PATIENCE = 15  # seconds to end by itself, for what is interrupted
SLOWEST = 20
# Where the tests of the book are, and those that run alone: the passes for these read no more.
OF_THE_BOOK = ["tests/site"]
ALONE = [
    "tests/instnorm/test_rows_numba.py",
    "tests/instnorm_checks/test_checks.py",
    "tests/instnorm_checks/test_pace.py",
    "tests/instnorm_judge/test_an_end.py",
    "tests/instnorm_judge/test_calls.py",
    "tests/instnorm_judge/test_faults.py",
    "tests/instnorm_judge/test_judge_attacks.py",
    "tests/instnorm_judge/test_workers.py",
]
# All processors are at work. Threads of linear algebra would only wait for each other.
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
UNSTEADY = 5  # tests at most that are tried a second time: more is no chance


STARTED = []  # stages, in order


class Stage:
    """One command, in a process group of its own, with what it cost."""

    def __init__(self, name, *command, log=None):
        self.name, self.log, self.status = name, log, None
        print(f"\n=== {name}: {shlex.join(map(str, command))}", flush=True)
        self.start = time.monotonic()
        with log.open("w") if log else contextlib.nullcontext() as output:
            self.process = subprocess.Popen(
                list(map(str, command)),
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT if log else None,
                start_new_session=True,
                env={**ENVIRONMENT, **os.environ},
            )
        STARTED.append(self)
        self.thread = threading.Thread(target=self._wait, daemon=True)
        self.thread.start()

    def _wait(self):
        _, status, usage = os.wait4(self.process.pid, 0)
        self.seconds, self.cpu = time.monotonic() - self.start, usage.ru_utime + usage.ru_stime
        self.status = self.process.returncode = os.waitstatus_to_exitcode(status)

    @property
    def failed(self):
        return self.status != 0

    def end(self):
        """Wait for the end; of what went to a log, show what a failure needs."""
        self.thread.join()
        if self.log and self.failed:
            lines = self.log.read_text(errors="replace").splitlines()
            told = [line for line in lines[:-40] if re.search(r"\b(WARNING|ERROR)\b", line)]
            print(f"\n=== {self.name} failed; all of it is in {self.log}")
            print("\n".join(told[:40] + lines[-40:]), flush=True)
        return self

    def kill(self):
        """Interrupt it and all that it started; where that does not help, kill."""
        for number, patience in ((signal.SIGINT, PATIENCE), (signal.SIGKILL, PATIENCE)):
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                return
            self.thread.join(patience)


def pytest(name, expression, *arguments):
    return Stage(
        name,
        *(PYTHON, "-m", "pytest", "-q", "-rfE", "-m", expression, f"--junitxml={_cases(name)}"),
        *arguments,
    ).end()


def _cases(name):
    return LOGS / f"{name.replace(' ', '-')}.xml"


def verdict(tier):
    """Run everything; True if all of it holds."""
    in_tier, parallel = TIERS[tier], ("-n", _processors(), "--dist", "loadfile")
    if Stage("set-up", "make", "--no-print-directory", "install").end().failed:
        return False
    LOGS.mkdir(parents=True, exist_ok=True)
    for old in LOGS.iterdir():
        old.unlink()
    Stage("lint", "make", "--no-print-directory", "lint").end()
    book = Stage("book", "make", "--no-print-directory", "book", log=LOGS / "book.log")
    pytest("tests", f"({in_tier}) and not book and not alone", *parallel)
    if not book.end().failed:
        pytest("tests of the book", f"({in_tier}) and book and not alone", *parallel, *OF_THE_BOOK)
    pytest("tests alone", f"({in_tier}) and alone", *ALONE)
    again = second_time(in_tier)
    Stage("stale", PYTHON, "-m", "benchmarks.proofs", "stale").end()
    forgiven = {"stale", *(_failures() if again else {})}
    return not any(stage.failed for stage in STARTED if stage.name not in forgiven)


def second_time(in_tier):
    """Try by itself what failed: True if all of it holds then. Of more than a few none is tried."""
    names = [name for names in _failures().values() for name in names]
    if not names or len(names) > UNSTEADY:
        return False
    print(f"\nA second time: {len(names)} that failed", flush=True)
    only = ("--last-failed", "--last-failed-no-failures=none")
    stage = pytest("second time", f"({in_tier})", *only)
    return not stage.failed and len(list(_tried(stage))) >= len(names)


def _tried(stage):
    return ElementTree.parse(_cases(stage.name)).iter("testcase")


def _failures():
    """Stage of tests -> names of those that failed, for stages that ended because of these."""
    found = {}
    for stage in STARTED:
        path = _cases(stage.name)
        if stage.name.startswith("tests") and path.is_file() and stage.status == 1:
            bad = {"failure", "error"}
            if failed := [c for c in _tried(stage) if bad & {part.tag for part in c}]:
                found[stage.name] = [f"{c.get('classname')}::{c.get('name')}" for c in failed]
    return found


def _processors():
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return str(min(count, 16))


def summary():
    """What was skipped, the slowest tests, and the time of each stage."""
    skips, cases = {}, []
    for path in sorted(LOGS.glob("*.xml")):
        for case in ElementTree.parse(path).iter("testcase"):
            for skip in case.iter("skipped"):
                skips[skip.get("message")] = skips.get(skip.get("message"), 0) + 1
            cases.append((float(case.get("time")), f"{case.get('classname')}::{case.get('name')}"))
    if skips:
        print("\nSkipped:")
        for reason, count in sorted(skips.items(), key=lambda each: -each[1]):
            print(f"{count:8}  {reason}")
    print(f"\nThe slowest of {len(cases)} tests, in seconds:")
    for seconds, name in sorted(cases, reverse=True)[:SLOWEST]:
        print(f"{seconds:8.1f}  {name}")
    print("\nStage                  minutes   of processors")
    for stage in STARTED:
        state = {0: "", None: "  INTERRUPTED"}.get(stage.status, "  FAILED")
        if stage.status is not None:
            print(f"{stage.name:20} {stage.seconds / 60:9.1f} {stage.cpu / 60:15.1f}{state}")


def main():
    def stop(number, _):
        raise SystemExit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    start = time.monotonic()
    try:
        holds = verdict(sys.argv[1])
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for stage in STARTED:
            if stage.status is None:
                stage.kill()
    summary()
    if holds and _failures():
        print("\nUNSTEADY: failed beside others and held by themselves. Somebody has to mend:")
        print("\n".join(f"          {name}" for names in _failures().values() for name in names))
    print(f"{'all of it':20} {(time.monotonic() - start) / 60:9.1f}")
    print("\nEverything holds." if holds else "\nNOT EVERYTHING HOLDS: see above.")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())

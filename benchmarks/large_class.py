"""A class of a thousand, graded while workers are killed: is every mark there, and right?

    python -m benchmarks.large_class

The class of `benchmarks.judge`, but larger. When a third of it is graded, and again at two thirds,
one of the workers is killed in the middle of its work (SIGKILL). At the end each student must have
the marks that a class of a few, graded without any accident, has for the same notebook.

The results go to benchmarks/results/large-class.json.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import signal
import tempfile
import threading
import time
import warnings
from collections import Counter
from pathlib import Path

from sqlalchemy.exc import SAWarning

from instnorm_checks import SEED
from instnorm_judge import sandbox
from instnorm_judge.course import Course
from instnorm_judge.whole_class import autograde
from instnorm_judge.workers import on_this_machine

from .judge import ASSIGNMENT, BIN, CASES, WRONG, make_course, marks
from .surroundings import surroundings

RESULTS = Path(__file__).parent / "results" / "large-class.json"
KILLS = (1 / 3, 2 / 3)  # of the class


def graded(folder, students, workers, kills=()):
    """Grade a class made up in `folder`: (marks, outcome, seconds, submissions done at kills)."""
    make_course(folder, ASSIGNMENT, students, WRONG)
    left, killed = list(kills), []

    def kill_a_worker(done):
        os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
        killed.append(done)

    def watch(done, total):
        if left and done >= left[0] * total:
            left.pop(0)
            # In a moment, when each has a submission in hand again.
            threading.Timer(0.3, kill_a_worker, [done]).start()
        if done == total or done % 50 == 0:
            print(f"{done} of {total} graded, workers killed: {len(killed)}", flush=True)

    with contextlib.chdir(folder):
        course = Course.here()
        start = time.perf_counter()
        outcome = autograde(course, ASSIGNMENT, on_this_machine(workers), progress=watch)
        seconds = time.perf_counter() - start
    return marks(folder), outcome, seconds, killed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--students", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    sandbox.require()
    warnings.filterwarnings("ignore", category=SAWarning)  # from inside nbgrader's gradebook
    os.environ.pop("INSTNORM_UNSANDBOXED", None)
    os.environ[SEED] = CASES
    os.environ["PATH"] = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory(prefix="judge-bench-") as folder:
        wanted, *_ = graded(Path(folder) / "few", len(WRONG), options.workers)
        found, run, seconds, killed = graded(
            Path(folder) / "many", options.students, options.workers, KILLS
        )
    right = sum(
        found.get((f"student-{k:04}", exercise)) == wanted[f"student-{k % len(WRONG):04}", exercise]
        for k in range(options.students)
        for exercise in {exercise for _, exercise in wanted}
    )
    there = Counter(student for student, _ in found)
    report = {
        **surroundings("benchmarks.large_class"),
        "assignment": ASSIGNMENT,
        "submissions": options.students,
        "workers": options.workers,
        "a worker was killed after": killed,
        "seconds": round(seconds, 1),
        "submissions per hour": round(3600 * options.students / seconds),
        "students with every mark": sum(n * len(WRONG) == len(wanted) for n in there.values()),
        "marks": len(found),
        "right marks": right,
        "without a mark": [each.student for each in run.failed],
    }
    complete = right == len(found) == options.students * len(wanted) // len(WRONG)
    all_at_once = (run.graded, run.before) == (options.students, 0)
    report["met"] = complete and all_at_once and len(killed) == len(KILLS)
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"{right} of {len(found)} marks are right. Written to {options.out}")
    if not report["met"]:
        raise SystemExit("The class was not graded as it should have been.")


if __name__ == "__main__":
    main()

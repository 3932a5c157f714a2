"""From hand-in to feedback: `instnorm-judge watch` while students hand in, second by second.

    python -m benchmarks.watch [--students 150] [--every 1.0] [--kills 0]

The class of `benchmarks.judge` hands in, one student after the other. For each the time is taken
from the moment when the file is there until the page of feedback is. With --kills the watch is
killed (SIGKILL) so many times on the way, and started again. At the end each student must have a
page, and the marks that are right for the notebook.

The result goes to benchmarks/results/watch.json.
"""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

from sqlalchemy.exc import SAWarning

from instnorm_judge import sandbox

from .judge import ASSIGNMENT, BIN, WRONG, make_course, marks, run
from .surroundings import surroundings

RESULT = Path(__file__).parent / "results" / "watch.json"
BAR = 10.0  # seconds, 95 of 100 times, at one hand-in a second on two cores


def watching(course, workers):
    return subprocess.Popen(
        [BIN / "instnorm-judge", "watch", ASSIGNMENT, "--workers", str(workers)],
        cwd=course,
        stdout=subprocess.DEVNULL,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--students", type=int, default=150)
    parser.add_argument("--every", type=float, default=1.0, help="seconds")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    sandbox.require()
    warnings.filterwarnings("ignore", category=SAWarning)
    with tempfile.TemporaryDirectory(prefix="watch-bench-") as folder:
        report = measure(Path(folder), options)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"Written to {options.out}")
    if not report["met"]:
        raise SystemExit("It was not as it should have been.")


def measure(folder, options):
    few = folder / "few"
    make_course(few, ASSIGNMENT, len(WRONG), WRONG)
    run(few, "instnorm-judge", "autograde", ASSIGNMENT)
    wanted = marks(few)
    course, ready = folder / "course", folder / "ready"
    make_course(course, ASSIGNMENT, options.students, WRONG)
    shutil.move(course / "submitted", ready)
    (course / "submitted").mkdir()
    students = sorted(path.name for path in ready.iterdir())
    load = round(os.getloadavg()[0], 1)
    process, killed = watching(course, options.workers), []
    handed_in, back = {}, {}

    def pages():
        for student in handed_in.keys() - back.keys():
            with contextlib.suppress(FileNotFoundError):
                page = course / f"feedback/{student}/{ASSIGNMENT}/{ASSIGNMENT}.html"
                back[student] = page.stat().st_mtime - handed_in[student]

    # Until it is there: the first is not timed.
    warm = students.pop(0)
    shutil.copytree(ready / warm, course / "submitted" / warm)
    while not (course / f"feedback/{warm}/{ASSIGNMENT}/{ASSIGNMENT}.html").exists():
        time.sleep(0.1)
    start = time.time()
    for k, student in enumerate(students):
        while time.time() < start + k * options.every:
            pages()
            time.sleep(0.05)
        (ready / student).rename(course / "submitted" / student)
        handed_in[student] = time.time()
        if len(killed) < options.kills and k >= (len(killed) + 1) * len(students) / (
            options.kills + 1
        ):
            process.kill()
            process.wait()
            killed.append(k)
            process = watching(course, options.workers)
    deadline = time.time() + 600 + 5 * options.students
    while len(back) < len(handed_in) and time.time() < deadline:
        pages()
        time.sleep(0.1)
    process.terminate()
    process.wait()
    found = marks(course)
    right = sum(
        found.get((f"student-{k:04}", exercise)) == wanted[f"student-{k % len(WRONG):04}", exercise]
        for k in range(options.students)
        for exercise in {exercise for _, exercise in wanted}
    )
    seconds = sorted(back.values())
    p95 = seconds[int(0.95 * len(seconds))]
    complete = right == len(wanted) // len(WRONG) * options.students
    return {
        **surroundings("benchmarks.watch"),
        "load average before": load,
        "assignment": ASSIGNMENT,
        "hand-ins": options.students,
        "seconds between hand-ins": options.every,
        "workers": options.workers,
        "the watch was killed after": killed,
        "seconds to feedback": {
            "median": round(statistics.median(seconds), 2),
            "95 of 100": round(p95, 2),
            "most": round(seconds[-1], 2),
        },
        "with feedback": len(back) + 1,
        "right marks": right,
        "bar": BAR,
        "met": len(back) == len(handed_in) and complete and (bool(killed) or p95 <= BAR),
    }


if __name__ == "__main__":
    main()

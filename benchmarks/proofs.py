"""What takes as long as it takes: whole banks, fuzz, mutants, injected faults (`make proof`).

    python -m benchmarks.proofs run [name ...]     those named, or all that are missing or stale
    python -m benchmarks.proofs stale              which are; exit status 1 if any is

Each proof is a command of its own that fails when what it proves does not hold. Its result is a
file in benchmarks/results/proofs/: when and where it ran, how long it took, the last line that it
printed, and a hash of the sources that it speaks for; of a chapter that is its code. When these
change, the result is stale. A run that is interrupted goes on where it stopped: what has a fresh
result is not run again.

To add one: a line in PROOFS. Most proofs are tests with the marker `proof`, and a small sample of
what each looks at belongs into the ordinary tests.
"""

import argparse
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "proofs"


def counting(path):
    """The bytes of a source that a result hangs on: of a chapter the code, and not what is told."""
    content = path.read_bytes()
    if path.suffix == ".md" and path.is_relative_to(ROOT / "book"):
        cells = re.findall(rb"^(`{3,})({code-cell}.*?)^\1$", content, re.M | re.S)
        return b"\0".join(cell for _, cell in cells)
    return content


@dataclass(frozen=True)
class Proof:
    name: str  # in kebab-case; the result has this name
    proves: str  # in a sentence
    command: tuple[str, ...]  # arguments of Python, run in the root of the repository
    sources: tuple[
        str, ...
    ]  # glob patterns from there: what the result speaks for, and the command

    def hash(self):
        """SHA-256 of the names and the contents of all sources."""
        total = hashlib.sha256("\0".join(self.command).encode())
        for pattern in self.sources:
            paths = [p for p in sorted(ROOT.glob(pattern)) if p.is_file() and p.suffix != ".pyc"]
            if not paths:
                raise SystemExit(f"the proof {self.name} names {pattern}, and no file is called so")
            for path in paths:
                name = path.relative_to(ROOT).as_posix()
                content = hashlib.sha256(counting(path)).hexdigest()
                total.update(f"\0{name}\0{content}".encode())
        return total.hexdigest()

    @property
    def result(self):
        return RESULTS / f"{self.name}.json"

    def staleness(self):
        """Why the result says nothing of the sources as they are; "" if it does."""
        if not self.result.is_file():
            return "has never been run"
        about = json.loads(self.result.read_text())
        return (
            "" if about["sources"] == self.hash() else f"is older than its sources: {about['date']}"
        )

    def run(self):
        """Run it and, if it holds, write the result. Returns whether it holds."""
        before, start = self.hash(), time.monotonic()
        # Nothing is proved by what was skipped for want of a browser or a compiler: see conftest.
        environment = {**os.environ, "CI": "1", "PYTHONUNBUFFERED": "1"}
        said = ""
        with subprocess.Popen(
            [sys.executable, *self.command],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            for line in process.stdout:
                print(line, end="", flush=True)
                said = line.strip() or said
        if process.returncode:
            print(f"\n{self.name} DOES NOT HOLD (exit status {process.returncode})")
            return False
        if self.hash() != before:
            print(f"\n{self.name}: its sources changed while it ran, so nothing is written")
            return False
        about = {
            "proves": self.proves,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "minutes": round((time.monotonic() - start) / 60, 1),
            "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python "
            f"{platform.python_version()}",
            "said": said,
            "sources": before,
        }
        RESULTS.mkdir(parents=True, exist_ok=True)
        half = self.result.with_suffix(".half")
        half.write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n")
        half.replace(self.result)
        return True


def tests(*arguments):
    """The command of a proof that is made of tests."""
    return ("-m", "pytest", "-q", "-m", "proof", *arguments)


#: What answers on a page: Python's files, our wheel, and what speaks with them.
IN_BROWSER = (
    "src/instnorm_site/in_page.py",
    "src/instnorm_site/runtime.py",
    "src/instnorm_site/pyodide-lock.json",
    "src/instnorm_site/wheel.py",
    "src/instnorm_site/bytecode.py",
    "src/instnorm_site/bytecode.mjs",
    "book/exercise/python.js",
    "book/exercise/worker.js",
)

PROOFS = (
    Proof(
        "bank-in-browser",
        "In Chromium, stubs, right answers and misconceptions have the marks and names of CPython",
        tests("-s", "tests/site/test_bank_in_browser.py"),
        (
            "src/instnorm/**/*.py",
            "src/instnorm_checks/**/*.py",
            *IN_BROWSER,
            "src/instnorm_site/exercises.py",
            "exercises/*/*.ipynb",
            "tests/instnorm_checks/right_answers/*.py",
            "tests/site/test_bank_in_browser.py",
        ),
    ),
    Proof(
        "epub",
        "epubcheck finds no error and no warning in the book as EPUB",
        tests("tests/site/test_epub.py"),
        ("src/instnorm_site/epub.py", "src/instnorm_site/gathered.py", "tests/site/test_epub.py"),
    ),
    Proof(
        "live-chapters",
        "Run in Chromium, the chapters print what the build printed",
        tests("tests/site/test_live.py"),
        (
            "src/instnorm/**/*.py",
            "src/instnorm_lab/*.py",
            *IN_BROWSER,
            "src/instnorm_site/live.py",
            "src/instnorm_site/results.py",
            "book/exercise/live.js",
            "book/principles/*.md",
            "book/applications/*.md",
            "tests/site/test_live.py",
        ),
    ),
    Proof(
        "kernels-fuzz",
        "2,000 draws of all norms and CPU backends keep the bounds that the arithmetic gives",
        tests("-s", "tests/instnorm/test_rows_fuzz.py"),
        (
            "src/instnorm/norms.py",
            "src/instnorm/layout.py",
            "src/instnorm/arguments.py",
            "src/instnorm/rows/*.py",
            "tests/instnorm/test_rows_fuzz.py",
        ),
    ),
    Proof(
        "checks",
        "Every right answer has full marks, every misconception is rejected, 95 % are named",
        ("tests/instnorm_checks/exercises_report.py",),
        (
            "src/instnorm/**/*.py",
            "src/instnorm_checks/**/*.py",
            "tests/instnorm_checks/right_answers/*.py",
            "tests/instnorm_checks/mutants.py",
            "tests/instnorm_checks/exercises_report.py",
        ),
    ),
    Proof(
        "seeds",
        "With another seed than that of the gate, marks and names are the same",
        tests("tests/instnorm_checks/test_checks.py"),
        (
            "src/instnorm/*.py",
            "src/instnorm/rows/*.py",
            "src/instnorm_checks/**/*.py",
            "tests/instnorm_checks/right_answers/*.py",
            "tests/instnorm_checks/mutants.py",
            "tests/instnorm_checks/test_checks.py",
        ),
    ),
    Proof(
        "large-class",
        "A class of a thousand is graded while workers are killed, and no mark is lost",
        ("-m", "benchmarks.large_class"),
        ("src/instnorm_judge/**/*.py", "nbgrader_config.py", "benchmarks/large_class.py"),
    ),
    Proof(
        "faults",
        "Kernels killed, messages lost, no memory, files or processes to be had, each at 20 random "
        "moments: no honest submission loses a point.",
        tests("-s", "tests/instnorm_judge/test_faults.py"),
        ("src/instnorm_judge/**/*.py", "tests/instnorm_judge/test_faults.py"),
    ),
    Proof(
        "hand-ins",
        "Twenty notebooks, each mangled in twenty ways: 400 marks, all of them right",
        tests("tests/instnorm_judge/test_hand_ins.py"),
        (
            "src/instnorm_judge/**/*.py",
            "tests/instnorm_judge/mangled.py",
            "tests/instnorm_judge/test_hand_ins.py",
        ),
    ),
    Proof(
        "watch",
        "Of a thousand hand-ins, one a second, none is lost while the watch is killed twice",
        # Its times say nothing: it is killed twice, and other proofs may run beside it.
        (
            *("-m", "benchmarks.watch", "--students", "1000", "--kills", "2"),
            *("--out", "_build/watch-killed-twice.json"),
        ),
        ("src/instnorm_judge/**/*.py", "benchmarks/watch.py"),
    ),
    Proof(
        "tried",
        "More than 300 wrong answers and 62 right ones, written without sight of the checks, have "
        "the marks and names that they should have",
        tests("tests/instnorm_checks/test_tried.py"),
        (
            "src/instnorm_checks/**/*.py",
            "src/instnorm/*.py",
            "tests/instnorm_checks/test_tried.py",
            "tests/instnorm_checks/tried/*",
        ),
    ),
    Proof(
        "slips",
        "No slip in a right answer passes, and no verdict on one depends on the seed.",
        ("tests/instnorm_checks/mutation.py",),
        (
            "src/instnorm_checks/**/*.py",
            "src/instnorm/*.py",
            "solutions/*/*.md",
            "tests/instnorm_checks/mutation.py",
            "tests/instnorm_checks/slips.py",
            "tests/instnorm_checks/equivalent.toml",
            "tests/instnorm_checks/right_answers/*.py",
        ),
    ),
)


def main(arguments=None):
    """Run proofs, or say which results are stale."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.proofs", description=main.__doc__)
    parser.add_argument("what", choices=["run", "stale"])
    parser.add_argument("names", nargs="*", choices=[[], *(proof.name for proof in PROOFS)])
    options = parser.parse_args(arguments)
    chosen = [proof for proof in PROOFS if proof.name in options.names] or PROOFS
    why = {proof: proof.staleness() for proof in chosen}
    if options.what == "stale":
        for proof in filter(why.get, chosen):
            print(f"{proof.name:20} {why[proof]}")
        if not any(why.values()):
            print("Every proof speaks for the sources as they are.")
        return int(any(why.values()))
    failed = []
    for proof in chosen:
        if options.names or why[proof]:
            print(f"\n=== {proof.name}: {proof.proves}", flush=True)
            if not proof.run():
                failed.append(proof.name)
        else:
            print(f"{proof.name}: fresh")
    if failed:
        print(f"\nNOT PROVED: {', '.join(failed)}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())

"""Grade a class, tell it why, and export its marks. Run in the course folder.

instnorm-judge roster students.csv                       who takes part
instnorm-judge collect the-algorithm submissions.zip     what Canvas or Moodle hands over
instnorm-judge autograde the-algorithm                   what was handed in, on all cores
instnorm-judge watch the-algorithm                       the same, as it arrives, with feedback
instnorm-judge report the-algorithm                      one page on the whole class
instnorm-judge feedback the-algorithm --zip moodle       a page for each student
instnorm-judge export the-algorithm --format canvas      marks for a learning platform

The course folder is the one with nbgrader_config.py in it.
"""

import argparse
import errno
import multiprocessing.forkserver
import os
import sys
import warnings
from datetime import datetime
from pathlib import Path

from . import exports

# nbgrader takes seconds to import. So each command imports it when it needs it, while the process
# that workers are forked from imports it too.


# --- Before grading -------------------------------------------------------------------------------


def roster(options):
    from . import roster
    from .course import Course
    from .hand_ins import shown, unfit

    try:
        students = roster.read(options.file.read_bytes())
    except FileNotFoundError:
        raise SystemExit(f"There is no file {options.file}.") from None
    except ValueError as problem:
        raise SystemExit(f"{options.file} was not imported: {problem}.") from None
    without = [
        f"{shown(each['id'])}: {trouble}" for each in students if (trouble := unfit(each["id"]))
    ]
    students = [each for each in students if not unfit(each["id"])]
    with Course.here().gradebook() as gradebook:
        roster.enter(gradebook, students)
    print(f"{len(students)} students are in the gradebook, or up to date there.")
    return _tell(without, "Not entered; give them another id:")


def collect(options):
    from .collect import collect
    from .course import Course, require

    course = Course.here()
    with course.gradebook() as gradebook:
        require(gradebook, options.assignment)
        done = collect(course, options.assignment, options.archive, gradebook.students)
    print(
        f"{len(done.new)} new, {len(done.replaced)} replaced (what was there is in replaced/), "
        f"{len(done.unchanged)} unchanged."
    )
    return _tell(done.left_over, "Left over, and in nobody's folder:")


# --- Grading --------------------------------------------------------------------------------------


def autograde(options):
    course, workers = _ready_to_grade(options)
    from . import whole_class
    from .hand_ins import shown

    run = whole_class.autograde(
        course,
        options.assignment,
        workers,
        again=options.again,
        progress=whole_class.show_progress,
    )
    print(f"Graded {run.graded}; {run.before} had been graded before.")
    without = [f"{shown(each.student)}: {each.failure}" for each in run.failed]
    _tell(without, "No mark yet; the next run tries again:")
    return _tell(run.for_a_person, "For a person to look at:") or int(bool(run.failed))


def watch(options):
    course, workers = _ready_to_grade(options)
    from .watch import Rules, watch

    rules = Rules(options.attempts, options.cooldown, options.cases)
    print(f"Watching {course.root('submitted')}. Stop with Ctrl-C.", flush=True)
    watch(course, options.assignment, workers, rules, say=lambda line: print(line, flush=True))


def _ready_to_grade(options):
    """The course, and the kind of workers."""
    # Before NumPy is loaded, here and in the workers: submissions are graded in parallel, so a
    # second thread for one of them would only take time from another.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if not options.scheduler:
        preload = ["instnorm_judge.one_submission", "instnorm_judge.feedback"]
        multiprocessing.set_forkserver_preload(preload)
        multiprocessing.forkserver.ensure_running()
    from . import cgroups, sandbox
    from .course import Course
    from .execute import Execute
    from .workers import on_dask, on_this_machine

    course = Course.here()
    if options.unsandboxed:
        course.config.Execute.unsandboxed = True
    # The workers of a cluster check this themselves. Here it is checked once for all submissions.
    if not options.scheduler and not Execute(config=course.config).unsandboxed:
        sandbox.require()
        if note := cgroups.note():
            print(note, file=sys.stderr)
    return course, (
        on_dask(options.scheduler) if options.scheduler else on_this_machine(options.workers)
    )


# --- After grading --------------------------------------------------------------------------------


def report(options):
    from . import class_report

    date = datetime.now().astimezone().strftime("Made on %Y-%m-%d at %H:%M")
    found = _results(options)
    _write(options, f"{options.assignment}.html", class_report.render(found, date=date).encode())
    without = _tell(found.ungraded, "Without a mark yet, and left out of all numbers:")
    return _tell(found.unused, "Handed in, and not used:") or without


def export(options):
    found = _results(options)
    if found.ungraded and not options.blank:
        _tell(found.ungraded, "Nothing was written, since there is no mark yet for:")
        raise SystemExit("\nGrade them, or leave their marks blank with --blank.")
    content = exports.FORMATS[options.format](found)
    _write(options, f"{options.assignment}-{options.format}.csv", content)
    return _tell(found.unused, "Handed in, and not used:")


def feedback(options):
    from .course import Course, require
    from .handing_back import archive, write_pages

    course = Course.here()
    with course.gradebook() as gradebook:
        require(gradebook, options.assignment)
        written, without = write_pages(course, gradebook, options.assignment)
    print(f"{written} pages were written to {course.root('feedback')}.")
    if options.zip:
        content, missing = archive(course, options.assignment, options.zip)
        _write(options, f"{options.assignment}-feedback-{options.zip}.zip", content)
        without = [*without, *(f"{who} (not collected from {options.zip})" for who in missing)]
    return _tell(without, "Without a page:")


def _results(options):
    from .course import Course
    from .results import results

    try:
        return results(Course.here(), options.assignment)
    except LookupError as error:
        raise SystemExit(f"Nothing written: {error}.") from None


def _write(options, name, content):
    from .ledger import write

    path = options.out or Path("reports") / name
    write(path, content)
    print(f"Written to {path}")


def _tell(lines, heading):
    """Say on stderr what a person has to know; the exit status."""
    if lines:
        print("\n".join([heading, *(f"  {line}" for line in lines)]), file=sys.stderr)
    return int(bool(lines))


# --- The command ----------------------------------------------------------------------------------


def parser():
    whole = argparse.ArgumentParser(
        prog="instnorm-judge",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = whole.add_subparsers(required=True, metavar="COMMAND")

    def command(run, says, assignment=True):
        new = commands.add_parser(run.__name__, help=says, description=says)
        new.set_defaults(run=run)
        if assignment:
            new.add_argument("assignment", metavar="ASSIGNMENT", help="such as the-algorithm")
        return new.add_argument

    add = command(roster, "import students from a CSV file", assignment=False)
    add("file", type=Path, metavar="FILE", help="as spreadsheets, Canvas or Moodle write it")

    add = command(collect, "sort what Canvas, Moodle or anybody hands over; can be run again")
    add("archive", type=Path, metavar="ZIP", help="or the folder in which it was unpacked")

    grade = command(autograde, "grade what was handed in and has not been graded yet")
    grade("--again", action="store_true", help="grade everything anew, with a new seed")
    follow = command(watch, "grade what arrives, as it arrives, and write its feedback")
    follow("--attempts", type=int, metavar="N", help="that are graded of each student")
    follow("--cooldown", type=float, default=0, metavar="MINUTES", help="between two of them")
    follow(
        "--cases",
        choices=("all", "public"),
        default="all",
        help="public: of the hidden ones nothing is told; autograde tries them later",
    )
    for add in (grade, follow):
        add("--workers", type=int, metavar="N", help="processes; by default as many as cores")
        add("--scheduler", metavar="tcp://...", help="of a Dask cluster, in place of processes")
        add("--unsandboxed", action="store_true", help="without walls, for work that you trust")

    for run, says in (
        (report, "the class report, one HTML page that needs no network"),
        (feedback, "a page for each student: each lost point, and why"),
        (export, "marks as CSV"),
    ):
        add = command(run, says)
        add("--out", type=Path, metavar="FILE", help="instead of reports/...")
        if run is feedback:
            add(
                "--zip",
                choices=exports.PLATFORMS,
                help="and one archive, as it is imported there",
            )
        if run is export:
            add(
                "--format",
                choices=exports.FORMATS,
                default="csv",
                help="csv: everything that is known; canvas, moodle: what these import",
            )
            add("--blank", action="store_true", help="leave marks that are not there yet blank")
    return whole


def main(arguments=None):
    options = parser().parse_args(arguments)
    try:
        with _in_words():
            return options.run(options)
    except KeyboardInterrupt:
        print("\nStopped. What was graded is kept; run this again to go on.", file=sys.stderr)
        return 130


class _in_words:
    """Says what an instructor can do something about, without a traceback or warnings."""

    def __enter__(self):
        from sqlalchemy.exc import SAWarning

        warnings.filterwarnings("ignore", category=SAWarning)  # from inside nbgrader's gradebook

    def __exit__(self, kind, problem, _):
        if isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT):
            raise SystemExit(
                "The disk is full. What was graded is kept; make room and run this again."
            ) from None
        if kind is not None and kind.__module__.startswith("sqlalchemy"):
            text = str(getattr(problem, "orig", problem)).splitlines()[0]
            locked = "locked" in text
            raise SystemExit(
                "The gradebook is in use: another program is writing to it. Nothing is lost; run "
                "this again when that has ended."
                if locked
                else f"The gradebook can't be used: {text}. Nothing is lost."
            ) from None
        return False


if __name__ == "__main__":
    sys.exit(main())

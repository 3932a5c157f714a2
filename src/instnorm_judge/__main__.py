"""Grade a class, report on it, export its marks. Run in the course folder.

instnorm-judge autograde the-algorithm                   what was handed in, on all cores
instnorm-judge report the-algorithm                      one page on the whole class
instnorm-judge export the-algorithm --format canvas      marks for a learning platform

The course folder is the one with nbgrader_config.py in it.
"""

import argparse
import multiprocessing.forkserver
import os
import sys
import warnings
from datetime import datetime
from pathlib import Path

from . import exports

# nbgrader takes seconds to import. So commands import it when they need it, and while this process
# does, the one that workers are forked from does so too.


def write(path, text):
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
    print(f"Written to {path}")


def autograde(options):
    # Before NumPy is loaded, here and there: submissions are graded side by side, and two threads
    # for one of them would only be in the way of the other.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if not options.scheduler:
        multiprocessing.set_forkserver_preload(["instnorm_judge.one_submission"])
        multiprocessing.forkserver.ensure_running()
    from . import sandbox, whole_class
    from .course import Course
    from .execute import Execute
    from .hand_ins import shown
    from .workers import on_dask, on_this_machine

    _quiet()
    course = Course.here()
    if options.unsandboxed:
        course.config.Execute.unsandboxed = True
    # Workers of a cluster refuse for themselves. Here, better once than for each submission.
    if not options.scheduler and not Execute(config=course.config).unsandboxed:
        sandbox.require()
    workers = on_dask(options.scheduler) if options.scheduler else on_this_machine(options.workers)
    run = whole_class.autograde(
        course,
        options.assignment,
        workers,
        again=options.again,
        progress=whole_class.show_progress,
    )
    print(f"Graded {run.graded}; {run.before} had been graded before.")
    for each in run.failed:
        print(f"No mark for {shown(each.student)}: {each.failure}", file=sys.stderr)
    if run.failed:
        print("They have no points yet. The next run tries them again.", file=sys.stderr)
    if run.for_a_person:
        print("\nFor a person to look at:", file=sys.stderr)
        for each in run.for_a_person:
            print(f"  {each}", file=sys.stderr)
    return int(bool(run.failed or run.for_a_person))


def outcome(options):
    from .course import Course
    from .results import results

    _quiet()
    course = Course.here()
    try:
        return results(course.db_url, options.assignment, course.root("autograded"))
    except LookupError as error:
        raise SystemExit(f"Nothing written: {error}.") from None


def report(options):
    from . import class_report

    date = datetime.now().astimezone().strftime("Made on %Y-%m-%d at %H:%M")
    page = class_report.render(outcome(options), date=date)
    write(options.out or Path("reports") / f"{options.assignment}.html", page)


def export(options):
    text = exports.FORMATS[options.format](outcome(options))
    name = f"{options.assignment}-{options.format}.csv"
    write(options.out or Path("reports") / name, text)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="instnorm-judge",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for run, says in (
        (autograde, "grade what was handed in and has not been graded yet"),
        (report, "the class report, one HTML page that needs no network"),
        (export, "marks as CSV"),
    ):
        command = commands.add_parser(run.__name__, help=says, description=says)
        command.set_defaults(run=run)
        command.add_argument("assignment", metavar="ASSIGNMENT", help="such as the-algorithm")
        if run is autograde:
            where = command.add_mutually_exclusive_group()
            where.add_argument(
                "--workers", type=int, metavar="N", help="processes; by default as many as cores"
            )
            where.add_argument(
                "--scheduler",
                metavar="tcp://...",
                help="of a Dask cluster, in place of processes here",
            )
            command.add_argument(
                "--again", action="store_true", help="grade everything anew, with a new seed"
            )
            command.add_argument(
                "--unsandboxed", action="store_true", help="without walls, for work that you trust"
            )
            continue
        command.add_argument("--out", type=Path, metavar="FILE", help="instead of reports/...")
        if run is export:
            command.add_argument(
                "--format",
                choices=exports.FORMATS,
                default="csv",
                help="csv: everything that is known; canvas, moodle: what these import",
            )
    options = parser.parse_args(arguments)
    return options.run(options)


def _quiet():
    """Without warnings from inside nbgrader, about which an instructor could do nothing."""
    from sqlalchemy.exc import SAWarning

    warnings.filterwarnings("ignore", category=SAWarning)


if __name__ == "__main__":
    sys.exit(main())

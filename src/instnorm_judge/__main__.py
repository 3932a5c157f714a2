"""The judge's commands. Run them in the course folder, where nbgrader_config.py is.

instnorm-judge report the-algorithm                      one page on the whole class
instnorm-judge export the-algorithm --format canvas      marks for a learning platform
"""

import argparse
import sys
import warnings
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import SAWarning

from . import class_report, exports, whole_class
from .results import results
from .whole_class import Course, on_dask, show_progress


def write(path, text):
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
    print(f"Written to {path}")


def autograde(options):
    course = Course.here()
    submit = on_dask(options.scheduler, options.workers)
    done, before, failed = whole_class.autograde(
        course, options.assignment, submit, again=options.again, progress=show_progress
    )
    print(f"Graded {done}; {before} had been graded before.")
    for each in failed:
        print(f"No mark for {each.student}: {each.failure}", file=sys.stderr)
    if failed:
        print("They have 0 points and wait to be graded by hand.", file=sys.stderr)
        return 1
    return 0


def outcome(options):
    course = Course.here()
    try:
        return results(course.db_url, options.assignment, course.autograded)
    except LookupError as error:
        raise SystemExit(f"Nothing written: {error}.") from None


def report(options):
    date = datetime.now().astimezone().strftime("Made on %Y-%m-%d at %H:%M")
    page = class_report.render(outcome(options), date=date)
    write(options.out or Path("reports") / f"{options.assignment}.html", page)


def export(options):
    text = exports.FORMATS[options.format](outcome(options))
    name = f"{options.assignment}-{options.format}.csv"
    write(options.out or Path("reports") / name, text)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="instnorm-judge", description=__doc__.split("\n")[0])
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
                "--workers", type=int, metavar="N", help="processes; as many as cores"
            )
            where.add_argument("--scheduler", metavar="tcp://...", help="of a Dask cluster")
            command.add_argument(
                "--again", action="store_true", help="grade everything anew, with a new seed"
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
    # nbgrader's own handling of its gradebook; nothing that an instructor could do anything about.
    warnings.filterwarnings("ignore", category=SAWarning)
    return options.run(options)


if __name__ == "__main__":
    sys.exit(main())

"""Grade a whole class: many workers, one writer.

Only this process reads the course folder (`course`, `hand_ins`) and writes the results (`ledger`):
several writers would lose marks. Each worker (`workers`) sees one submission at a time.
"""

import sys
from dataclasses import dataclass, field

from . import course as courses
from .hand_ins import shown
from .ledger import Ledger
from .one_submission import ASSIGNMENT, Plan


@dataclass
class Run:
    """What came of a run."""

    graded: int = 0
    before: int = 0  # had been graded already
    failed: list = field(default_factory=list)  # GradedSubmissions without a mark
    for_a_person: list = field(default_factory=list)  # all that has to be looked at, in words


def autograde(course, assignment, workers, *, again=False, progress=lambda done, total: None):
    """Grade what has been handed in and not been graded yet.

    Parameters
    ----------
    course : Course
    assignment : its name
    workers : kind of Workers, such as `workers.on_this_machine()`
    again : grade everything anew, with a new seed
    progress : called with the number of submissions graded and that of all

    Returns the Run. Raises SystemExit, in words, when the gradebook does not know the assignment.
    """
    with course.gradebook() as gradebook:
        ledger = Ledger(course, assignment, gradebook, again=again)
        roster = courses.on_the_roster(gradebook)
        found = courses.handed_in(course, gradebook, assignment)
        todo = [each for each in found.submissions if again or not ledger.is_graded(each)]
        run = Run(before=len(found.submissions) - len(todo))
        by_student = {each.student: each for each in todo}
        if todo:
            with workers(plan(course, ledger)) as team:
                for graded in team.grade(todo):
                    ledger.enter(by_student[graded.student], graded)
                    run.graded += 1
                    if graded.failure:
                        run.failed.append(graded)
                    progress(run.graded, len(todo))
        odd = ledger.settle_lateness(found.submissions)
        run.for_a_person = [*found.unused, *odd, *ledger.for_a_person(set(by_student))]
        if roster is not None:
            run.for_a_person += [
                f"{shown(each.student)}: handed in, and is not in the roster"
                for each in found.submissions
                if each.student not in roster
            ]
    return run


def plan(course, ledger):
    """What workers are told of an assignment."""
    gradebook = courses.template(ledger.assignment, ASSIGNMENT)
    return Plan(course.config, gradebook, ledger.seed, ledger.cases)


def show_progress(done, total, width=40):
    """A bar, where somebody is watching; elsewhere a line now and then."""
    if sys.stderr.isatty():
        bar = "█" * (width * done // total)
        end = "\n" if done == total else ""
        print(f"\r{bar:{width}} {done}/{total}", end=end, file=sys.stderr, flush=True)
    elif done == total or done % max(1, total // 20) == 0:
        print(f"graded {done} of {total}", file=sys.stderr, flush=True)

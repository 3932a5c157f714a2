"""Grade what arrives, and write its feedback, as long as it runs.

The same workers and the same ledger as for a whole class at once (`whole_class`). It can be stopped
and started at any time: what was handed in and has no note in the ledger is graded.
"""

import json
import os
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from . import course as courses
from . import handing_back
from .hand_ins import shown
from .ledger import Ledger, note_of, write
from .whole_class import plan

POLL = 0.25  # seconds between two looks at the folder
NOTICE = "not-graded.txt"


@dataclass(frozen=True)
class Rules:
    """How often a student may try."""

    attempts: int | None = None  # that are graded
    cooldown: float = 0.0  # minutes between two of them
    cases: str = "all"  # or "public"


def watch(course, assignment, workers, rules=Rules(), *, say=print, going=lambda: True):
    """Grade hand-ins of `assignment` while `going()`; `say` is told about each, in a line."""
    with course.gradebook() as gradebook:
        ledger = Ledger(course, assignment, gradebook, cases=rules.cases)
        folder, attempts = _Folder(course.root("submitted")), _Attempts(course, assignment, rules)
        in_hand, told = {}, set()
        with workers(plan(course, ledger)) as team, handing_back.Pages(1) as pages:
            while going():
                found = courses.handed_in(course, gradebook, assignment, folder.changed())
                for each in found.unused:
                    if each not in told:
                        told.add(each)
                        say(each)
                for each in found.submissions:
                    if each.student in in_hand:
                        folder.look_again(each.student)
                    elif ledger.is_graded(each):
                        # It was stopped between the two.
                        if not handing_back.is_current(course, each.student, assignment):
                            pages.begin(course, ledger.settle(each))
                    else:
                        if (wait := attempts.wait(each.student)) == 0:
                            in_hand[each.student] = each
                            team.give(each)
                        elif wait is None:
                            _tell_of_the_end(course, assignment, each.student, rules)
                            say(f"{shown(each.student)}: no attempts left")
                        else:
                            folder.look_again(each.student, wait)
                for graded in team.finished(POLL):
                    submission = in_hand.pop(graded.student)
                    ledger.enter(submission, graded)
                    entry = ledger.settle(submission)
                    gradebook.db.commit()
                    if graded.failure:
                        folder.look_again(graded.student, 60)
                        say(f"{shown(graded.student)}: no mark yet, {graded.failure}")
                        continue
                    attempts.count(graded.student)
                    pages.begin(course, entry)
                    points = f"{entry.score:g} of {entry.max_score:g}"
                    say(f"{shown(graded.student)}: {points} in {graded.seconds:.1f} s")
                    for remark in graded.remarks:
                        say(f"{shown(graded.student)}: FOR A PERSON: {remark}")
                pages.finish(wait=False)


class _Folder:
    """Which students' folders have changed, and stand still since the look before."""

    def __init__(self, root):
        self.root = root
        self.settled, self.before = {}, {}  # folder -> what it looked like
        self.later = {}  # folder -> when to look again, though nothing has changed

    def changed(self):
        now, found = time.monotonic(), set()
        current = {each.name: _look(each) for each in _folders(self.root)}
        for name, look in current.items():
            due = name in self.later and self.later[name] <= now
            # A file that is still being written differs from one look to the next.
            if (look != self.settled.get(name) or due) and look == self.before.get(name):
                self.settled[name] = look
                self.later.pop(name, None)
                found.add(name)
        self.before = current
        return found

    def look_again(self, student, seconds=0.0):
        """Look at a student's folder again after so many seconds."""
        for name in self.settled:
            if courses.same_student(name, student):
                self.later[name] = time.monotonic() + seconds


def _folders(root):
    try:
        return [each for each in os.scandir(root) if each.is_dir() and each.name[0] != "."]
    except FileNotFoundError:
        return []


def _look(folder):
    """Names, sizes and times of all that lies in a folder."""
    seen = []
    for place, _, files in os.walk(folder.path):
        for name in files:
            try:
                about = os.stat(f"{place}/{name}", follow_symlinks=False)
                seen.append((f"{place}/{name}", about.st_size, about.st_mtime_ns, about.st_ino))
            except OSError:
                seen.append((f"{place}/{name}",))
    return sorted(seen)


class _Attempts:
    """When each student's hand-ins were graded; kept beside what was graded."""

    def __init__(self, course, assignment, rules):
        self.rules = rules
        self.path = course.root("autograded") / f".{assignment}-attempts.json"
        self.times = json.loads(self.path.read_text()) if self.path.exists() else {}

    def wait(self, student):
        """Seconds until the next may be graded; None if there is none left."""
        before = self.times.get(student, [])
        if self.rules.attempts is not None and len(before) >= self.rules.attempts:
            return None
        if not before or not self.rules.cooldown:
            return 0
        ready = datetime.fromisoformat(before[-1]) + timedelta(minutes=self.rules.cooldown)
        return max(0.0, (ready - datetime.now().astimezone()).total_seconds())

    def count(self, student):
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        self.times.setdefault(student, []).append(now)
        if self.rules.attempts is not None or self.rules.cooldown:
            write(self.path, json.dumps(self.times).encode())


def _tell_of_the_end(course, assignment, student, rules):
    graded = note_of(course, student, assignment)
    text = (
        f"What you handed in last was not graded: all {rules.attempts} attempts have been used. "
        f"The mark of the one before stands{'' if graded else ', if there is one'}.\n"
    )
    write(Path(course.folder("feedback", student, assignment)) / NOTICE, text.encode())

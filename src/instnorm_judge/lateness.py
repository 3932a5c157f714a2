"""What being late costs: computed anew on every run, since it is no part of grading.

In nbgrader_config.py:

    c.LatePenalty.per_day = 0.1                            # of the points earned, each started day
    c.LatePenalty.grace = 15                               # minutes that nobody minds
    c.LatePenalty.extensions = {"the-algorithm": {"ada": 2}}   # days
"""

import math
import re
from datetime import timedelta

from nbgrader import preprocessors
from nbgrader.api import Gradebook
from nbgrader.plugins import BasePlugin
from nbgrader.utils import parse_utc
from traitlets import Dict, Float, Type

DAY = 86400  # seconds


class LatePenalty(BasePlugin):
    """nbgrader's plugin for late penalties: a share of the points for each day."""

    per_day = Float(0.0, help="share of the points earned that a started day costs").tag(
        config=True
    )
    grace = Float(0.0, help="minutes after the due date that cost nothing").tag(config=True)
    at_most = Float(1.0, help="share of the points that lateness can cost").tag(config=True)
    extensions = Dict(help="assignment -> student -> days after the due date").tag(config=True)

    def late_submission_penalty(self, student_id, score, total_seconds_late):
        seconds = total_seconds_late - 60 * self.grace
        if seconds <= 0:
            return None
        return score * min(self.per_day * math.ceil(seconds / DAY), self.at_most, 1.0)


class AssignLatePenalties(preprocessors.AssignLatePenalties):
    """nbgrader's, with extensions that stand in the settings."""

    plugin_class = Type(LatePenalty, klass=BasePlugin).tag(config=True)

    def preprocess(self, nb, resources):
        about = resources["nbgrader"]
        with Gradebook(about["db_url"]) as gradebook:
            self.assign(gradebook.find_submission(about["assignment"], about["student"]))
            gradebook.db.commit()
        return nb, resources

    def assign(self, submission):
        """Set the penalties of a submission in the gradebook."""
        late = self.seconds_late(submission)
        for notebook in submission.notebooks:
            penalty = late > 0 and self.plugin_inst.late_submission_penalty(
                submission.student_id, notebook.score, late
            )
            penalty = min(max(penalty, 0), notebook.score) if penalty else None
            if notebook.late_submission_penalty != penalty:
                notebook.late_submission_penalty = penalty

    def seconds_late(self, submission):
        """After the due date, or after that of an extension in the settings.

        That is not written into the gradebook: when it is taken back, nothing is left of it.
        """
        self.init_plugin()
        extensions = getattr(self.plugin_inst, "extensions", {}).get(submission.assignment.name, {})
        days, due = extensions.get(submission.student_id), submission.assignment.duedate
        if days is None or due is None or submission.timestamp is None:
            return submission.total_seconds_late
        return max(0.0, (submission.timestamp - due - timedelta(days=days)).total_seconds())


def time_of(text):
    """The time in a timestamp.txt, without a zone, in UTC; None if it is no time."""
    try:
        # "18:00 +01:00" would be read as 18:00 UTC: an offset is one only without the space.
        return parse_utc(re.sub(r"\s+(?=[+-]\d\d:?\d\d$)", "", text.strip()))
    except Exception:  # whatever dateutil makes of nonsense
        return None

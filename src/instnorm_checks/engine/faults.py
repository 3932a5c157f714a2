"""When the check itself fails, which is never the student's doing.

An exception in a reference, a case, a clock or a misconception must not look like an outcome: where
`time.thread_time` was missing, student and reference both "raised AttributeError", and every answer
was right. So it ends the examination, loudly, with no points either way.
"""


class InternalError(Exception):
    """The check itself failed. There is no mark; a person has to look.

    `exercise` is the id of the exercise, or None where that is not known. `reason` says what
    failed, in words that hold nothing of a hidden case.
    """

    def __init__(self, reason, exercise=None):
        super().__init__(reason, exercise)
        self.reason, self.exercise = reason, exercise

    def __str__(self):
        where = f"{self.exercise}: " if self.exercise else ""
        return (
            f"{where}the check itself failed, which is not your answer's fault. No points are "
            f"given or taken; a person has to look. What failed: {self.reason}."
        )

    def _render_traceback_(self):
        """What Jupyter shows in place of a traceback through files that are not the reader's."""
        return [str(self)]


def told(error, secret=False):
    """An exception in a few words, without its message if it may quote a hidden case."""
    if secret:
        return type(error).__name__
    try:
        message = str(error).partition("\n")[0].strip()[:200]
    except Exception:  # a message may misbehave too
        message = ""
    return f"{type(error).__name__}: {message}" if message else type(error).__name__

"""Grading with nbgrader, made robust at nbgrader's own extension points.

`nbgrader_config.py` at the root of the repository puts three preprocessors into `nbgrader
autograde` (`instnorm_judge.preprocessors`), so that a submission can neither stop the grading of a
class nor score by accident. `instnorm_judge.assignments` makes the notebooks from their text
sources.

What this is not yet: a sandbox. The student's code still runs in the account that runs `nbgrader
autograde`, in one process with the checks, and can read, write and connect to whatever that
account can; a determined student can also reach into the checks and write their own mark. Until
student code runs in a process of its own, grade work that you do not trust in a container or a
virtual machine without secrets and without a network.
"""

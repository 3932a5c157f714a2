"""Grading strangers' notebooks with nbgrader, safely, at nbgrader's own extension points.

Stock nbgrader runs the tests in the student's own process, with the instructor's rights. There, a
wrong answer can reach into the tests and write its own mark, and any answer can read and change
what the instructor can. `nbgrader_config.py` at the root of the repository puts these in their
place, so that plain `nbgrader autograde` is safe:

    rebuild      the notebook is rebuilt: sources of answers from the student, the rest from us
    sandbox      student cells run confined: no files, no network, no environment, limited time
    zygote       a process in the sandbox that has imported everything, and forks the kernels
    provisioner  starts and ends such a kernel, for jupyter_client
    inside       the files of ours that the sandbox shows: the kernel's program, the wire format
    remote       the student's functions, called by value from outside
    trusted      tests run here, where no student code ever runs
    execute      which cell runs where; what comes back is copied, kind by kind, up to a limit
    grades       only a mark that the checks made counts, finite and within its bounds
    feedback     the page for the student: no scripts, no hidden tests

`instnorm_judge.assignments` makes the notebooks from their text sources.

This does not protect against a hole in the Linux kernel or in bubblewrap, against students who hand
in the work of others, or against those who use up the whole time limit on purpose.
"""

import sys

# To check internationalised addresses, which notebooks have none of, jsonschema would compile a
# grammar whenever it is imported: half of all the time that this package takes to import.
sys.modules.setdefault("rfc3987_syntax", None)

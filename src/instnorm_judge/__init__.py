"""Grading strangers' notebooks with nbgrader, safely, at nbgrader's own extension points.

Stock nbgrader runs the tests in the student's own process, with the instructor's rights. There, a
wrong answer can reach into the tests and write its own mark, and any answer can read and change
what the instructor can. `nbgrader_config.py` at the root of the repository puts these in their
place, so that plain `nbgrader autograde` is safe:

    rebuild      the notebook is rebuilt: sources of answers from the student, the rest from us
    sandbox      student cells run behind walls: no files, no network, no environment, an end
    zygote      a process in there that has everything imported, and forks a kernel when asked
    provisioner  the kernel in there, for jupyter_client
    inside       what is shown to it of us: the kernel's program and the wire format
    remote       the student's functions, called by value from outside
    trusted      tests run here, where no student code ever runs
    execute      which cell runs where; what comes back is copied, kind by kind, up to a limit
    grades       only a mark that the checks made counts, finite and within its bounds
    feedback     the page for the student: no scripts, no hidden tests

`instnorm_judge.assignments` makes the notebooks from their text sources.

What this does not protect from: a hole in the Linux kernel or in bubblewrap, a student who hands in
the work of another, and one who spends the whole time limit on purpose.
"""

import sys

# To check internationalised addresses, which notebooks have none of, jsonschema would compile a
# grammar whenever it is imported: half of all the time that this package takes to import.
sys.modules.setdefault("rfc3987_syntax", None)

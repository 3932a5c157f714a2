"""What a hostile student might hand in, as data. `tests/instnorm_judge/test_judge_attacks.py`
grades it all.

An attack is a cell that runs before the answers, all of which are zeros: wrong, and cheap to
recognise. Some attacks bring answers of their own, or edit the notebook or its file.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

LOOPS, VECTORISED, CONTRAST = "instance-norm-loops", "instance-norm", "contrast-scores"
ZEROS = {
    LOOPS: "instance_norm_loops = lambda x, eps=1e-5: 0 * x",
    VECTORISED: "instance_norm = lambda x, gamma, beta, eps=1e-5: 0 * x",
    CONTRAST: "contrast_scores = lambda s, c, n, eps=1e-5: (0 * c, 0 * c)",
}
NO_GAIN = "0 of 6 points"  # the report of a test that ran on a wrong answer


@dataclass(frozen=True)
class Attack:
    cell: str = ""  # source of a cell at the top of the notebook
    answers: dict[str, str] = field(default_factory=dict)  # in place of zeros
    edit: Callable | None = None  # does something to the notebook
    file: Callable | None = None  # does something to the folder with the written notebook
    says: str = NO_GAIN  # what the feedback must say: why there are no points
    scores_in_process: bool = False  # seen to get full marks where tests share the process


def everywhere(answer):
    """The same source for all three answers; {f} stands for the function's name."""
    return {name: answer.replace("{f}", source.partition(" ")[0]) for name, source in ZEROS.items()}

"""Save the marks: only those that `grade` made, here, count."""

import math
import os

from nbgrader import preprocessors
from nbgrader.utils import is_grade, is_solution

from instnorm_checks import CASES, MIME

from .rebuild import FLAGS


class SaveAutoGrades(preprocessors.SaveAutoGrades):
    """nbgrader's SaveAutoGrades, giving points only for a mark that `grade` made.

    nbgrader gives full points to a test cell that ran without an error, or did not run at all,
    and none to one that wrote to stderr. Here a test cell scores what its mark says, and nothing
    without a mark; what it wrote to stderr does not matter. Where the check itself failed there
    are no points, and a person has to give them.
    """

    def preprocess(self, nb, resources):
        notes = set(nb.metadata.get(FLAGS, {}))
        self.for_a_person = bool({"not_graded", "undecided"} & notes)
        self.not_graded = "not_graded" in notes
        faults = [
            f"no mark for {cell.metadata.nbgrader.grade_id}, whose check itself failed: {fault}"
            for cell in nb.cells
            if is_grade(cell) and (fault := internal_error(cell))
        ]
        if faults:
            self.log.error("\n".join(faults))
            nb.metadata[FLAGS] = {**nb.metadata.get(FLAGS, {}), "check_failed": "; ".join(faults)}
        return super().preprocess(nb, resources)

    def _add_score(self, cell, resources):
        if is_solution(cell) or cell.cell_type != "code":
            super()._add_score(cell, resources)  # left to a person
            return
        grade = self.gradebook.find_grade(
            cell.metadata["nbgrader"]["grade_id"],
            self.notebook_id,
            self.assignment_id,
            self.student_id,
        )
        failed = self.not_graded or internal_error(cell) is not None
        grade.auto_score = None if failed else score(cell)
        # A person has graded this before, or has to: the machine could not.
        by_hand = self.for_a_person or failed
        grade.needs_manual_grade = grade.manual_score is not None or by_hand
        self.gradebook.db.commit()


def internal_error(cell):
    """Why the check of an executed test cell itself failed; None if it did not."""
    for output in cell.get("outputs", []):
        about = output.get("data", {}).get(MIME)
        if isinstance(about, dict) and about.get("internal_error"):
            return str(about["internal_error"])
    return None


def score(cell):
    """Points of an executed test cell: those of its mark, finite and from 0 to the maximum."""
    about = cell.metadata["nbgrader"]
    if any(output.output_type == "error" for output in cell.outputs):
        return 0.0
    results = (output for output in cell.outputs if output.output_type == "execute_result")
    mark = next((output.data.get(MIME) for output in results), None)
    # A mark without a seed comes from `check`, which tries no hidden cases.
    if not isinstance(mark, dict) or mark.get("exercise") != about["grade_id"]:
        return 0.0
    points = mark.get("points")
    tried = mark.get("seed") or os.environ.get(CASES) == "public"
    if not tried or type(points) not in (int, float) or not math.isfinite(points):
        return 0.0
    return min(max(float(points), 0.0), float(about["points"]))

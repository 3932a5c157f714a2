"""Preprocessors for `nbgrader autograde`: restore the notebook, execute it, save the marks."""

import math

from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat.v4 import new_code_cell, new_output
from nbgrader import preprocessors
from nbgrader.api import Gradebook
from nbgrader.nbgraderformat.v3 import MetadataValidatorV3
from nbgrader.utils import is_solution

from instnorm.checks import MIME


class RestoreCells(preprocessors.NbGraderPreprocessor):
    """Put the cells that the gradebook knows back to what they were handed out as.

    Each such cell is there once, with its own type and metadata; a locked one also with its own
    source. Students copy, delete and edit cells without meaning harm, and nbgrader's own
    preprocessors stop at some of the results. No other cell keeps nbgrader metadata, or tags.

    A missing answer stays missing: if the function is defined in another cell, that counts.
    Everything else that is missing comes back, imports first and tests last.
    """

    def preprocess(self, nb, resources):
        about = resources["nbgrader"]
        with Gradebook(about["db_url"]) as gradebook:
            notebook = gradebook.find_notebook(about["notebook"], about["assignment"])
            official = {cell.name: cell for cell in notebook.source_cells}
            metadata = {name: _metadata(notebook, cell) for name, cell in official.items()}
            missing = set(official)
            # From the end: of two copies the later one is kept, as it is the one that counts when
            # the notebook runs.
            for cell in reversed(nb.cells):
                name = _grade_id(cell)
                cell.metadata = {}
                if name in missing:
                    missing.remove(name)
                    self._restore(cell, official[name], metadata[name])
            first, last = [], []
            for name in sorted(missing):
                self.log.warning("Cell %s is missing from the submission", name)
                if not metadata[name]["solution"]:
                    cell = new_code_cell()
                    self._restore(cell, official[name], metadata[name])
                    (last if metadata[name]["grade"] else first).append(cell)
            nb.cells = [*first, *nb.cells, *last]
        return nb, resources

    def _restore(self, cell, official, metadata):
        cell.cell_type = official.cell_type
        cell.metadata = {"nbgrader": metadata}
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        else:
            cell.pop("outputs", None)
            cell.pop("execution_count", None)
        if official.locked and cell.source != official.source:
            self.log.warning("Cell %s had been changed", official.name)
            cell.source = official.source


def _grade_id(cell):
    nbgrader = cell.metadata.get("nbgrader")
    name = nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None
    return name if isinstance(name, str) else None


def _metadata(notebook, cell):
    """The nbgrader metadata of a source cell, from what the gradebook knows of it."""
    graded = {each.name: each.max_score for each in notebook.grade_cells}
    tasks = {each.name: each.max_score for each in notebook.task_cells}
    metadata = {
        "grade_id": cell.name,
        "grade": cell.name in graded,
        "solution": cell.name in {each.name for each in notebook.solution_cells},
        "task": cell.name in tasks,
        "locked": cell.locked,
        "checksum": cell.checksum,
        "cell_type": cell.cell_type,
        "schema_version": MetadataValidatorV3.schema_version,
    }
    if cell.name in graded | tasks:
        metadata["points"] = (graded | tasks)[cell.name]
    return metadata


class Execute(preprocessors.Execute):
    """nbgrader's Execute, going on when the kernel dies or no longer answers.

    The cell that did it and all cells after it get an error in place of their outputs, so that
    they score zero; what ran before keeps its marks. nbgrader itself gives up on the submission.
    """

    def preprocess(self, nb, resources, km=None):
        self.lost = None
        return super().preprocess(nb, resources, km)

    def preprocess_cell(self, cell, resources, index):
        if cell.cell_type != "code":
            return cell, resources
        if self.lost is None:
            try:
                return super().preprocess_cell(cell, resources, index)
            except DeadKernelError:
                self.lost = "The Python process ended while this cell was running."
            except CellTimeoutError:
                self.lost = "This cell ran out of time and could not be interrupted."
            self._fail(cell, self.lost)
        else:
            self._fail(cell, f"Not run, because of an earlier cell: {self.lost}")
        return cell, resources

    def _fail(self, cell, message):
        self.log.warning(message)
        cell.outputs = [
            *cell.get("outputs", []),
            new_output("error", ename="KernelLost", evalue=message, traceback=[message]),
        ]


class SaveAutoGrades(preprocessors.SaveAutoGrades):
    """nbgrader's SaveAutoGrades, giving points only for a mark that `grade` made.

    nbgrader gives full points to a test cell that ran without an error, or did not run at all,
    and none to one that wrote to stderr. Here a test cell scores what its mark says, and nothing
    without a mark; what it wrote to stderr does not matter.
    """

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
        grade.auto_score = score(cell)
        grade.needs_manual_grade = grade.manual_score is not None
        self.gradebook.db.commit()


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
    if not mark.get("seed") or type(points) not in (int, float) or not math.isfinite(points):
        return 0.0
    return min(max(float(points), 0.0), float(about["points"]))

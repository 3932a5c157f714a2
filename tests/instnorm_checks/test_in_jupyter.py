"""In a real kernel: a rich report beside the plain one, and a fault of ours in a sentence. 5 s."""

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from instnorm_checks import MIME

WRONG = """
from instnorm_checks import EXERCISES, check

check("instance-norm-loops", lambda x, eps=1e-5: 0 * x)
"""
BROKEN = """
import dataclasses


def fails(*arguments):
    raise AttributeError("no such clock")


ours = EXERCISES["instance-norm-loops"]
EXERCISES["instance-norm-loops"] = dataclasses.replace(ours, reference=fails)
check("instance-norm-loops", lambda x, eps=1e-5: 0 * x)
"""


def test_a_notebook_shows_the_report_richly_and_a_fault_as_such():
    notebook = new_notebook(cells=[new_code_cell(WRONG), new_code_cell(BROKEN)])
    NotebookClient(notebook, kernel_name="python3", timeout=120, allow_errors=True).execute()
    nbformat.validate(notebook)
    report, mark = notebook.cells[0].outputs
    assert report.output_type == "display_data"
    assert report.data["text/plain"].startswith("instance-norm-loops: 0 of 6 points")
    assert report.data["text/html"].startswith('<div class="instnorm-report">')
    assert mark.output_type == "execute_result"
    assert mark.data[MIME]["misconceptions"] == ["all-zeros"]
    [fault] = notebook.cells[1].outputs
    assert fault.ename == "InternalError"
    assert fault.traceback == [fault.evalue]
    assert "the check itself failed, which is not your answer's fault" in fault.evalue

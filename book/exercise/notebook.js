// The assignment's notebook, with the answers of the page in its cells, and the way back.

const END = "-answer"; // of the grade_id of the cell that holds an exercise's answer

const text = ({ source }) => (Array.isArray(source) ? source.join("") : String(source ?? ""));

const gradeId = (cell) => cell?.metadata?.nbgrader?.grade_id;

/** The notebook with `answers`, {id: source}, in their cells; nothing else is changed. */
export function fill(notebook, answers) {
  const filled = structuredClone(notebook);
  for (const cell of filled.cells) {
    const id = gradeId(cell);
    if (!id?.endsWith(END) || !(id.slice(0, -END.length) in answers)) continue;
    const source = answers[id.slice(0, -END.length)];
    cell.source = source.match(/[^\n]*\n|[^\n]+$/g) ?? [];
    cell.outputs = [];
    cell.execution_count = null;
  }
  return filled;
}

/**
 * The answers in a notebook, {id: source}, of the exercises in `stubs`, {id: stub}.
 *
 * Cells are found by their grade_id, wherever they stand; ids of an earlier edition by `renamed`,
 * {old: new}. What is still the stub is no answer. Raises an Error whose message is for the reader.
 */
export function answersOf(file, stubs, renamed = {}) {
  let notebook;
  try {
    notebook = JSON.parse(file.replace(/^\uFEFF/, ""));
  } catch {
    throw new Error("This file is not a notebook: it can't be read as JSON. Nothing was changed.");
  }
  if (!Array.isArray(notebook?.cells)) {
    throw new Error("This file has no cells: it is not a notebook. Nothing was changed.");
  }
  const answers = {};
  let known = false;
  for (const cell of notebook.cells) {
    const named = gradeId(cell);
    if (typeof named !== "string" || !named.endsWith(END) || cell.cell_type !== "code") continue;
    const old = named.slice(0, -END.length);
    const id = Object.hasOwn(renamed, old) ? renamed[old] : old;
    if (!Object.hasOwn(stubs, id)) continue;
    known = true;
    const source = text(cell);
    // A cell that was copied is there twice; the one that was written in counts.
    if (source.trim() && source.trim() !== stubs[id].trim()) answers[id] = source;
  }
  if (!known) {
    throw new Error(
      "This notebook has no cell of these exercises: it belongs to another assignment, or the " +
        "marks of its cells are gone. Nothing was changed.",
    );
  }
  return answers;
}

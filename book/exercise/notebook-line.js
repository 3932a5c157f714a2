// The line above the exercises of a page: export the answers as the assignment's notebook, and read
// a notebook's answers in.

import { assignment, element } from "./dom.js";
import { memory } from "./memory.js";
import { answersOf, fill } from "./notebook.js";

const full = "This browser keeps nothing here, so the answers could not be read in: it is full, or told not to.";

/** Write the notebook of `box` with the answers in it; the sentence for the reader. */
export async function save(box) {
  const { assignment: name, notebook } = box.dataset;
  const kept = memory();
  try {
    const { exercises } = await assignment(name);
    const answers = Object.fromEntries(
      Object.keys(exercises)
        .map((id) => [id, kept.answer(id)?.source])
        .filter(([, source]) => source),
    );
    const given = await (await fetch(notebook, { cache: "no-cache" })).json();
    const text = `${JSON.stringify(fill(given, answers), null, 1)}\n`;
    const link = element("a", { download: `${name}.ipynb` });
    link.href = URL.createObjectURL(new Blob([text], { type: "application/x-ipynb+json" }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    const count = Object.keys(answers).length;
    const yours = `${count} answer${count === 1 ? "" : "s"} of yours`;
    return `${name}.ipynb, with ${yours} in it. It can be handed in, or opened in Jupyter.`;
  } catch {
    return "The notebook did not come through. Is there a network? Your answers are kept.";
  }
}

/** Read the answers of a notebook, a File, into this browser's memory; the sentence for the reader. */
export async function read(box, file) {
  const kept = memory();
  let exercises;
  try {
    ({ exercises } = await assignment(box.dataset.assignment));
  } catch {
    return "The exercises did not come through. Is there a network? Nothing was changed.";
  }
  const stubs = Object.fromEntries(Object.entries(exercises).map(([id, { stub }]) => [id, stub]));
  let answers;
  try {
    answers = answersOf(await file.text(), stubs, JSON.parse(box.dataset.renamed));
  } catch (error) {
    return error.message;
  }
  const done = Object.entries(answers).map(([id, source]) => kept.replace(id, source, stubs[id]));
  dispatchEvent(new CustomEvent("instnorm-answers"));
  if (!done.every(Boolean)) return full;
  if (!done.length) return `Nothing is written in ${file.name} yet. Your answers stay as they are.`;
  const what = `${done.length} answer${done.length === 1 ? "" : "s"} from ${file.name}.`;
  return `${what} What stood here before can be brought back, under each exercise.`;
}

// "All exercises": how far the reader is, exercise by exercise.

import { element } from "./dom.js";
import { memory } from "./memory.js";
import { due } from "./questions.js";

const base = new URL(".", import.meta.url);

export async function mount(box) {
  const kept = memory();
  const answer = await fetch(new URL("exercises.json", base), { cache: "no-cache" });
  const { exercises, renamed } = await answer.json();
  kept.rename(renamed);
  const show = () => draw(box, kept, exercises);
  show();
  addEventListener("storage", show);
  const again = element("div", { class: "questions" });
  box.after(again);
  await due(again);
}

function draw(box, kept, exercises) {
  let [earned, possible, done, begun] = [0, 0, 0, 0];
  for (const { id, points, version } of exercises) {
    const entry = kept.answer(id);
    const current = entry?.points !== undefined && entry.version === version;
    possible += points;
    if (entry) begun += 1;
    if (current) {
      earned += entry.points;
      if (entry.points === entry.of) done += 1;
    }
    mark(id, entry, current);
  }
  const known = new Set(exercises.map(({ id }) => id));
  const lost = kept.answers().filter((id) => !known.has(id));
  const parts = [];
  if (begun) {
    const bar = element("progress", { class: "xr-progress", max: possible, value: earned });
    bar.setAttribute("aria-label", "Points so far");
    parts.push(
      element("p", {
        text: `You have ${earned} of ${possible} points; ${done} of ${exercises.length} exercises are complete. This is kept in this browser alone.`,
      }),
      bar,
    );
  } else {
    parts.push(
      element("p", { text: "How far you are will stand here, once you have begun. It is kept in this browser alone." }),
    );
  }
  if (lost.length) {
    const list = element("ul");
    for (const id of lost) {
      const text = element("pre", { tabindex: 0, text: kept.answer(id).source });
      list.append(element("li", {}, element("details", {}, element("summary", { text: id }), text)));
    }
    parts.push(element("p", { text: "Your answers to exercises that are no longer in the book:" }), list);
  }
  box.replaceChildren(...parts);
}

/** Write into the table what was earned; points of an older edition count when checked again. */
function mark(id, entry, current) {
  for (const link of document.querySelectorAll(`table a[href$="#${id}"]`)) {
    const cell = link.closest("tr").cells[1];
    cell.dataset.points ??= cell.textContent;
    const points = cell.dataset.points;
    if (!entry) cell.textContent = points;
    else if (entry.points === undefined) cell.textContent = `begun, ${points}`;
    else if (!current) cell.textContent = `check again, ${points}`;
    else cell.textContent = `${entry.points} of ${points}`;
    cell.classList.toggle("xr-done", Boolean(current && entry.points === entry.of));
  }
}

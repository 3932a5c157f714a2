// Questions on what was read. A wrong answer comes back on "All exercises", after a day, and then
// after longer and longer whiles, until it was right often enough.

import { element } from "./dom.js";
import { memory } from "./memory.js";

const base = new URL(".", import.meta.url);
const DAY = 86_400_000;
const WHILES = [1, 3, 7, 21]; // days

export async function questionsOf(page) {
  const name = `questions-${page.replaceAll("/", "--")}.json`;
  const answer = await fetch(new URL(name, base), { cache: "no-cache" });
  if (!answer.ok) throw new Error(`no questions of ${page}`);
  return answer.json();
}

/** What is kept of a question after it was answered, rightly or not; null: it is done with. */
export function after(entry, right, page, now = Date.now()) {
  if (right && !entry) return null; // never missed
  const step = right ? entry.step + 1 : 0;
  return { page, step, due: step < WHILES.length ? now + WHILES[step] * DAY : null };
}

/** Show the questions of the page in `box`; `within` makes the change. */
export async function mount(box, within = (change) => change()) {
  const { page } = box.dataset;
  await style();
  const made = await questionsOf(page);
  within(() => {
    box.replaceChildren(...made.map((each, k) => asked(each, page, k)));
  });
}

// The style sheet of the questions, which has come when this has.
function style() {
  const address = new URL("exercise.css", base).href;
  if (document.querySelector('link[href*="exercise.css"]')) return Promise.resolve();
  const link = element("link", { rel: "stylesheet", href: address });
  const come = new Promise((done) => {
    link.addEventListener("load", done);
    link.addEventListener("error", done);
  });
  document.head.append(link);
  return come;
}

/** A question as an element; `done` is called when it was answered. */
export function asked(question, page, k, done = () => {}) {
  const { id, asks, given, prints, shown, right, choices, answer, pictures } = question;
  const kept = memory();
  const name = `question-${k}`;
  const code = [...given];
  const of = prints ? ` of ${prints}` : "";
  const form = element("form", { class: "question", autocomplete: "off" });
  const set = element("fieldset", {}, element("legend", { text: asks }));
  set.append(element("pre", { tabindex: 0, text: code.join("\n") }));
  if (pictures) {
    set.append(...[...pictures, question.seen].map(row));
    set.append(element("p", { class: "xr-help", text: `${prints && `Shown: ${prints}. `}${question.greys}` }));
  } else {
    if (shown) set.append(numbers([["right", right], ["this", shown]]));
    const count = right.split(" ").length;
    if (count > 1 || of) {
      set.append(element("p", { class: "xr-help", text: `Shown: the first ${count === 1 ? "number" : `${count} numbers`}${of}.` }));
    }
  }
  choices.forEach(({ text }, i) => {
    const input = element("input", { type: "radio", name, value: i, required: true });
    const label = element("span", { class: asks.startsWith("What will") ? "question-numbers" : "", text });
    set.append(element("label", {}, input, label));
  });
  const says = element("div", { class: "question-says", role: "status" });
  form.append(set, element("button", { type: "submit", text: "Answer" }), says);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const chosen = Number(new FormData(form).get(name));
    const isRight = chosen === answer;
    const entry = after(kept.question(id), isRight, page);
    if (entry) kept.answered(id, entry);
    says.replaceChildren(...explained(question, chosen));
    says.classList.toggle("question-right", isRight);
    form.querySelectorAll("input").forEach((input) => {
      input.closest("label").classList.toggle("question-answer", Number(input.value) === answer);
    });
    done(isRight);
  });
  return form;
}

// Numbers below each other, so that they can be compared.
function numbers(rows) {
  const table = element("table", { class: "question-table", role: "table" });
  for (const [title, text] of rows) {
    // The roles are there for the telephone, where the style lays rows out as columns.
    const line = element("tr", { role: "row" }, element("th", { scope: "row", role: "rowheader", text: title }));
    line.append(...text.split(" ").map((number) => element("td", { role: "cell", text: number })));
    table.append(line);
  }
  return table;
}

// The planes of an array: those of one image stand together.
function row({ title, images }) {
  const figure = element("figure", { class: "question-row" }, element("figcaption", { text: title }));
  for (const planes of images) {
    const together = element("span");
    together.append(...planes.map(({ source, says }) => element("img", { src: source, alt: says })));
    figure.append(together);
  }
  return figure;
}

/** Why: the sentence of the mistake, and, where another was chosen, what that one would give. */
function explained({ choices, answer, shown, right }, chosen) {
  const theirs = choices[chosen];
  const parts = [];
  const say = (text) => parts.push(element("p", { text }));
  if (chosen === answer) {
    say(`Right. ${shown || theirs.picture ? theirs.says : ""}`.trim());
    return parts;
  }
  if (theirs.picture) {
    say(`No: the mistake is “${choices[answer].text}”. ${choices[answer].says}`);
    parts.push(row({ ...theirs.picture, title: `“${theirs.text}” would give` }));
  } else if (shown) {
    say(`No: “${theirs.text}” would give ${theirs.output}. The mistake is “${choices[answer].text}”.`);
    say(choices[answer].says);
  } else {
    say(`No: it prints ${right}.`);
    say(`Those that you chose come of a mistake. ${theirs.says}`);
  }
  return parts;
}

/** On the progress page: what was answered wrongly and is due again. */
export async function due(box) {
  const kept = memory();
  style();
  const waiting = kept
    .questions()
    .map((id) => ({ id, ...kept.question(id) }))
    .filter((each) => each.due);
  const now = waiting.filter((each) => each.due <= Date.now());
  if (!waiting.length) return;
  const pages = [...new Set(now.map(({ page }) => page))];
  const known = new Map();
  for (const page of pages) {
    try {
      for (const each of await questionsOf(page)) known.set(each.id, each);
    } catch {
      // The page has moved or changed; its questions are made anew there.
    }
  }
  const again = now.filter(({ id }) => known.has(id));
  const later = waiting.length - now.length;
  box.append(element("h2", { text: "Again, please" }));
  if (again.length) {
    box.append(
      element("p", { text: "You missed these some time ago." }),
      ...again.map(({ id, page }, k) => asked(known.get(id), page, k)),
    );
  }
  if (later) box.append(element("p", { text: `${later} more will come back on another day.` }));
}

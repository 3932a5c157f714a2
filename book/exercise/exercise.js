// One exercise, done where it is read: an editor, a check, its report, and a line to try things.
//
// All that Python sends is put on the page as text.

import { assignment, element } from "./dom.js";
import { memory } from "./memory.js";
import { beside } from "./pictures.js";
import { SAYS, megabytes, python } from "./python.js";

const base = new URL(".", import.meta.url);

const button = (text, kind = "") => element("button", { type: "button", class: kind, text });

const points = (number) => `${number} point${number === 1 ? "" : "s"}`;

// Names of mistakes are words joined by hyphens.
const words = (name) => name.replaceAll("-", " ");

export async function mount(box) {
  const { id, assignment: name, version } = box.dataset;
  const started = python.start(); // while the editor comes
  started.catch(() => {}); // told below
  const [{ editor }, { exercises, order }] = await Promise.all([
    import(new URL("codemirror.js", base)),
    assignment(name),
  ]);
  const asked = exercises[id];
  const kept = memory();
  const source = () => kept.answer(id)?.source ?? asked.stub;

  // --- the parts ---
  const help = element("p", {
    class: "xr-help",
    id: `xr-help-${id}`,
    text: "Tab indents; Esc, then Tab, leaves the editor. Ctrl+Enter or ⌘+Enter checks.",
  });
  const place = element("div", { class: "xr-editor" });
  const check = button("Check", "xr-main");
  const stop = button("Stop");
  const reset = button("Reset");
  const back = button("Bring back the earlier text");
  const state = element("span", { class: "xr-state" });
  const bar = element("progress", { class: "xr-progress", hidden: true, max: 1, value: 0 });
  bar.setAttribute("aria-label", "Loading Python");
  const spoken = element("p", { class: "xr-spoken", role: "status", "aria-live": "polite" });
  const report = element("div", { class: "xr-report" });
  const scratch = element("details", { class: "xr-try" });
  box.replaceChildren(
    place,
    help,
    element("div", { class: "xr-buttons" }, check, stop, reset, back, state),
    bar,
    spoken,
    report,
    scratch,
  );

  // --- the editor, and memory ---
  let unsaved = false;
  let timer;
  const cells = editor({
    parent: place,
    text: source(),
    label: `Your answer: ${asked.signature}`,
    describedBy: help.id,
    run: () => !check.disabled && runCheck(),
    changed: (text) => {
      clearTimeout(timer);
      timer = setTimeout(() => save(text), 300);
    },
  });
  function save(text = cells.text) {
    clearTimeout(timer);
    if (text === (kept.answer(id)?.source ?? asked.stub)) return;
    // Points belong to the text that was checked; they stay until the next check says otherwise.
    unsaved = !kept.keep(id, { source: text, at: Date.now() });
    tell();
    showBack();
  }
  addEventListener("pagehide", () => save());
  // The same exercise in another window, or a notebook that was read in.
  const follow = () => {
    const now = source();
    if (now !== cells.text) cells.text = now;
    showBack();
  };
  addEventListener("storage", ({ key }) => key === `instnorm/answer/${id}` && follow());
  addEventListener("instnorm-answers", follow);

  function showBack() {
    back.hidden = !kept.answer(id)?.earlier?.length;
  }
  reset.addEventListener("click", () => {
    save();
    kept.replace(id, asked.stub, asked.stub);
    follow();
    report.replaceChildren();
    say("The answer is as it was given. Your text can be brought back.");
  });
  back.addEventListener("click", () => {
    save();
    const [{ source: earlier }] = kept.answer(id).earlier;
    kept.keep(id, { earlier: kept.answer(id).earlier.slice(1) });
    kept.replace(id, earlier, asked.stub);
    follow();
    say("The earlier text is back.");
  });

  // --- what is going on ---
  function tell(sentence) {
    const full = "This browser keeps nothing here: export your answers before you leave the page.";
    if (sentence !== undefined) state.textContent = sentence;
    if (unsaved || !kept.works) state.textContent = full;
  }
  function say(sentence) {
    spoken.textContent = sentence;
  }
  let mine = false; // whether it is this exercise that Python works for
  python.watch(({ state: now, loaded, total }) => {
    const loading = now === "loading";
    bar.hidden = !loading || !mine;
    stop.disabled = !mine || (now !== "busy" && !loading);
    if (!mine && now === "loading") return;
    if (loading) {
      bar.value = total ? loaded / total : 0;
      const part = `${megabytes(loaded)} of ${megabytes(total)}`;
      tell(!total ? "Python is coming." : loaded < total ? `Python is coming: ${part}` : "Python starts.");
    } else if (now === "busy" && mine) tell("At work.");
    else if (now === "ready" || now === "off") tell("");
  });
  stop.addEventListener("click", () => python.end());

  // --- asking Python ---
  const request = (what, more = {}) => ({
    do: what,
    exercise_id: id,
    before: asked.before,
    earlier: order
      .slice(0, order.indexOf(id))
      .map((other) => kept.answer(other)?.source)
      .filter(Boolean),
    source: cells.text,
    after: asked.after,
    ...more,
  });

  async function ask(what, more) {
    save();
    for (const one of [check, run]) one.disabled = true;
    mine = true;
    try {
      // SciPy is large, and comes only for an answer that asks for it.
      const packages = /^\s*(import|from)\s+scipy\b/m.test(cells.text) ? ["scipy"] : [];
      return await python.ask(request(what, more), { packages });
    } finally {
      mine = false;
      bar.hidden = true;
      stop.disabled = true;
      for (const one of [check, run]) one.disabled = false;
      tell("");
    }
  }

  async function runCheck() {
    report.replaceChildren();
    say("");
    let answer;
    try {
      answer = await ask("check");
    } catch (error) {
      answer = { kind: "trouble", text: error.message };
    }
    if (answer.kind === "report") {
      const { points: earned, of, names } = answer;
      const mark = { points: earned, of, names, version, checked: Date.now() };
      kept.keep(id, { source: cells.text, at: Date.now(), ...mark });
      dispatchEvent(new CustomEvent("instnorm-points"));
    }
    report.replaceChildren(...shown(answer, asked, put));
    say(aloud(answer));
  }
  check.addEventListener("click", runCheck);

  // --- trying ---
  const cases = element("select", { "aria-label": "A public case" });
  asked.cases.forEach(({ label }, k) => cases.append(element("option", { value: k, text: label })));
  const lineOf = ({ aspect, k }) =>
    `${asked.function}(**public_case("${id}", "${aspect}", ${k}))`;
  const linePlace = element("div", { class: "xr-line" });
  const run = button("Run");
  const output = element("div", { class: "xr-output", role: "status" });
  scratch.append(
    element("summary", { text: "Try your function on a case" }),
    element("p", { class: "xr-help", text: asked.cases.length ? "Choose a case, or write a line of your own." : "" }),
    element("div", { class: "xr-choose" }, cases),
    linePlace,
    element("div", { class: "xr-buttons" }, run),
    output,
  );
  let line;
  async function runLine() {
    const chosen = asked.cases[cases.value];
    const same = line.text.trim() === lineOf(chosen);
    output.replaceChildren();
    let answer;
    try {
      answer = await ask("try", {
        line: line.text,
        case: same ? [chosen.aspect, chosen.k] : null,
      });
    } catch (error) {
      answer = { kind: "trouble", text: error.message };
    }
    output.replaceChildren(...tried(answer));
  }
  function withLine() {
    line ??= editor({
      parent: linePlace,
      text: lineOf(asked.cases[0]),
      label: "A line to run after your answer",
      run: () => !run.disabled && runLine(),
      numbered: false,
    });
  }
  scratch.addEventListener("toggle", withLine);
  function put(text) {
    scratch.open = true;
    withLine();
    line.text = text;
    const chosen = asked.cases.findIndex((each) => lineOf(each) === text);
    if (chosen >= 0) cases.value = chosen;
    scratch.scrollIntoView({ block: "nearest" });
    if (!run.disabled) runLine();
  }
  cases.addEventListener("change", () => (line.text = lineOf(asked.cases[cases.value])));
  run.addEventListener("click", runLine);

  showBack();
  stop.disabled = true;
  tell("");
  cells.focus();
  started.catch((error) => tell(error.message ?? SAYS.network));
}

// --- reports --------------------------------------------------------------------------------------

const pre = (text) => element("pre", { tabindex: 0, text });

/** The elements that show what the check found. `put` writes a line to try. */
function shown(answer, asked, put) {
  if (answer.kind === "trouble") return [trouble(answer.text)];
  if (answer.kind === "fault") return fault(answer.text);
  const full = answer.points === answer.of;
  const parts = answer.blocks.map((block) => BLOCKS[block.is](block, { answer, full, put }));
  if (asked.elsewhere) parts.push(element("p", { class: "xr-help", text: asked.elsewhere }));
  if (answer.printed) {
    parts.push(element("p", { class: "xr-help", text: "Your code printed:" }), pre(answer.printed));
  }
  return parts;
}

// What a report of the checks is made of.
const BLOCKS = {
  Headline: (_, { answer, full }) =>
    element("p", {
      class: full ? "xr-points xr-full" : "xr-points",
      text: `${answer.points} of ${points(answer.of)}`,
    }),
  Paragraph: ({ name, says }) =>
    name
      ? element(
          "div",
          { class: "xr-named" },
          element("p", { class: "xr-name", text: words(name) }),
          element("p", { text: says }),
        )
      : element("p", { class: "xr-says", text: says }),
  Aspects: ({ rows }, { put }) => {
    const list = element("ul", { class: "xr-aspects" });
    for (const { says, passed, points: worth, flaw } of rows) {
      const mark = element("span", { class: "xr-mark", role: "img", text: passed ? "✓" : "✗" });
      mark.setAttribute("aria-label", passed ? "passed" : "missed");
      const said = element("div", {}, element("span", { text: says }));
      if (flaw) said.append(flawed(flaw, put));
      const points_ = element("span", { class: "xr-worth", text: points(worth) });
      list.append(element("li", { class: passed ? "xr-passed" : "xr-missed" }, mark, said, points_));
    }
    return list;
  },
  Verbatim: ({ title, lines }) =>
    element("div", {}, element("p", { class: "xr-help", text: title }), pre(lines.join("\n"))),
};

function flawed({ says, case: which, call, comparison }, put) {
  const box = element("div", { class: "xr-flaw" }, element("p", { text: says }));
  if (comparison) {
    const { place, theirs, ours, wrong } = comparison;
    box.append(
      element(
        "div",
        { class: "xr-pair" },
        numbers(`yours ${place}`.trim(), theirs, wrong),
        numbers("expected", ours),
      ),
    );
  }
  box.append(element("p", { class: "xr-help", text: `Case: ${which}` }));
  if (call) {
    const see = button("Try this case");
    see.addEventListener("click", () => put(call));
    box.append(see);
  }
  return box;
}

function numbers(title, rows, wrong) {
  const table = element("table", {}, element("caption", { text: title }));
  rows.forEach((row, i) => {
    const line = element("tr");
    row.forEach((text, k) => line.append(element("td", { text, class: wrong?.[i][k] ? "xr-off" : undefined })));
    table.append(line);
  });
  return table;
}

const trouble = (text) => {
  const [first, ...rest] = text.split("\n");
  const box = element("div", { class: "xr-named" }, element("p", { text: first }));
  const more = rest.join("\n").replace(/^\n+/, "");
  if (more) box.append(pre(more));
  return box;
};

const fault = (text) => [
  trouble(
    "The check itself has failed: that is our fault, not yours. It gives no points and takes none. " +
      "Please tell us, with these lines:",
  ),
  pre(text),
];

function aloud(answer) {
  if (answer.kind === "trouble") return answer.text.split("\n")[0];
  if (answer.kind === "fault") return "The check itself has failed. No points are given or taken.";
  const said = answer.blocks.flatMap((block) => {
    if (block.is === "Paragraph") return [block.name ? `${words(block.name)}. ${block.says}` : block.says];
    if (block.is !== "Aspects") return [];
    return block.rows.filter(({ passed }) => !passed).map(({ says }) => `Missed: ${says}`);
  });
  return [`${answer.points} of ${points(answer.of)}.`, ...said].join(" ");
}

function tried(answer) {
  if (answer.kind === "trouble") return [trouble(answer.text)];
  if (answer.kind === "fault") return fault(answer.text);
  const parts = [];
  if (answer.printed) parts.push(pre(answer.printed));
  parts.push(...answer.pictures.map(beside));
  if (answer.value) parts.push(pre(answer.value));
  if (!parts.length) parts.push(element("p", { class: "xr-help", text: "It ran, and gave nothing." }));
  return parts;
}

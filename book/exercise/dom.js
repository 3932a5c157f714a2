// What the modules of the exercises share: making elements, and what the build knows.

const base = new URL(".", import.meta.url);
const assignments = new Map();

/** What the build knows of an assignment: {notebook, exercises: {id: {...}}}. */
export function assignment(name) {
  if (!assignments.has(name)) {
    const asked = fetch(new URL(`exercises-${name}.json`, base), { cache: "no-cache" }).then(
      (answer) => {
        if (!answer.ok) throw new Error(`no exercises of ${name}: ${answer.status}`);
        return answer.json();
      },
    );
    asked.catch(() => assignments.delete(name));
    assignments.set(name, asked);
  }
  return assignments.get(name);
}

export function element(tag, { text, ...attributes } = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== undefined) node.setAttribute(name, value);
  }
  if (text !== undefined) node.textContent = text;
  node.append(...children);
  return node;
}

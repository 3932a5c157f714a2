// What the reader wrote, and what came of it: kept in this browser alone, by the exercise's id.
//
// An entry is {source, version, points, of, names, at, earlier}. `version` is that of the exercise
// when the points were earned, `earlier` holds texts that were replaced, the newest first: nothing
// that was written is lost by a reset, an import, or a new edition of the book.

const ANSWER = "instnorm/answer/";
const QUESTION = "instnorm/question/";
const KEPT = 5; // earlier texts of one exercise

export function memory(storage = browserStorage()) {
  const read = (key) => {
    try {
      return JSON.parse(storage.getItem(key)) ?? null;
    } catch {
      return null; // not ours, or half written
    }
  };
  const write = (key, value) => {
    try {
      storage.setItem(key, JSON.stringify(value));
      return true;
    } catch {
      return false; // full, or forbidden
    }
  };
  const keys = (prefix) =>
    Array.from({ length: storage?.length ?? 0 }, (_, k) => storage.key(k))
      .filter((key) => key?.startsWith(prefix))
      .map((key) => key.slice(prefix.length))
      .sort();

  const answer = (id) => {
    const entry = read(ANSWER + id);
    return typeof entry?.source === "string" ? entry : null;
  };

  /** Change an entry; false if it can't be kept. */
  const keep = (id, changes) => write(ANSWER + id, { ...answer(id), ...changes });

  /** Put another text in the place of an answer, which goes to the earlier ones. */
  function replace(id, source, unwritten = "") {
    const old = answer(id);
    const worth = old && ![source.trim(), unwritten.trim()].includes(old.source.trim());
    const earlier = [
      ...(worth ? [{ source: old.source, at: old.at ?? null }] : []),
      ...(old?.earlier ?? []),
    ];
    const { points, of, names, version } = old ?? {};
    const same = old?.source.trim() === source.trim();
    return write(ANSWER + id, {
      source,
      at: Date.now(),
      earlier: distinct(earlier).slice(0, KEPT),
      ...(same ? { points, of, names, version } : {}),
    });
  }

  /** Move the answers of exercises that have another id now: {old: new}. */
  function rename(renamed) {
    for (const [old, id] of Object.entries(renamed)) {
      const entry = answer(old);
      if (!entry || old === id) continue;
      const there = answer(id);
      const earlier = [
        ...(there?.earlier ?? []),
        ...(there && there.source !== entry.source
          ? [{ source: entry.source, at: entry.at ?? null }]
          : []),
        ...(entry.earlier ?? []),
      ];
      const moved = { ...(there ?? entry), earlier: distinct(earlier) };
      if (write(ANSWER + id, moved)) storage.removeItem(ANSWER + old);
    }
  }

  return {
    works: write("instnorm/works", 1),
    answer,
    keep,
    replace,
    rename,
    answers: () => keys(ANSWER).filter(answer),
    question: (id) => read(QUESTION + id),
    questions: () => keys(QUESTION),
    answered: (id, entry) => write(QUESTION + id, entry),
  };
}

function distinct(texts) {
  const seen = new Set();
  return texts.filter(({ source }) => !seen.has(source) && seen.add(source));
}

function browserStorage() {
  try {
    return globalThis.localStorage;
  } catch {
    return undefined; // forbidden; then nothing is kept, and the page says so
  }
}

// Mounts the page's explorables. Each is a <div class="explorable" data-explorable="name"> which
// holds a fall-back figure and its model as JSON, or the name of a file with it; that and its module,
// name.js beside this file, are loaded when the reader comes near.
(() => {
  const base = new URL(".", document.currentScript.src);

  // As much of anywidget's model as a page without a kernel can have.
  class Model {
    #values;
    #listeners = new Map();

    constructor(name, values) {
      this.name = name;
      this.#values = new Map(Object.entries(values));
    }

    get(key) {
      return this.#values.get(key);
    }

    set(key, value) {
      if (this.#values.get(key) === value) return;
      this.#values.set(key, value);
      for (const event of [`change:${key}`, "change"]) {
        for (const callback of this.#listeners.get(event) ?? []) callback();
      }
    }

    save_changes() {}

    // The reader's settings, {name of a control: value}, as the address has them: a link leads to
    // them, and they are there again on Back.
    kept() {
      const text = new URLSearchParams(location.search).get(this.name) ?? "";
      return Object.fromEntries(text.split(";").map((each) => each.split(/:(.*)/s)));
    }

    keep(values) {
      const address = new URL(location);
      const text = Object.entries(values).map(([key, value]) => `${key}:${value}`).join(";");
      if (text) address.searchParams.set(this.name, text);
      else address.searchParams.delete(this.name);
      if (address.href !== location.href) history.replaceState(history.state, "", address);
    }

    on(event, callback) {
      if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
      this.#listeners.get(event).add(callback);
    }

    off(event, callback) {
      this.#listeners.get(event)?.delete(callback);
    }
  }

  async function valuesOf({ dataset, textContent }) {
    if (!dataset.model) return JSON.parse(textContent);
    const answer = await fetch(new URL(dataset.model, base));
    if (!answer.ok) throw new Error(`no ${dataset.model}`);
    return answer.json();
  }

  async function mount(box) {
    const name = box.dataset.explorable;
    const stage = document.createElement("div");
    try {
      const [{ default: widget }, values] = await Promise.all([
        import(new URL(`${name}.js`, base)),
        valuesOf(box.querySelector("script")),
      ]);
      const model = new Model(name, values);
      await widget.render({ model, el: stage });
      box.querySelector(".explorable-fallback").replaceWith(stage);
      box.dataset.mounted = "";
    } catch (error) {
      // The fall-back figure stays.
      console.warn(`The explorable "${name}" could not start.`, error);
    }
  }

  const observer = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        observer.unobserve(target);
        if (target.matches(".questions")) ask(target);
        else mount(target);
      }
    },
    { rootMargin: "200%" },
  );
  // Questions stand at the end of a page, and come when the reader does.
  function ask(box) {
    import(new URL("questions.js", base))
      .then(({ mount }) => mount(box, staying))
      .catch((error) => console.warn("The questions did not come.", error));
  }

  // Change the page above what has the focus, which stays where it is on the screen.
  function staying(change) {
    const focused = document.activeElement;
    const top = focused.getBoundingClientRect().top;
    change();
    const moved = focused.getBoundingClientRect().top - top;
    if (focused !== document.body && moved && top > 0 && top < innerHeight)
      scrollBy({ top: moved, behavior: "instant" });
  }

  // The code of the page can be run; what that takes is loaded when it is asked for.
  for (const box of document.querySelectorAll(".live[data-page]")) {
    const button = Object.assign(document.createElement("button"), {
      type: "button",
      className: "live-start",
      textContent: "Run the code of this page",
    });
    box.replaceChildren(button);
    button.addEventListener("click", () => {
      button.disabled = true;
      import(new URL("live.js", base))
        .then(({ mount }) => mount(box))
        .catch((error) => {
          console.warn("The code can't be run.", error);
          button.disabled = false;
        });
    });
  }

  for (const box of document.querySelectorAll(".explorable, .questions")) observer.observe(box);
})();

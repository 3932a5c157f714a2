// Puts a button under the statement of each exercise. What the button starts, the editor and
// Python, is loaded when it is pressed and not before.
(() => {
  const base = new URL(".", document.currentScript.src);
  const load = (name) => import(new URL(`${name}.js`, base));

  function kept(id) {
    try {
      return JSON.parse(localStorage.getItem(`instnorm/answer/${id}`)) ?? {};
    } catch {
      return {};
    }
  }

  function show(box) {
    const { id, points, version } = box.dataset;
    const { source, ...mark } = kept(id);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "xr-start";
    button.textContent = source === undefined ? "Write it here" : "Go on writing";
    const state = document.createElement("span");
    state.className = "xr-kept";
    state.textContent =
      mark.points === undefined || mark.version !== version
        ? `${points} points`
        : `${mark.points} of ${mark.of} points so far`;
    const line = document.createElement("p");
    line.className = "xr-begin";
    line.append(button, state);
    box.replaceChildren(line);
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        const { mount } = await load("exercise");
        await mount(box);
      } catch (error) {
        console.warn(error);
        button.disabled = false;
        state.textContent =
          location.protocol === "file:"
            ? "Browsers load an editor only from a web server, not from a folder: try make serve."
            : "The editor did not come through. Is there a network?";
      }
    });
  }

  const boxes = document.querySelectorAll(".exercise[data-id]");
  for (const box of boxes) show(box);
  const again = () => boxes.forEach((box) => box.querySelector(".xr-editor") ?? show(box));

  // Export and import, for the whole assignment.
  function line(box) {
    const button = (text) => Object.assign(document.createElement("button"), { type: "button", textContent: text });
    const [out, into] = [button("Export my answers"), button("Import a notebook")];
    const file = Object.assign(document.createElement("input"), {
      type: "file",
      accept: ".ipynb,application/json",
      hidden: true,
      ariaLabel: "A notebook to import",
    });
    const says = Object.assign(document.createElement("p"), { className: "xr-help", role: "status" });
    const buttons = Object.assign(document.createElement("div"), { className: "xr-buttons" });
    buttons.append(out, into, file);
    box.replaceChildren(buttons, says);
    out.addEventListener("click", async () => {
      says.textContent = await (await load("notebook-line")).save(box);
    });
    into.addEventListener("click", () => file.click());
    file.addEventListener("change", async () => {
      if (!file.files.length) return;
      says.textContent = await (await load("notebook-line")).read(box, file.files[0]);
      file.value = "";
      again();
    });
  }

  for (const box of document.querySelectorAll("[data-renamed]")) {
    if (box.dataset.notebook) line(box);
    // Answers kept under an older name of an exercise go to where it is now.
    const renamed = JSON.parse(box.dataset.renamed);
    if (Object.keys(renamed).some((old) => "source" in kept(old))) {
      load("memory").then(({ memory }) => {
        memory().rename(renamed);
        again();
      });
    }
  }
  const progress = document.querySelector(".exercise-progress");
  if (progress) load("progress").then(({ mount }) => mount(progress));
})();

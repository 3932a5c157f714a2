// While you read: what scrolls says so, references are shown where they stand, and the arrow keys
// lead to the page before and the next one.

(() => {
  const article = document.querySelector(".bd-article");

  // --- what is wider than its place ---------------------------------------------------------------

  const WIDE =
    "pre, div.math > span:not(.eqno), div.results, .pst-scrollable-table-container, .xr-pair table, " +
    ".cm-scroller";

  // Until a block of code has come near, and where no script runs, the keyboard reaches it anyway.
  function mark(box) {
    const over = box.scrollWidth - box.clientWidth;
    if (over <= 1) {
      delete box.dataset.more;
      if (box.tabIndex === 0 && box.scrollHeight <= box.clientHeight + 1) box.tabIndex = -1;
      return;
    }
    const left = box.scrollLeft > 1;
    const right = box.scrollLeft < over - 1;
    box.dataset.more = left && right ? "both" : left ? "start" : "end";
    // An editor takes the keyboard in the text that it scrolls.
    if (!box.matches(".cm-scroller")) box.tabIndex = 0;
  }

  const size = new ResizeObserver((entries) => entries.forEach(({ target }) => mark(target.closest(WIDE))));
  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        size.observe(target);
        if (target.matches(".cm-scroller")) size.observe(target.querySelector(".cm-content")); // as one writes
        target.addEventListener("scroll", () => mark(target), { passive: true });
      }
    },
    { rootMargin: "100%" },
  );
  const watch = (part) => part.querySelectorAll(WIDE).forEach((box) => near.observe(box));
  let tip = null; // what is shown beside a reference
  if (article) {
    watch(article);
    new MutationObserver((changes) => {
      for (const { addedNodes } of changes)
        for (const part of addedNodes) {
          if (part.nodeType !== Node.ELEMENT_NODE || part === tip) continue;
          if (part.matches(WIDE)) near.observe(part);
          watch(part);
        }
    }).observe(article, { subtree: true, childList: true });
  }

  // --- fonts ----------------------------------------------------------------------------------------

  // What is far from the screen is not laid out yet, and asks for no font. One that comes only when
  // the reader is there would move the lines being read.
  const FONTS = {
    "em, i, .opening": 'italic 1em "Book Serif"',
    "strong, b, dt": 'bold 1em "Book Serif"',
    ".katex": "1em KaTeX_Main",
    ".mathnormal": "italic 1em KaTeX_Math",
    ".mathbf": "bold 1em KaTeX_Main",
    ".mathbb, .amsrm": "1em KaTeX_AMS",
    ".mathcal": "1em KaTeX_Caligraphic",
    ".delimsizing.size1, .small-op": "1em KaTeX_Size1",
    ".delimsizing.size2, .large-op": "1em KaTeX_Size2",
    ".delimsizing.size3": "1em KaTeX_Size3",
    ".delimsizing.size4, .delim-size4": "1em KaTeX_Size4",
  };
  for (const [places, font] of Object.entries(FONTS))
    if (article?.querySelector(places)) document.fonts.load(font).catch(() => {});

  // --- back to the top ------------------------------------------------------------------------------

  const up = document.getElementById("pst-back-to-top");
  if (up) {
    let before = scrollY;
    const follow = () => {
      up.style.display = scrollY < before && scrollY > innerHeight ? "block" : "";
      before = scrollY;
    };
    addEventListener("scroll", follow, { passive: true });
    up.addEventListener("click", () => scrollTo(0, 0));
  }

  // --- one picture over another -------------------------------------------------------------------

  for (const box of document.querySelectorAll(".compare")) {
    const slider = box.querySelector("[type=range]");
    const follow = () => box.style.setProperty("--cut", `${slider.value}%`);
    slider.hidden = false;
    slider.addEventListener("input", follow);
    follow(); // where the browser has kept it, on Back
  }

  // --- references ---------------------------------------------------------------------------------

  // What a link leads to, as a copy to be shown beside it; null where there is nothing to show.
  function excerpt(target, sameDocument) {
    const whole = target?.closest("dt") ?? target;
    if (!whole) return null;
    const pieces = whole.matches("dt")
      ? terms(whole)
      : whole.matches("figure, div.citation, div.math")
        ? [whole]
        : [];
    if (!pieces.length) return null;
    const shown = document.createElement("div");
    for (const piece of pieces) shown.append(document.importNode(piece, true));
    for (const part of shown.querySelectorAll(".headerlink, .explorable script, .ex, .backrefs")) part.remove();
    for (const part of shown.querySelectorAll("a")) part.replaceWith(...part.childNodes);
    for (const part of shown.querySelectorAll("[tabindex]")) part.removeAttribute("tabindex");
    if (sameDocument) for (const part of shown.querySelectorAll("[id]")) part.removeAttribute("id");
    return shown.textContent.trim() ? shown : null;
  }

  function terms(dt) {
    const found = [dt];
    for (let next = dt.nextElementSibling; next; next = next.nextElementSibling) {
      found.push(next);
      if (next.matches("dd")) break;
    }
    return found;
  }

  const pages = new Map(); // address -> promise of its document

  function page(address) {
    if (!pages.has(address)) {
      pages.set(
        address,
        fetch(address)
          .then((answer) => (answer.ok ? answer.text() : ""))
          .then((text) => new DOMParser().parseFromString(text, "text/html"))
          .catch(() => null), // a folder without a server
      );
    }
    return pages.get(address);
  }

  async function found(link) {
    const url = new URL(link.href);
    const id = decodeURIComponent(url.hash.slice(1));
    if (!id || url.origin !== location.origin) return null;
    const here = url.pathname === location.pathname;
    const where = here ? document : await page(url.href.slice(0, -url.hash.length));
    return excerpt(where?.getElementById(id), here);
  }

  let waiting = 0;
  let owner = null;

  function hide() {
    clearTimeout(waiting);
    tip?.remove();
    owner?.removeAttribute("aria-describedby");
    tip = owner = null;
  }

  async function show(link) {
    const shown = await found(link);
    if (!shown || owner !== link) return;
    tip = shown;
    tip.id = "preview";
    tip.className = "preview";
    tip.setAttribute("role", "tooltip");
    article.append(tip);
    const { left, top, bottom } = link.getBoundingClientRect();
    const box = article.getBoundingClientRect();
    const { width, height } = tip.getBoundingClientRect();
    const above = top - height - 8 > 0 && bottom + height + 8 > innerHeight;
    const x = Math.max(8, Math.min(left - 16, innerWidth - width - 8));
    tip.style.left = `${x - box.left}px`;
    tip.style.top = `${(above ? top - height - 8 : bottom + 8) - box.top}px`;
    link.setAttribute("aria-describedby", "preview");
    tip.addEventListener("pointerleave", leave);
  }

  // A moment for the pointer to pass on the way, or to move onto what is shown.
  function leave() {
    clearTimeout(waiting);
    waiting = setTimeout(() => tip?.matches(":hover") || hide(), 200);
  }

  function come(link, delay) {
    if (owner === link) return;
    hide();
    owner = link;
    waiting = setTimeout(() => show(link), delay);
  }

  const REFERENCE = "a.reference.internal[href*='#']";
  article?.addEventListener("pointerover", ({ target, pointerType }) => {
    const link = target.closest?.(REFERENCE);
    if (link && pointerType === "mouse") come(link, 250);
  });
  article?.addEventListener("pointerout", ({ target }) => {
    if (target.closest?.(REFERENCE)) leave();
  });
  article?.addEventListener("focusin", ({ target }) => {
    if (target.matches(REFERENCE) && target.matches(":focus-visible")) come(target, 250);
  });
  article?.addEventListener("focusout", ({ target }) => target.matches(REFERENCE) && hide());
  addEventListener("pointerdown", ({ target }) => tip?.contains(target) || hide());

  // --- keys ---------------------------------------------------------------------------------------

  addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (key === "Escape") hide();
    if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    // A control, or something that scrolls, has a use of its own for these keys.
    if (target !== document.body && !target.matches("a, h1")) return;
    const way = { ArrowLeft: "a.left-prev", ArrowRight: "a.right-next" }[key];
    const link = way && document.querySelector(way);
    if (link) location.assign(link.href);
  });
})();

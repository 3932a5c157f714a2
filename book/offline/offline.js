// After one visit the whole book can be read without a network, and a browser may offer to install
// it. Both need a server: a page opened from a folder has neither.

(() => {
  if (!location.protocol.startsWith("http")) return;
  const root = new URL("..", document.currentScript.src);
  const manifest = document.createElement("link");
  manifest.rel = "manifest";
  manifest.href = new URL("manifest.webmanifest", root).href;
  document.head.append(manifest);

  // Whoever has asked for little to be sent is sent no book in advance.
  if (!navigator.serviceWorker || navigator.connection?.saveData) return;
  addEventListener("load", async () => {
    try {
      const worker = new URL("service-worker.js", root);
      await navigator.serviceWorker.register(worker, { updateViaCache: "none" });
    } catch (error) {
      console.log(`This browser keeps no copy of the book: ${error.message}`);
    }
  });
})();

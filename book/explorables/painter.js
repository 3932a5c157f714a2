// The network of "Style mixer", in a thread of its own, so that the page stays at hand while it paints.
//
// Told {image, height, width, weights}, with the image as planes of red, green and blue in [0, 1],
// it answers {image}. While it loads it reports {loaded}, in bytes, and then {ready}. Where
// something fails it answers {failed}.

import * as ort from "./onnxruntime/ort.wasm.min.mjs";

const RUNTIME = new URL("onnxruntime/ort-wasm-simd-threaded.wasm", import.meta.url);
const NETWORK = new URL("multistyle26.onnx", import.meta.url);

let loaded = 0;

async function download(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url.pathname}: ${answer.status}`);
  const parts = [];
  const reader = answer.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    loaded += value.length;
    postMessage({ loaded });
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function start() {
  const [runtime, network] = await Promise.all([download(RUNTIME), download(NETWORK)]);
  // One thread needs no shared memory, and so no special headers from the server.
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = runtime.buffer;
  return ort.InferenceSession.create(network, { executionProviders: ["wasm"] });
}

const session = start();
session.then(
  () => postMessage({ ready: true }),
  (error) => postMessage({ failed: String(error) }),
);

onmessage = async ({ data: { image, height, width, weights } }) => {
  try {
    const { stylized } = await (await session).run({
      image: new ort.Tensor("float32", image, [1, 3, height, width]),
      style_weights: new ort.Tensor("float32", weights, [weights.length]),
    });
    postMessage({ image: stylized.data.slice() });
  } catch (error) {
    postMessage({ failed: String(error) });
  }
};

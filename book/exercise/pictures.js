// Small pictures of arrays: what the reader's function gave, what is right, and the difference.

const NUMBER = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const LARGEST = 144; // pixels of the longer side on the page

function colours(values, low, high, signed) {
  const data = new Uint8ClampedArray(4 * values.length);
  const style = getComputedStyle(document.documentElement);
  const rgb = (name) => {
    const text = style.getPropertyValue(name).trim();
    return [1, 3, 5].map((k) => parseInt(text.slice(k, k + 2), 16));
  };
  const [paper, less, more] = ["--fig-paper", "--fig-blue", "--fig-vermilion"].map(rgb);
  values.forEach((value, i) => {
    const at = 4 * i;
    if (value === null) return; // clear
    if (signed) {
      const part = Math.min(1, Math.abs(value) / (high || 1));
      const hue = value < 0 ? less : more;
      for (const k of [0, 1, 2]) data[at + k] = paper[k] + part * (hue[k] - paper[k]);
    } else {
      const grey = (255 * (value - low)) / (high - low || 1);
      data.fill(grey, at, at + 3);
    }
    data[at + 3] = 255;
  });
  return data;
}

function picture(values, [height, width], scale, label, signed = false) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const size = LARGEST / Math.max(width, height);
  canvas.style.width = `${Math.round(width * Math.max(1, size))}px`;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  const data = colours(values, ...scale, signed);
  canvas.getContext("2d").putImageData(new ImageData(data, width, height), 0, 0);
  return canvas;
}

/** Elements that show {name, shape: [planes, height, width], yours, expected, apart, agrees}. */
export function beside({ name, note, shape, yours, expected, apart, agrees }) {
  const box = document.createElement("div");
  box.className = "xr-pictures";
  const words = document.createElement("p");
  box.append(words);
  if (note) {
    words.textContent = `${name}: ${note}`;
    return box;
  }
  const [planes, height, width] = shape;
  const size = height * width;
  const finite = [...yours, ...expected].filter((value) => value !== null);
  const scale = [Math.min(...finite), Math.max(...finite)];
  const difference = yours.map((value, i) =>
    value === null || expected[i] === null ? null : value - expected[i],
  );
  const furthest = Math.max(0, ...difference.map(Math.abs));
  const told = apart === null ? "some values are not numbers" : `at most ${NUMBER.format(apart)}`;
  words.textContent = agrees
    ? `${name}: yours is the expected array.`
    : `${name}: yours differs from the expected array, by ${told}.`;
  const table = document.createElement("div");
  table.className = "xr-planes";
  const columns = [
    ["yours", yours, scale, false],
    ["expected", expected, scale, false],
    ["difference", difference, [0, furthest], true],
  ];
  for (let plane = 0; plane < planes; plane += 1) {
    for (const [title, values, range, signed] of columns) {
      const figure = document.createElement("figure");
      const part = values.slice(plane * size, (plane + 1) * size);
      const label = `${title}${planes > 1 ? `, plane ${plane + 1} of ${planes}` : ""}`;
      figure.append(picture(part, [height, width], range, `${name}, ${label}`, signed));
      if (plane === 0) {
        const caption = document.createElement("figcaption");
        caption.textContent = title;
        figure.prepend(caption);
      }
      table.append(figure);
    }
  }
  box.append(table);
  return box;
}

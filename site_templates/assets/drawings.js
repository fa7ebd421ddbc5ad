// Pictures of a comparison, to scale: sensors laid over one another, and focal lengths on one scale.

import { draw, make } from "./making.js";

const FULL = [36, 24];
const number = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 1 });
const round = (value) => Math.round(value * 100) / 100;

// Width and height of a sensor in mm, and whether they were computed; null when too little is known.
export function sides({ sensor_width_mm: width, sensor_height_mm: height, crop_factor: crop, aspect_ratio: shape }) {
  if (width && height) return { width, height, computed: false };
  if (!crop) return null;
  const said = (shape ?? "").split(":").map(Number);
  const [across, down] = said.length === 2 && Math.min(...said) > 0 ? said : crop >= 0.9 && crop < 1.8 ? [3, 2] : [4, 3];
  const unit = Math.hypot(...FULL) / crop / Math.hypot(across, down);
  return { width: across * unit, height: down * unit, computed: true };
}

// Which colour is whose, in words beside a picture.
function explain(figure, lines) {
  const entries = lines.map((text, place) => {
    const swatch = draw("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, draw("rect", { class: `mark of-${place}`, x: 1, y: 1, width: 8, height: 8 }));
    return make("li", {}, swatch, text);
  });
  figure.querySelector("ul").replaceChildren(...entries);
}

export function sensors(figure, products, words) {
  const known = products.flatMap((product) => {
    const found = product.kind === "camera" ? sides(product.specs) : null;
    return found ? [{ name: product.name, ...found }] : [];
  });
  figure.hidden = known.length === 0;
  if (!known.length) return false;
  const across = Math.max(FULL[0], ...known.map((one) => one.width));
  const down = Math.max(FULL[1], ...known.map((one) => one.height));
  const svg = figure.querySelector("svg");
  const canvas = svg.querySelector("g");
  svg.setAttribute("viewBox", `-0.5 -0.5 ${round(across + 1)} ${round(down + 1)}`);
  const box = (width, height, attributes) => draw("rect", { x: 0, y: round(down - height), width: round(width), height: round(height), ...attributes });
  canvas.replaceChildren();
  known
    .map((one, place) => ({ ...one, place }))
    .sort((a, b) => b.width * b.height - a.width * a.height)
    .forEach(({ width, height, place }) => canvas.append(box(width, height, { class: `mark of-${place}` })));
  // Over a sensor of that size no dashes would be seen.
  const isFull = known.some(({ width, height }) => Math.abs(width - FULL[0]) < 1 && Math.abs(height - FULL[1]) < 1);
  if (!isFull) canvas.append(box(...FULL, { class: "frame" }));
  figure.querySelector("figcaption span").hidden = isFull;
  explain(figure, known.map(({ name, width, height, computed }) => {
    const size = `${number.format(width)} × ${number.format(height)} mm`;
    return `${name}: ${computed ? "≈ " : ""}${size}`;
  }));
  if (known.some((one) => one.computed)) figure.querySelector("ul").append(make("li", { textContent: `≈ ${words.computed}` }));
  return true;
}

export function reaches(figure, products) {
  const known = products.flatMap(({ kind, name, specs }) =>
    kind === "lens" && specs.focal_min_mm ? [{ name, low: specs.focal_min_mm, high: specs.focal_max_mm ?? specs.focal_min_mm }] : [],
  );
  figure.hidden = known.length === 0;
  if (!known.length) return false;
  const first = Math.floor(Math.log2(Math.min(...known.map((one) => one.low)) / 12.5));
  const last = Math.ceil(Math.log2(Math.max(...known.map((one) => one.high)) / 12.5));
  const steps = Math.max(last - first, 1);
  const at = (focal) => round(((Math.log2(focal / 12.5) - first) / steps) * 100);
  const line = 7;
  const svg = figure.querySelector("svg");
  const canvas = svg.querySelector("g");
  svg.setAttribute("viewBox", `-5 -1 110 ${known.length * line + 8}`);
  canvas.replaceChildren();
  for (let step = first; step <= first + steps; step += 1) {
    const x = at(12.5 * 2 ** step);
    const label = { x, y: known.length * line + 6, "font-size": 4, "text-anchor": "middle" };
    canvas.append(draw("path", { class: "step", d: `M${x} 0V${known.length * line}` }), draw("text", label, number.format(Math.round(12.5 * 2 ** step))));
  }
  known.forEach(({ low, high }, place) => {
    const width = Math.max(round(at(high) - at(low)), 1);
    canvas.append(draw("rect", { class: `mark of-${place}`, x: low === high ? at(low) - 0.5 : at(low), y: place * line + 1.5, width, height: 4 }));
  });
  explain(figure, known.map(({ name, low, high }) => {
    const span = low === high ? number.format(low) : `${number.format(low)}–${number.format(high)}`;
    return `${name}: ${span} mm`;
  }));
  return true;
}

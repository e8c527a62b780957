/** Sliders for a window: its size, stride, padding and filters on a grid, with (N-F+2P)/S+1 and what does not fit. */

/** @import { Step } from "./engine/types.js" */
/** @import { Sliding } from "./engine/window.js" */
import { fill, h, s } from "./dom.js";
import { positions } from "./engine/window.js";
import { count } from "./format.js";
import { t } from "./words/words.js";

/** The lecture's example: 7x7 with a 3x3 filter, whose stride of 3 does not fit. */
const LECTURE = { n: 7, f: 3, s: 1, p: 0, more: 0, d: 1, ceil: /** @type {"" | "pool" | "conv"} */ (""), k: 1, depth: 0, bias: 1 };
const MOST_CELLS = 40;

/** @typedef {typeof LECTURE} Values a window, with the filters `k` on a `depth` of maps, 0 where costs are not shown */

/**
 * The sliders of a layer, which `change` writes into the notation; or of a window on its own.
 * @param {Step | null} step @param {string} words the layer's text
 * @param {((wanted: Record<string, number>) => void) | null} change @param {string} hint what stands in place of a layer
 */
export function sliders(step, words, change, hint = "") {
  const values = step ? of(step) : { ...LECTURE };
  const place = h("div", { class: "window-grid" });
  const formula = h("p", { class: "formula", role: "status" });
  const more = h("p", { class: "quiet" });
  const pools = Boolean(step) && step?.kind !== "conv";
  let at = 0;

  function draw() {
    const { n, f, s: stride, p, more: far, d } = values;
    const found = positions(values);
    const exact = Number(found.exact.toFixed(2));
    fill(
      formula,
      d > 1 ? h("span", {}, `F = ${d}·(${f} − 1) + 1 = ${found.reach}; `) : null,
      h("span", {}, "(N − F + 2P) / S + 1 = "),
      h("span", {}, `(${n} − ${found.reach} + 2·${p}${far ? ` + ${far}` : ""}) / ${stride} + 1 = `),
      h("b", { class: found.fits ? "fits" : "fits-not" }, String(exact)),
      h("span", { class: found.fits ? "fits" : "fits-not" }, ` ${verdict(found, values)}`),
    );
    fill(more, notes(values, found, pools));
    at = found.made ? at % (found.made * found.made) : 0;
    fill(place, n + 2 * p <= MOST_CELLS ? plane(values, found, at) : h("p", { class: "quiet" }, t("grid.large")));
  }

  /** @param {"n" | "f" | "s" | "p" | "k"} name @param {string} key @param {number} least @param {number} most */
  function slider(name, key, least, most) {
    const shown = h("output", {}, values[name]);
    const input = h("input", {
      type: "range",
      min: least,
      max: Math.max(most, values[name]),
      value: values[name],
      "data-slider": key,
      oninput: () => {
        values[name] = Number(input.value);
        shown.textContent = input.value;
        draw();
        change?.(wanted(key, values, pools));
      },
    });
    return h("label", { class: "slider" }, h("span", {}, t(`slider.${key}`)), input, shown);
  }

  const walk = () => {
    const { made } = positions(values);
    at = made ? (at + 1) % (made * made) : 0;
    draw();
  };
  const element = h(
    "div",
    { class: "sliders" },
    h(
      "div",
      {},
      step ? h("p", {}, h("b", {}, step.path), " ", h("code", {}, words)) : hint && h("p", { class: "quiet" }, hint),
      step ? null : slider("n", "n", 1, 32),
      slider("f", "size", 1, 11),
      slider("s", "stride", 1, 6),
      slider("p", "pad", 0, 5),
      step && step.kind === "conv" ? slider("k", "filters", 1, 512) : null,
      formula,
      more,
      h("button", { type: "button", onclick: walk }, t("slider.step")),
    ),
    place,
  );
  draw();
  return {
    element,
    refresh: (/** @type {Step} */ changed) => {
      Object.assign(values, of(changed));
      draw();
    },
  };
}

/** The window of a layer, along its rows. @param {Step} step @returns {Values} */
export function of(step) {
  const { rows, columns } = step.window;
  const { groups, bias, links, ceil } = step.arguments;
  const [height, width, depth] = step.inputs[0];
  const square = height === width && rows.size === columns.size && rows.stride === columns.stride && rows.pad === columns.pad;
  return {
    n: height,
    f: rows.size,
    s: rows.stride,
    p: rows.pad,
    more: rows.more - (rows.beyond ?? 0),
    d: rows.dilation,
    ceil: ceil ? (step.kind === "conv" ? "conv" : "pool") : "",
    k: step.output[2],
    depth: step.kind === "conv" && square && !links ? depth / groups : 0,
    bias: Number(bias ?? 0),
  };
}

/** What a slider changes in the notation. @param {string} key @param {Values} values @param {boolean} pools @returns {Record<string, number>} */
function wanted(key, { f, s: stride, p, k }, pools) {
  if (key === "filters") return { filters: k };
  if (key === "size") return pools ? { size: f, stride, pad: p } : { size: f };
  return key === "stride" ? (pools ? { size: f, stride } : { stride }) : { pad: p };
}

/** @param {ReturnType<typeof positions>} found @param {Sliding} values */
function verdict(found, { n, s: stride, p, more }) {
  if (found.made < 1) return t("fit.none", { n: n + 2 * p + more, f: found.reach });
  if (found.fits) return t("fit.yes");
  if (found.beyond) return t("fit.ceil", { ceil: found.made, beyond: found.beyond });
  const larger = n + ((stride - found.unused) % stride);
  return t("fit.not", { floor: found.made, unused: found.unused, larger });
}

/** Parameters and MACs of a convolution with these values. @param {Values} values @param {ReturnType<typeof positions>} found @param {boolean} pools */
function notes({ f, k, depth, bias, p, more, s: stride }, { reach, made }, pools) {
  const same = (reach - 1) / 2;
  const hint = stride === 1 && reach % 2 && (p !== same || more) ? t("fit.same", { pad: same }) : "";
  if (pools || !depth) return hint;
  return `${t("fit.costs", { params: count((f * f * depth + bias) * k), macs: count(made * made * k * f * f * depth), volume: `${made}×${made}×${k}` })} ${hint}`;
}

/** The input with its padding, one position of the window, and what no window covers. @param {Sliding} values @param {ReturnType<typeof positions>} found @param {number} at */
function plane({ n, s: stride, p, more, d }, found, at) {
  const { reach, made: out } = found;
  const whole = n + 2 * p + more + found.beyond;
  const cell = Math.min(30, Math.floor(300 / whole));
  const covered = out ? (out - 1) * stride + reach : 0;
  const [row, column] = [Math.floor(at / Math.max(1, out)), at % Math.max(1, out)];
  const within = (/** @type {number} */ place, /** @type {number} */ first) => place >= first && place < first + reach && (place - first) % d === 0;
  const shapes = [];
  for (let y = 0; y < whole; y++)
    for (let x = 0; x < whole; x++) {
      const outside = y < p || x < p || y >= n + p || x >= n + p;
      const unused = y >= covered || x >= covered;
      const inside = out && within(y, row * stride) && within(x, column * stride);
      const kind = inside ? "in" : unused ? "unused" : outside ? "zero" : "";
      shapes.push(s("rect", { class: `place ${kind}`, x: x * cell + 1, y: y * cell + 1, width: cell - 2, height: cell - 2, rx: 2 }));
      if (outside && cell >= 16) shapes.push(s("text", { x: x * cell + cell / 2, y: y * cell + cell / 2 + 4 }, "0"));
    }
  if (out) shapes.push(s("rect", { class: "window-now", x: column * stride * cell, y: row * stride * cell, width: reach * cell, height: reach * cell, rx: 3 }));
  const small = Math.max(4, Math.min(cell, Math.floor(180 / Math.max(1, out))));
  const made = [];
  for (let y = 0; y < out; y++)
    for (let x = 0; x < out; x++)
      made.push(s("rect", { class: `place ${y === row && x === column ? "in" : y * out + x < at ? "done" : ""}`, x: x * small + 1, y: y * small + 1, width: small - 2, height: small - 2, rx: 2 }));
  return [
    h("figure", {}, s("svg", { width: whole * cell, height: whole * cell, role: "img", "aria-label": t("grid.input", { n }) }, shapes), h("figcaption", {}, t("grid.input", { n }), p ? ` + ${t("grid.padding", { p })}` : "")),
    h("figure", {}, s("svg", { width: Math.max(8, out * small), height: Math.max(8, out * small), role: "img", "aria-label": t("grid.output", { n: out }) }, made), h("figcaption", {}, t("grid.output", { n: out }))),
  ];
}

/** Values written out in a grid of cells, coloured by their value. */

import { css, onDark, ramp } from "./colour.js";
import { h } from "./dom.js";
import { number } from "./format.js";

/** From this many columns on, numbers are written with two decimals, and from the next on not at all. */
const [DENSE, DENSER] = [7, 13];

/** A number with `digits` decimals and no more, with a real minus sign. @param {number} value @param {number} digits */
function fixed(value, digits) {
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

/**
 * A table of numbers. `inside` says which are not padding, `won` is the place of the winner.
 * @param {string} title @param {(number | null)[][]} values @param {number} scale
 * @param {{inside?: boolean[][], won?: [number, number] | null, sign?: string}} more
 */
export function grid(title, values, scale, { inside, won } = {}) {
  const table = ramp();
  const wide = values[0]?.length ?? 0;
  const digits = wide >= DENSE ? 2 : 3;
  return h(
    "table",
    { class: `grid ${wide >= DENSER ? "denser" : wide >= DENSE ? "dense" : ""}` },
    h("caption", {}, title),
    h(
      "tbody",
      {},
      values.map((row, y) =>
        h(
          "tr",
          {},
          row.map((value, x) => {
            const share = scale && value !== null ? value / scale : 0;
            const out = inside && !inside[y][x];
            return h(
              "td",
              {
                class: [out ? "outside" : "", won && won[0] === y && won[1] === x ? "won" : "", onDark(share, table) ? "light" : ""].join(" ").trim() || null,
                style: { background: out ? "" : css(share, table) },
                title: number(value, 6),
              },
              wide >= DENSER || value === null ? "" : fixed(value, digits),
            );
          }),
        ),
      ),
    ),
  );
}

/** The largest magnitude of nested values. @param {any} values @returns {number} */
export function largest(values) {
  if (!Array.isArray(values)) return Math.abs(values ?? 0);
  return values.reduce((most, each) => Math.max(most, largest(each)), 0);
}

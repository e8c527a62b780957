/** Values as colours: blue above zero, orange below, and the paper at zero, in every picture of the page. */

const POSITIVE = [27, 94, 174];
const NEGATIVE = [208, 92, 28];

/** The colour of the paper in the theme that is shown. */
function paper() {
  return document.documentElement.dataset.theme === "dark" ? [24, 26, 30] : [255, 255, 255];
}

/** In the dark, colours are lighter to stand out. @param {number[]} colour */
function lit(colour) {
  return document.documentElement.dataset.theme === "dark" ? colour.map((each) => Math.round(each + (255 - each) * 0.42)) : colour;
}

/**
 * A table of 511 colours: from -1 at 0 over 0 at 255 to 1 at 510.
 * @returns {Uint8ClampedArray}
 */
export function ramp() {
  const table = new Uint8ClampedArray(511 * 3);
  const middle = paper();
  const ends = [lit(NEGATIVE), lit(POSITIVE)];
  for (let at = 0; at < 511; at++) {
    const share = Math.abs(at - 255) / 255;
    const end = ends[at < 255 ? 0 : 1];
    for (let c = 0; c < 3; c++) table[3 * at + c] = middle[c] + (end[c] - middle[c]) * share ** 0.8;
  }
  return table;
}

/** The colour of one value from -1 to 1, as CSS. @param {number} value @param {Uint8ClampedArray} table */
export function css(value, table) {
  const at = 3 * (255 + Math.round(255 * Math.max(-1, Math.min(1, value || 0))));
  return `rgb(${table[at]} ${table[at + 1]} ${table[at + 2]})`;
}

/**
 * Whether text on this value is read better in white than in black, by the contrast that WCAG defines.
 * @param {number} value @param {Uint8ClampedArray} table
 */
export function onDark(value, table) {
  const at = 3 * (255 + Math.round(255 * Math.max(-1, Math.min(1, value || 0))));
  const [red, green, blue] = [0, 1, 2].map((c) => {
    const share = table[at + c] / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  const light = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return 1.05 / (light + 0.05) > (light + 0.05) / 0.05;
}

/**
 * Draws values on a canvas of one pixel per value.
 * @param {HTMLCanvasElement} canvas @param {ArrayLike<number>} values @param {number} height @param {number} width
 * @param {number} scale the magnitude with the full colour @param {Uint8ClampedArray} table
 */
export function paint(canvas, values, height, width, scale, table) {
  canvas.width = width;
  canvas.height = height;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const image = context.createImageData(width, height);
  const factor = scale ? 255 / scale : 0;
  for (let at = 0; at < height * width; at++) {
    const from = 3 * (255 + Math.max(-255, Math.min(255, Math.round(values[at] * factor))));
    image.data[4 * at] = table[from];
    image.data[4 * at + 1] = table[from + 1];
    image.data[4 * at + 2] = table[from + 2];
    image.data[4 * at + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

/**
 * Draws pixels as they are: h x w x depth, from 0 to 255.
 * @param {HTMLCanvasElement} canvas @param {{height: number, width: number, depth: number, data: ArrayLike<number>}} pixels
 */
export function paintPixels(canvas, { height, width, depth, data }) {
  canvas.width = width;
  canvas.height = height;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const image = context.createImageData(width, height);
  for (let at = 0; at < height * width; at++) {
    for (let c = 0; c < 3; c++) image.data[4 * at + c] = data[at * depth + (depth === 1 ? 0 : c)];
    image.data[4 * at + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

/**
 * From an image to a network's input, as `hubel.data.image.preprocess` does it: grey, crop, resize, normalise.
 *
 * The resize is that of Pillow 13, by a filter as wide as the reduction, along one axis and then the other.
 */

/** @import { Preprocessing } from "./types.js" */

/** Pixels: h x w x depth, each from 0 to 255. @typedef {{height: number, width: number, depth: number, data: Uint8Array | Uint8ClampedArray}} Pixels */

/**
 * The red, green and blue of an image as a network of this depth takes it; grey by ITU-R 601, as Pillow rounds it.
 * @param {ImageData} image @param {number} depth
 * @returns {Pixels}
 */
export function ofDepth({ width, height, data }, depth) {
  const found = new Uint8Array(width * height * depth);
  for (let at = 0; at < width * height; at++) {
    const [red, green, blue] = [data[4 * at], data[4 * at + 1], data[4 * at + 2]];
    if (depth === 1) found[at] = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
    else found.set([red, green, blue], 3 * at);
  }
  return { height, width, depth, data: found };
}

/**
 * Fits an image to a network's input.
 * @param {Pixels} image @param {Preprocessing} to
 * @returns {Pixels}
 */
export function fitted(image, to) {
  const { height: down, width: across } = image;
  if (down === to.height && across === to.width && (to.resize === null || to.resize === Math.min(down, across))) return image;
  const filter = FILTERS[to.interpolation];
  const whole = [0, 0, across, down];
  if (to.fit === "squash") return resized(image, whole, to.width, to.height, filter);
  const wide = to.width * down >= to.height * across; // the input is wider than the image
  if (to.fit === "pad") {
    const [by, of] = wide ? [to.height, down] : [to.width, across];
    const [width, height] = [across, down].map((side) => Math.max(1, Math.floor((2 * side * by + of) / (2 * of))));
    return centred(resized(image, whole, width, height, filter), to);
  }
  const [by, of] = to.resize !== null ? [to.resize, Math.min(across, down)] : wide ? [to.width, across] : [to.height, down];
  const [left, top] = [[across, to.width], [down, to.height]].map(([side, part]) =>
    Math.floor((side * by - part * of) / (2 * by)),
  );
  const right = Math.min(left + (to.width * of) / by, across);
  const bottom = Math.min(top + (to.height * of) / by, down);
  return resized(image, [left, top, right, bottom], to.width, to.height, filter);
}

/** An image in the middle of black. @param {Pixels} inner @param {Preprocessing} to @returns {Pixels} */
function centred({ height, width, depth, data }, to) {
  const found = new Uint8Array(to.height * to.width * depth);
  const top = Math.floor((to.height - height) / 2);
  const left = Math.floor((to.width - width) / 2);
  for (let y = 0; y < height; y++)
    found.set(data.subarray(y * width * depth, (y + 1) * width * depth), ((top + y) * to.width + left) * depth);
  return { height: to.height, width: to.width, depth, data: found };
}

/** A filter of the resize: how far it reaches, and its weight at a distance. */
/** @type {Record<string, {reach: number, weight: (x: number) => number}>} */
export const FILTERS = {
  bilinear: { reach: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: {
    reach: 2,
    weight: (x) => {
      const z = Math.abs(x);
      if (z < 1) return (1.5 * z - 2.5) * z * z + 1;
      return z < 2 ? ((-0.5 * z + 2.5) * z - 4) * z + 2 : 0;
    },
  },
};

/**
 * Resizes the part of an image in a box: left, top, right, bottom.
 * @param {Pixels} image @param {number[]} box @param {number} width @param {number} height
 * @param {{reach: number, weight: (x: number) => number}} filter
 * @returns {Pixels}
 */
export function resized(image, [left, top, right, bottom], width, height, filter) {
  const across = () => narrowed(image, weightsOf(image.width, left, right, width, filter));
  const down = () => shortened(image, weightsOf(image.height, top, bottom, height, filter));
  const [shorter, narrower] = [image.height - height, image.width - width];
  const order = shorter > 0 && shorter > 2 * narrower ? [down, across] : [across, down]; // as Pillow rounds in between
  for (const pass of order) image = pass();
  return image;
}

/** Each row of an image with other columns. @param {Pixels} image @param {Reading[]} columns @returns {Pixels} */
function narrowed({ height, width, depth, data }, columns) {
  const found = new Uint8ClampedArray(height * columns.length * depth);
  let to = 0;
  for (let y = 0; y < height; y++)
    for (const { first, weights } of columns)
      for (let c = 0; c < depth; c++) {
        let sum = HALF;
        for (let at = 0; at < weights.length; at++) sum += weights[at] * data[(y * width + first + at) * depth + c];
        found[to++] = Math.floor(sum / ONE);
      }
  return { height, width: columns.length, depth, data: found };
}

/** Each column of an image with other rows. @param {Pixels} image @param {Reading[]} rows @returns {Pixels} */
function shortened({ width, depth, data }, rows) {
  const line = width * depth;
  const found = new Uint8ClampedArray(rows.length * line);
  let to = 0;
  for (const { first, weights } of rows)
    for (let x = 0; x < line; x++) {
      let sum = HALF;
      for (let at = 0; at < weights.length; at++) sum += weights[at] * data[(first + at) * line + x];
      found[to++] = Math.floor(sum / ONE);
    }
  return { height: rows.length, width, depth, data: found };
}

/** The first input that an output reads, and the weights of the inputs from there on. @typedef {{first: number, weights: number[]}} Reading */

const ONE = 2 ** 22;
const HALF = ONE / 2;

/**
 * What each output along an axis reads of the inputs between two places, which Pillow has in single precision.
 * @param {number} inputs @param {number} from @param {number} to @param {number} outputs
 * @param {{reach: number, weight: (x: number) => number}} filter
 * @returns {Reading[]}
 */
function weightsOf(inputs, from, to, outputs, filter) {
  [from, to] = [Math.fround(from), Math.fround(to)];
  const scale = (to - from) / outputs;
  const stretch = Math.max(scale, 1);
  const support = filter.reach * stretch;
  return Array.from({ length: outputs }, (_, at) => {
    const centre = from + (at + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const last = Math.min(inputs, Math.trunc(centre + support + 0.5));
    const raw = Array.from({ length: last - first }, (__, place) =>
      filter.weight((place + first - centre + 0.5) / stretch),
    );
    const total = raw.reduce((sum, weight) => sum + weight, 0);
    return { first, weights: raw.map((weight) => Math.round((weight / total) * ONE)) };
  });
}

/**
 * The network's input: depth x height x width, (value / 255 - mean) / std.
 * @param {Pixels} pixels @param {Preprocessing} by
 */
export function normalised({ height, width, depth, data }, by) {
  const found = new Float32Array(height * width * depth);
  for (let c = 0; c < depth; c++)
    for (let at = 0; at < height * width; at++)
      found[c * height * width + at] = (data[at * depth + c] / 255 - by.mean[c]) / by.std[c];
  return found;
}

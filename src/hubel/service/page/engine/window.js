/** The arithmetic of windows, as `hubel.net.window` has it, and the pixels that a unit sees, as `hubel.net.field`. */

/** @import { Axis, Box, Network, Step, Unit } from "./types.js" */

export const INPUT = "input";

/**
 * The first and the last input that an output sees, padding included.
 * @param {Axis} axis @param {number} at
 * @returns {[number, number]}
 */
export function sees(axis, at) {
  const { form, inputs = 1, outputs = 1, factor = 1, span = 1, margin = 0 } = axis;
  if (form === "global") return [0, inputs - 1];
  if (form === "upsampling") return [-Math.floor((span - 1 - margin - at) / factor), Math.floor((at + margin) / factor)];
  if (form === "uneven") return [Math.floor((at * inputs) / outputs), Math.ceil(((at + 1) * inputs) / outputs) - 1];
  const first = at * axis.stride - axis.pad;
  return [first, first + axis.dilation * (axis.size - 1)];
}

/**
 * The inputs that an output reads, without those that dilation skips; outside of the map is padding with zeros.
 * A pooling's last window ends with the padding.
 * @param {Axis} axis @param {number} at @param {number} inputs @param {boolean} pools
 */
export function line(axis, at, inputs, pools) {
  const [first, last] = sees(axis, at);
  const found = [];
  for (let place = first; place <= last; place += axis.form === "plain" ? axis.dilation : 1)
    if (!pools || place < inputs + axis.pad + axis.more) found.push(inward(axis.mode, place, inputs));
  return found;
}

/** The place in the map that stands for one beyond its edge, where padding repeats the map. @param {string} mode @param {number} place @param {number} inputs */
export function inward(mode, place, inputs) {
  if (mode === "replicate") return Math.max(0, Math.min(inputs - 1, place));
  const near = Math.abs(place);
  return mode === "reflect" ? Math.min(near, 2 * (inputs - 1) - near) : place;
}

/**
 * A window along a side of `n` values: its size `f`, stride `s`, padding `p` with `more` zeros at the far side, and
 * dilation `d`; `ceil` is what rounds the number of positions up: nothing, a pooling or a convolution.
 * @typedef {{n: number, f: number, s: number, p: number, more: number, d: number, ceil: "" | "pool" | "conv"}} Sliding
 */

/**
 * The positions of a window with the formula's value: (7-3+2·0)/2+1 = 3. `unused` values at the far end are seen by no
 * window; the last one reaches `beyond` the padding.
 * @param {Sliding} window
 */
export function positions({ n, f, s, p, more, d, ceil }) {
  const reach = d * (f - 1) + 1;
  const room = n - reach + 2 * p + more;
  const exact = room / s + 1;
  let made = room < 0 && !ceil ? 0 : Math.max(0, (ceil ? Math.ceil(room / s) : Math.floor(room / s)) + 1);
  if (ceil === "pool" && (made - 1) * s >= n + p) made -= 1; // a window starts in the map or in the padding before it
  const rest = room - (made - 1) * s;
  return { reach, exact, made, fits: rest === 0 && made > 0, unused: Math.max(0, rest), beyond: Math.max(0, -rest) };
}

/** Layers that make each map from the map of the same number. */
const APART = new Set(
  ("add maxpool avgpool subsample globalavgpool adaptiveavgpool upsample batchnorm layerscale dropout droppath identity " +
    "relu leakyrelu prelu elu gelu silu hardswish mish softplus tanh sigmoid hardsigmoid").split(" "),
);

/**
 * The pixels that a unit sees, clipped at every layer on the way back; null where it sees padding alone.
 * @param {Network} network @param {Unit} unit
 * @returns {Box | null}
 */
export function fieldOf(network, unit) {
  /** @type {Map<string, Box>} */
  const boxes = new Map([[unit.path, { top: unit.row, bottom: unit.row, left: unit.column, right: unit.column }]]);
  /** @type {Map<string, number | null>} */
  const maps = new Map([[unit.path, unit.channel]]);
  for (const step of [...network.steps].reverse()) {
    const here = boxes.get(step.path);
    if (!here) continue;
    boxes.delete(step.path);
    const { sources, inputs, channels } = branch(step, maps.get(step.path) ?? null);
    sources.forEach((source, at) => {
      const channel = channels[at] ?? null;
      maps.set(source, maps.has(source) && maps.get(source) !== channel ? null : channel);
      const seen = through(step, inputs[at], here);
      if (seen) boxes.set(source, around(seen, boxes.get(source)));
    });
  }
  return boxes.get(INPUT) ?? null;
}

/** The sources that one map of a step comes from, and which of their maps. @param {Step} step @param {number | null} channel */
function branch(step, channel) {
  const { sources, inputs } = step;
  const from = channel === null ? null : mapsBefore(step, channel);
  if (!from || step.kind !== "concat") return { sources, inputs, channels: from ? from.map(([, map]) => map) : [] };
  const [[at, map]] = from;
  return { sources: [sources[at]], inputs: [inputs[at]], channels: [map] };
}

/**
 * The maps that a map is made from, each as the number of the source and of the map; null where maps are mixed.
 * @param {Step} step @param {number} channel
 * @returns {[number, number][] | null}
 */
export function mapsBefore(step, channel) {
  const depth = step.inputs[0][2];
  const given = step.arguments;
  switch (step.kind) {
    case "concat": {
      let at = 0;
      while (channel >= step.inputs[at][2]) channel -= step.inputs[at++][2];
      return [[at, channel]];
    }
    case "part":
      return [[0, (given.number - 1) * (depth / given.of) + channel]];
    case "shuffle":
      return [[0, (channel % given.groups) * (depth / given.groups) + Math.floor(channel / given.groups)]];
    case "padshortcut":
      return channel < depth ? [[0, channel]] : [];
    case "multiply":
      return [[0, channel], [1, step.inputs[1][2] > 1 ? channel : 0]];
    default:
      return APART.has(step.kind) ? step.sources.map((_, at) => [at, channel]) : null;
  }
}

/** The part of a source that a box of a step's outputs sees. @param {Step} step @param {number[]} volume @param {Box} box @returns {Box | null} */
function through(step, volume, box) {
  const rows = reads(step, 0, volume, box.top, box.bottom);
  const columns = reads(step, 1, volume, box.left, box.right);
  const [top, bottom] = [Math.max(0, rows[0]), Math.min(volume[0] - 1, rows[1])];
  const [left, right] = [Math.max(0, columns[0]), Math.min(volume[1] - 1, columns[1])];
  return top <= bottom && left <= right ? { top, bottom, left, right } : null;
}

/**
 * The first and the last input along an axis that some outputs read. A source with a single row or column for all
 * of the first source's, such as a gate, is read whole.
 * @param {Step} step @param {number} side 0: rows, 1: columns @param {number[]} volume @param {number} first @param {number} last
 */
function reads(step, side, volume, first, last) {
  const axis = side ? step.window.columns : step.window.rows;
  if (volume[side] === 1 && step.inputs[0][side] > 1) return [0, 0];
  if (axis.form === "global") return [0, volume[side] - 1];
  const [near, far] = [sees(axis, first)[0], sees(axis, last)[1]];
  if (axis.mode === "zeros") return [near, far];
  const places = Array.from({ length: far - near + 1 }, (_, at) => inward(axis.mode, near + at, volume[side]));
  return [Math.min(...places), Math.max(...places)];
}

/** The smallest box that holds both. @param {Box} one @param {Box | undefined} other */
function around(one, other) {
  if (!other) return one;
  return {
    top: Math.min(one.top, other.top),
    left: Math.min(one.left, other.left),
    bottom: Math.max(one.bottom, other.bottom),
    right: Math.max(one.right, other.right),
  };
}

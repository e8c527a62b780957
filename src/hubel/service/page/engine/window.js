/** The arithmetic of windows, as `hubel.net.window` has it, and the pixels that a unit sees, as `hubel.net.field`. */

/** @import { Axis, Box, Network, Step, Unit } from "./types.js" */

export const INPUT = "input";

/**
 * The first and the last input that an output sees, padding included.
 * @param {Axis} axis @param {number} at
 * @returns {[number, number]}
 */
export function sees(axis, at) {
  const { form, inputs = 1, outputs = 1 } = axis;
  if (form === "global") return [0, inputs - 1];
  if (form === "uneven") return [Math.floor((at * inputs) / outputs), Math.ceil(((at + 1) * inputs) / outputs) - 1];
  const first = at * axis.stride - axis.pad;
  return [first, first + axis.dilation * (axis.size - 1)];
}

/**
 * The inputs that an output reads, without those that dilation skips. A pooling's last window ends with the padding.
 * @param {Axis} axis @param {number} at @param {number} inputs @param {boolean} pools
 */
export function line(axis, at, inputs, pools) {
  const [first, last] = sees(axis, at);
  const found = [];
  for (let place = first; place <= last; place += axis.form === "plain" ? axis.dilation : 1)
    if (!pools || place < inputs + axis.pad) found.push(place);
  return found;
}

/**
 * The formula of the positions with its numbers: (7-3+2·0)/2+1 = 3.
 * @param {number} n @param {number} f @param {number} s @param {number} p
 */
export function positions(n, f, s, p) {
  const exact = (n - f + 2 * p) / s + 1;
  const floor = Math.floor((n - f + 2 * p) / s) + 1;
  const unused = n + 2 * p - f - (floor - 1) * s;
  return { exact, floor: Math.max(0, floor), fits: Number.isInteger(exact) && floor > 0, unused: Math.max(0, unused) };
}

/** Layers that treat each map by itself: a map of one branch of a concatenation sees that branch alone. */
const APART = new Set(
  "concat add relu tanh sigmoid gelu batchnorm dropout identity maxpool avgpool subsample".split(" "),
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
    const { sources, inputs, channel } = branch(step, maps.get(step.path) ?? null);
    sources.forEach((source, at) => {
      maps.set(source, maps.has(source) && maps.get(source) !== channel ? null : channel);
      const seen = through(step, inputs[at], here);
      if (seen) boxes.set(source, around(seen, boxes.get(source)));
    });
  }
  return boxes.get(INPUT) ?? null;
}

/** The sources that one map of a step comes from, and which of their maps. @param {Step} step @param {number | null} channel */
function branch(step, channel) {
  if (channel !== null && step.kind === "concat") {
    let at = 0;
    while (channel >= step.inputs[at][2]) channel -= step.inputs[at++][2];
    return { sources: [step.sources[at]], inputs: [step.inputs[at]], channel };
  }
  return { sources: step.sources, inputs: step.inputs, channel: APART.has(step.kind) ? channel : null };
}

/** The part of a source that a box of a step's outputs sees. @param {Step} step @param {number[]} volume @param {Box} box */
function through(step, volume, box) {
  const { rows, columns } = step.window;
  const top = Math.max(0, sees(rows, box.top)[0]);
  const bottom = Math.min(volume[0] - 1, sees(rows, box.bottom)[1]);
  const left = Math.max(0, sees(columns, box.left)[0]);
  const right = Math.min(volume[1] - 1, sees(columns, box.right)[1]);
  return top <= bottom && left <= right ? { top, bottom, left, right } : null;
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

/** The forward pass of a network in the browser: every layer of the notation, in double precision sums. */

/** @import { Network, Step, Values, Weights } from "./types.js" */
import { ACTIVATIONS } from "./activations.js";
import { conv, convtranspose, upsample } from "./convolution.js";
import { batchnorm, groupnorm, layernorm, layerscale, lrn, prelu } from "./norms.js";
import { largest, mean, subsample } from "./pooling.js";
import { INPUT, mapsBefore } from "./window.js";

/**
 * Computes the values at every path for one image: depth x height x width, as the network sees it.
 * @param {Network} network @param {Weights} weights @param {Float32Array} image
 * @returns {Values}
 */
export function forward(network, weights, image) {
  /** @type {Values} */
  const values = new Map([[INPUT, image]]);
  for (const step of network.steps) {
    if (step.side) continue; // a side head runs in training only
    const inputs = step.sources.map((source) => /** @type {Float32Array} */ (values.get(source)));
    const out = new Float32Array(step.output[0] * step.output[1] * step.output[2]);
    LAYERS[step.kind](new Job(step, weights, inputs, out));
    values.set(step.path, out);
  }
  return values;
}

/** One layer to compute: its step, its inputs, and the array for its output. */
export class Job {
  /** @param {Step} step @param {Weights} weights @param {Float32Array[]} inputs @param {Float32Array} out */
  constructor(step, weights, inputs, out) {
    this.step = step;
    this.inputs = inputs;
    this.input = inputs[0];
    this.out = out;
    this.weights = weights;
    this.given = step.arguments;
  }

  /** The numbers of a tensor of the layer, or undefined. @param {string} name */
  tensor(name) {
    return this.weights.get(`${this.step.path}.${name}`)?.data;
  }
}

/** @param {Job} job */
function fc(job) {
  const weight = /** @type {Float32Array} */ (job.tensor("weight"));
  const bias = job.tensor("bias");
  const { input, out } = job;
  for (let unit = 0; unit < out.length; unit++) {
    let sum = bias ? bias[unit] : 0;
    for (let at = 0, from = unit * input.length; at < input.length; at++) sum += weight[from + at] * input[at];
    out[unit] = sum;
  }
}

/** @param {Job} job */
function rbf(job) {
  const codes = /** @type {Float32Array} */ (job.tensor("codes"));
  const { input, out } = job;
  for (let unit = 0; unit < out.length; unit++) {
    let sum = 0;
    for (let at = 0, from = unit * input.length; at < input.length; at++) sum -= (input[at] - codes[from + at]) ** 2;
    out[unit] = sum;
  }
}

/** @param {Job} job */
function padshortcut({ step, input, out }) {
  const [height, width, depth] = step.inputs[0];
  const [outHeight, outWidth] = step.output;
  const { rows, columns } = step.window;
  for (let map = 0, at = 0; map < depth; map++)
    for (let y = 0; y < outHeight; y++)
      for (let x = 0; x < outWidth; x++) out[at++] = input[(map * height + y * rows.stride) * width + x * columns.stride];
}

/** @param {(value: number, given: Record<string, any>) => number} rule */
function each(rule) {
  /** @param {Job} job */
  return ({ input, out, given }) => {
    for (let at = 0; at < out.length; at++) out[at] = rule(input[at], given);
  };
}

/** @param {Job} job */
function softmax({ step, input, out }) {
  const plane = step.output[0] * step.output[1];
  for (let place = 0; place < plane; place++) {
    let most = -Infinity;
    let sum = 0;
    for (let at = place; at < input.length; at += plane) most = Math.max(most, input[at]);
    for (let at = place; at < input.length; at += plane) sum += Math.exp(input[at] - most);
    for (let at = place; at < input.length; at += plane) out[at] = Math.exp(input[at] - most) / sum;
  }
}

/** @param {Job} job */
function add({ inputs, out }) {
  for (let at = 0; at < out.length; at++) {
    let sum = 0;
    for (const input of inputs) sum += input[at];
    out[at] = sum;
  }
}

/** A volume times what a branch says, of which a single row, column or map counts for all. @param {Job} job */
function multiply({ step, inputs: [input, says], out }) {
  const [height, width, depth] = step.output;
  const [tall, wide, deep] = step.inputs[1];
  let at = 0;
  for (let map = 0; map < depth; map++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++, at++)
        out[at] = input[at] * says[((deep > 1 ? map : 0) * tall + (tall > 1 ? y : 0)) * wide + (wide > 1 ? x : 0)];
}

/** Maps in another order, or some of them. @param {Job} job */
function rearranged({ step, input, out }) {
  const plane = step.output[0] * step.output[1];
  for (let map = 0; map < step.output[2]; map++) {
    const [[, from]] = /** @type {[number, number][]} */ (mapsBefore(step, map));
    out.set(input.subarray(from * plane, (from + 1) * plane), map * plane);
  }
}

/** @param {Job} job */
function concat({ inputs, out }) {
  let at = 0;
  for (const input of inputs) {
    out.set(input, at);
    at += input.length;
  }
}

/** How each kind of layer is computed. @type {Record<string, (job: Job) => void>} */
export const LAYERS = {
  conv,
  fc,
  rbf,
  maxpool: largest,
  avgpool: mean,
  adaptiveavgpool: mean,
  globalavgpool: mean,
  subsample,
  padshortcut,
  batchnorm,
  convtranspose,
  upsample,
  prelu,
  layerscale,
  layernorm,
  groupnorm,
  lrn,
  softmax,
  add,
  multiply,
  concat,
  part: rearranged,
  shuffle: rearranged,
  ...Object.fromEntries(Object.entries(ACTIVATIONS).map(([kind, rule]) => [kind, each(rule)])),
};

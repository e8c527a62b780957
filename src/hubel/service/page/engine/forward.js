/** The forward pass of a network in the browser: every layer of the notation, in double precision sums. */

/** @import { Axis, Network, Step, Values, Weights } from "./types.js" */
import { INPUT, line } from "./window.js";

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
class Job {
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
function conv(job) {
  const { step, given, input, out } = job;
  const [height, width, depth] = step.inputs[0];
  const [outHeight, outWidth, filters] = step.output;
  const { rows, columns } = step.window;
  const kernel = rows.size * columns.size;
  const weight = /** @type {Float32Array} */ (job.tensor("weight"));
  const bias = job.tensor("bias");
  const spans = { y: spansOf(rows, height, outHeight), x: spansOf(columns, width, outWidth) };
  const sum = new Float64Array(outHeight * outWidth);
  let at = 0; // the first weight of the next kernel: kernels lie in the order of filters, then of maps
  for (let filter = 0; filter < filters; filter++) {
    sum.fill(bias ? bias[filter] : 0);
    for (const map of mapsOf(given, depth, filter)) {
      addKernel(sum, input.subarray(map * height * width), weight.subarray(at, at + kernel), width, outWidth, step, spans);
      at += kernel;
    }
    out.set(sum, filter * sum.length);
  }
}

/**
 * The input maps that a filter sees.
 * @param {Record<string, any>} given @param {number} depth @param {number} filter
 * @returns {number[]}
 */
export function mapsOf(given, depth, filter) {
  if (given.links) return given.links[filter];
  const each = depth / given.groups;
  const first = Math.floor(filter / (given.filters / given.groups)) * each;
  return Array.from({ length: each }, (_, at) => first + at);
}

/**
 * For each place in the window, the first output whose input lies on the map, and the one after the last.
 * @param {Axis} axis @param {number} inputs @param {number} outputs
 */
function spansOf(axis, inputs, outputs) {
  return Array.from({ length: axis.size }, (_, place) => {
    const shift = place * axis.dilation - axis.pad;
    const first = Math.max(0, Math.ceil(-shift / axis.stride));
    return [first, Math.min(outputs, Math.floor((inputs - 1 - shift) / axis.stride) + 1), shift];
  });
}

/**
 * Adds one map, seen through one kernel, to the sums of an output map.
 * @param {Float64Array} sum @param {Float32Array} map @param {Float32Array} kernel
 * @param {number} width @param {number} outWidth @param {Step} step
 * @param {{y: number[][], x: number[][]}} spans
 */
function addKernel(sum, map, kernel, width, outWidth, step, spans) {
  const down = step.window.rows.stride;
  const across = step.window.columns.stride;
  spans.y.forEach(([top, bottom, rowShift], j) => {
    spans.x.forEach(([left, right, columnShift], i) => {
      const weight = kernel[j * spans.x.length + i];
      for (let y = top; y < bottom; y++) {
        const from = (y * down + rowShift) * width + columnShift;
        const to = y * outWidth;
        for (let x = left; x < right; x++) sum[to + x] += weight * map[from + x * across];
      }
    });
  });
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

/**
 * Reduces each window of each map to a value. `start` is the value before the first, `end` makes the result.
 * @param {number} start @param {(total: number, value: number) => number} add
 * @param {(total: number, count: number, job: Job, map: number) => number} end
 */
function pooling(start, add, end) {
  /** @param {Job} job */
  return (job) => {
    const { step, input, out } = job;
    const [height, width] = step.inputs[0];
    const [outHeight, outWidth, depth] = step.output;
    const pools = step.kind === "maxpool" || step.kind === "avgpool";
    const down = Array.from({ length: outHeight }, (_, y) => line(step.window.rows, y, height, pools));
    const across = Array.from({ length: outWidth }, (_, x) => line(step.window.columns, x, width, pools));
    let at = 0;
    for (let map = 0; map < depth; map++)
      for (const rows of down)
        for (const columns of across) {
          let total = start;
          for (const row of rows)
            for (const column of columns)
              if (row >= 0 && row < height && column >= 0 && column < width)
                total = add(total, input[(map * height + row) * width + column]);
          out[at++] = end(total, rows.length * columns.length, job, map);
        }
  };
}

const mean = pooling(0, (total, value) => total + value, (total, count) => total / count);
const largest = pooling(-Infinity, Math.max, (total) => total);
const subsample = pooling(
  0,
  (total, value) => total + value,
  (total, _count, job, map) =>
    total * /** @type {Float32Array} */ (job.tensor("weight"))[map] + /** @type {Float32Array} */ (job.tensor("bias"))[map],
);

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
function batchnorm(job) {
  const plane = job.step.output[0] * job.step.output[1];
  const [mean, variance, scale, shift] = ["running_mean", "running_var", "weight", "bias"].map((name) => job.tensor(name));
  for (let at = 0; at < job.out.length; at++) {
    const map = Math.floor(at / plane);
    const normal = (job.input[at] - (mean?.[map] ?? 0)) / Math.sqrt((variance?.[map] ?? 1) + job.given.eps);
    job.out[at] = normal * (scale?.[map] ?? 1) + (shift?.[map] ?? 0);
  }
}

/** @param {Job} job */
function lrn({ step, input, out, given }) {
  const [height, width, depth] = step.output;
  const plane = height * width;
  for (let map = 0; map < depth; map++) {
    const [first, last] = neighbours(map, given.size, depth);
    for (let place = 0; place < plane; place++) {
      let sum = 0;
      for (let other = first; other <= last; other++) sum += input[other * plane + place] ** 2;
      out[map * plane + place] = input[map * plane + place] / (given.k + given.alpha * sum) ** given.beta;
    }
  }
}

/**
 * The first and last map of a normalisation over neighbours; an even size has one more before than after.
 * @param {number} map @param {number} size @param {number} depth
 */
export function neighbours(map, size, depth) {
  const first = map - Math.floor(size / 2);
  return [Math.max(0, first), Math.min(depth, first + size) - 1];
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

/** @param {Job} job */
function concat({ inputs, out }) {
  let at = 0;
  for (const input of inputs) {
    out.set(input, at);
    at += input.length;
  }
}

/** The value of an activation for one input. @type {Record<string, (value: number, given: Record<string, any>) => number>} */
export const ACTIVATIONS = {
  relu: (x, { limit }) => Math.max(0, limit === null ? x : Math.min(limit, x)),
  tanh: (x, { amplitude, slope }) => amplitude * Math.tanh(slope * x),
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  gelu: (x) => x * 0.5 * erfc(-x / Math.SQRT2),
  dropout: (x) => x,
  identity: (x) => x,
};

/**
 * The complementary error function, to 1.2e-7 of its value.
 * Source: Press et al., Numerical Recipes, section 6.2, Chebyshev fitting.
 * @param {number} x
 */
function erfc(x) {
  const z = Math.abs(x);
  const t = 1 / (1 + 0.5 * z);
  let power = 0;
  for (const factor of ERFC) power = power * t + factor;
  const found = t * Math.exp(-z * z + power);
  return x >= 0 ? found : 2 - found;
}

const ERFC = [
  0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368,
  -1.26551223,
];

/** How each kind of layer is computed. @type {Record<string, (job: Job) => void>} */
const LAYERS = {
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
  lrn,
  softmax,
  add,
  concat,
  ...Object.fromEntries(Object.entries(ACTIVATIONS).map(([kind, rule]) => [kind, each(rule)])),
};

/** Convolution, transposed convolution and upsampling, with sums in double precision. */

/** @import { Axis } from "./types.js" */
/** @import { Job } from "./forward.js" */
import { inward } from "./window.js";

/** @param {Job} job */
export function conv(job) {
  const { step, given, out } = job;
  const { input, height, width, rows, columns } = surrounded(job);
  const depth = step.inputs[0][2];
  const [outHeight, outWidth, filters] = step.output;
  const kernel = rows.size * columns.size;
  const weight = /** @type {Float32Array} */ (job.tensor("weight"));
  const bias = job.tensor("bias");
  const spans = { y: spansOf(rows, height, outHeight), x: spansOf(columns, width, outWidth) };
  const strides = [rows.stride, columns.stride];
  const sum = new Float64Array(outHeight * outWidth);
  let at = 0; // the first weight of the next kernel: kernels lie in the order of filters, then of maps
  for (let filter = 0; filter < filters; filter++) {
    sum.fill(bias ? bias[filter] : 0);
    for (const map of mapsOf(given, depth, filter)) {
      addKernel(sum, input.subarray(map * height * width), weight.subarray(at, at + kernel), width, outWidth, strides, spans);
      at += kernel;
    }
    out.set(sum, filter * sum.length);
  }
}

/** The input of a convolution; where padding repeats the map, with that padding around it. @param {Job} job */
function surrounded({ step, input }) {
  const { rows, columns } = step.window;
  const [height, width, depth] = step.inputs[0];
  if (rows.mode === "zeros") return { input, height, width, rows, columns };
  const tall = height + 2 * rows.pad + rows.more;
  const wide = width + 2 * columns.pad + columns.more;
  const data = new Float32Array(tall * wide * depth);
  let at = 0;
  for (let map = 0; map < depth; map++)
    for (let y = 0; y < tall; y++)
      for (let x = 0; x < wide; x++)
        data[at++] = input[(map * height + inward(rows.mode, y - rows.pad, height)) * width + inward(rows.mode, x - columns.pad, width)];
  return { input: data, height: tall, width: wide, rows: { ...rows, pad: 0 }, columns: { ...columns, pad: 0 } };
}

/** @param {Job} job */
export function convtranspose(job) {
  const { step, given, input, out } = job;
  const [height, width, depth] = step.inputs[0];
  const [outHeight, outWidth] = step.output;
  const [size, stride, pad, dilation] = [given.size, given.stride, given.pad, given.dilation].map(pair);
  const own = given.filters / given.groups;
  const weight = /** @type {Float32Array} */ (job.tensor("weight"));
  const sum = new Float64Array(out.length);
  for (let map = 0; map < depth; map++) {
    const group = Math.floor(map / (depth / given.groups));
    for (let filter = 0; filter < own; filter++)
      for (let j = 0; j < size[0]; j++)
        for (let i = 0; i < size[1]; i++) {
          const factor = weight[((map * own + filter) * size[0] + j) * size[1] + i];
          for (let y = 0; y < height; y++) {
            const row = y * stride[0] - pad[0] + j * dilation[0];
            if (row < 0 || row >= outHeight) continue;
            for (let x = 0; x < width; x++) {
              const column = x * stride[1] - pad[1] + i * dilation[1];
              if (column >= 0 && column < outWidth)
                sum[((group * own + filter) * outHeight + row) * outWidth + column] += factor * input[(map * height + y) * width + x];
            }
          }
        }
  }
  const bias = job.tensor("bias");
  for (let at = 0; at < out.length; at++) out[at] = sum[at] + (bias ? bias[Math.floor(at / (outHeight * outWidth))] : 0);
}

/** A size as (height, width). @param {number | number[]} size @returns {number[]} */
export function pair(size) {
  return Array.isArray(size) ? size : [size, size];
}

/** @param {Job} job */
export function upsample({ step, given, input, out }) {
  const [height, width, depth] = step.inputs[0];
  const [outHeight, outWidth] = step.output;
  const [down, across] = pair(given.factor);
  const rows = Array.from({ length: outHeight }, (_, at) => near(at, height, down, given.mode));
  const columns = Array.from({ length: outWidth }, (_, at) => near(at, width, across, given.mode));
  let at = 0;
  for (let map = 0; map < depth; map++)
    for (const row of rows)
      for (const column of columns) {
        let sum = 0;
        for (const [y, share] of row) for (const [x, part] of column) sum += share * part * input[(map * height + y) * width + x];
        out[at++] = sum;
      }
}

/**
 * The inputs along an axis that an output of upsampling is made from, with their shares.
 * @param {number} place @param {number} side @param {number} factor @param {string} mode
 * @returns {Map<number, number>}
 */
export function near(place, side, factor, mode) {
  if (mode === "nearest") return new Map([[Math.floor(place / factor), 1]]);
  const middle = Math.max(0, (place + 0.5) / factor - 0.5);
  const before = Math.floor(middle);
  const shares = new Map([[before, 1 - (middle - before)]]);
  const after = Math.min(before + 1, side - 1);
  return shares.set(after, (shares.get(after) ?? 0) + middle - before);
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
 * @param {number} width @param {number} outWidth @param {number[]} strides
 * @param {{y: number[][], x: number[][]}} spans
 */
function addKernel(sum, map, kernel, width, outWidth, [down, across], spans) {
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

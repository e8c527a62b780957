/** Pooling: each window of each map becomes one value. */

/** @import { Job } from "./forward.js" */
/** @import { Step } from "./types.js" */
import { line } from "./window.js";

/**
 * Reduces each window of each map to a value. `start` is the value before the first, `end` makes the result.
 * @param {number} start @param {(total: number, value: number) => number} add
 * @param {(total: number, count: number, job: Job, map: number) => number} end
 */
export function pooling(start, add, end) {
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
          let inside = 0;
          for (const row of rows)
            for (const column of columns)
              if (row >= 0 && row < height && column >= 0 && column < width) {
                total = add(total, input[(map * height + row) * width + column]);
                inside += 1;
              }
          out[at++] = end(total, padCounts(step) ? rows.length * columns.length : inside, job, map);
        }
  };
}

/** Whether zeros of the padding count in the mean of a window. @param {Step} step */
export function padCounts(step) {
  return step.arguments.count_pad ?? true;
}

export const mean = pooling(0, (total, value) => total + value, (total, count) => total / count);
export const largest = pooling(-Infinity, Math.max, (total) => total);
export const subsample = pooling(
  0,
  (total, value) => total + value,
  (total, _count, job, map) =>
    total * /** @type {Float32Array} */ (job.tensor("weight"))[map] + /** @type {Float32Array} */ (job.tensor("bias"))[map],
);

/**
 * The types of the page, which `tsc --checkJs` reads; nothing runs here.
 *
 * @typedef {[number, number, number]} Volume height, width, depth
 * @typedef {{form: string, size: number, stride: number, pad: number, dilation: number, ceil: boolean, more: number, mode: string,
 *   inputs?: number, outputs?: number, factor?: number, span?: number, margin?: number, beyond?: number}} Axis `more` zeros at the far
 *   side than at the near one; `mode` is what stands in place of zeros
 * @typedef {{rows: Axis, columns: Axis}} Window
 * @typedef {{size: [number, number], jump: [number, number], start: [number, number]}} Field
 * @typedef {{path: string, kind: string, drawn: string, layer: string, arguments: Record<string, any>,
 *   sources: string[], inputs: Volume[], output: Volume, window: Window, side: string, formula: string,
 *   params: number, macs: number | null, values: number, field: Field, note: string}} Step
 * @typedef {{name: string, volume: Volume, kind: string, steps: string[], copies: string[], towers: number,
 *   heads: {name: string, weight: number | null, chain: Part[]}[]}} Cell
 * @typedef {{stack?: Cell[], fork?: Part[][], join?: Cell, repeat?: Part[], times?: number}} Part
 * @typedef {{volume: Volume, steps: Step[], totals: Record<string, number>, parts: Part[], remarks: string[]}} Network
 * @typedef {{height: number, width: number, depth: number, mean: number[], std: number[], fit: string,
 *   resize: number | null, interpolation: string}} Preprocessing
 * @typedef {{name: string, notation: string, trained: boolean, classes: string[], network: Network,
 *   preprocessing: Preprocessing, softmax: boolean, temperature: number, browser: boolean,
 *   passing: string[], data: string, images: number}} Model
 * @typedef {Map<string, {shape: number[], data: Float32Array}>} Weights
 * @typedef {Map<string, Float32Array>} Values the values at each path, depth x height x width
 * @typedef {{top: number, left: number, bottom: number, right: number}} Box
 * @typedef {{path: string, channel: number, row: number, column: number}} Unit
 * @typedef {{source: string, maps: number[], rows: number[], columns: number[], inside: boolean[][],
 *   values: (number | null)[][][], weights: number[][][] | null, products: number[][][] | null}} Taken
 * @typedef {{unit: string, layer: string, box: Box | null, taken: Taken[], parts: Record<string, number>,
 *   value: number, computed: number}} Neuron
 */
export {};

/** Reads the tensors of a safetensors file: 8 bytes of length, a header in JSON, and the numbers. */

/**
 * @param {ArrayBuffer} buffer
 * @returns {{tensors: Map<string, {shape: number[], data: any}>, metadata: Record<string, string>}}
 */
export function readTensors(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const tensors = new Map();
  for (const [name, { dtype, shape, data_offsets: [from, to] }] of Object.entries(header)
    .filter(([name]) => name !== "__metadata__")) {
    const bytes = buffer.slice(8 + length + from, 8 + length + to); // a copy is aligned
    tensors.set(name, { shape, data: new KINDS[dtype](bytes) });
  }
  return { tensors, metadata: header.__metadata__ ?? {} };
}

/** @type {Record<string, any>} */
const KINDS = { F32: Float32Array, F64: Float64Array, U8: Uint8Array, I32: Int32Array, I64: BigInt64Array };

/**
 * The network that is shown, and what it computes of an image: in the browser where it is small, else by the service.
 *
 * A `Pass` is one image through the network; views ask it for maps, scores and single units, and need not know
 * where they come from.
 */

/** @import { Model, Neuron, Step, Unit, Values, Weights } from "./engine/types.js" */
/** @import { Pixels } from "./engine/image.js" */
import { ApiError, json, post, tensors } from "./api.js";
import { forward } from "./engine/forward.js";
import { fitted, normalised, ofDepth } from "./engine/image.js";
import { neuron, unitText } from "./engine/neuron.js";
import { readTensors } from "./engine/safetensors.js";
import { INPUT } from "./engine/window.js";

/** @typedef {{id: string, name: string, label: string, pixels: Pixels}} Picture an image as the network sees it */
/** @typedef {{channels: number[], data: Float32Array, height: number, width: number, scale: number, signed: boolean}} Maps */

/** A network with its images. */
export class House {
  /** @param {Model} model @param {any} saved what a saved page has, or null */
  constructor(model, saved = null) {
    this.model = model;
    this.saved = saved;
    this.network = model.network;
    /** @type {Map<string, Step>} */
    this.steps = new Map(model.network.steps.map((step) => [step.path, step]));
    /** @type {Promise<Weights> | null} */
    this.loading = null;
  }

  /** The place of the network in the API. */
  get place() {
    return `/models/${encodeURIComponent(this.model.name)}`;
  }

  /** The weights, where the page computes the network. @returns {Promise<Weights>} */
  weights() {
    if (!this.loading)
      this.loading = this.saved
        ? Promise.resolve(readTensors(bytesOf(this.saved.weights).buffer).tensors)
        : tensors(`${this.place}/weights`).then((found) => found.tensors);
    return this.loading;
  }

  /** The tensors of one layer, or null where they are too many. @param {string} path @returns {Promise<Weights | null>} */
  async weightsOf(path) {
    if (this.model.browser) return this.weights();
    const step = this.steps.get(path);
    if (!step || step.params > 4e6) return null;
    return (await tensors(`${this.place}/weights?layer=${encodeURIComponent(path)}`)).tensors;
  }

  /** Some images of the data set. @returns {Promise<Picture[]>} */
  async samples() {
    const found = this.saved ? this.saved.samples : await json(`${this.place}/samples`);
    return found.map(pictureOf);
  }

  /**
   * An image file as the network sees it. The service reads it as it reads every image; without one the page does.
   * @param {Blob} file
   * @returns {Promise<Picture>}
   */
  async read(file) {
    if (!this.saved) return pictureOf(await json(`${this.place}/images`, { method: "POST", body: file }));
    return this.take(ofDepth(await decoded(file), this.model.preprocessing.depth), file instanceof File ? file.name : "");
  }

  /** Pixels of any size as the network sees them, fitted here. @param {Pixels} pixels @param {string} name @returns {Picture} */
  take(pixels, name = "") {
    return { id: "", name, label: "", pixels: fitted(pixels, this.model.preprocessing) };
  }

  /** An image through the network. @param {Picture} picture @returns {Promise<Pass>} */
  async pass(picture) {
    const input = normalised(picture.pixels, this.model.preprocessing);
    if (this.model.browser) {
      const weights = await this.weights();
      return new LocalPass(this, picture, weights, forward(this.network, weights, input));
    }
    const known = picture.id ? picture : await this.send(picture);
    const pass = new RemotePass(this, known, input);
    await pass.begin();
    return pass;
  }

  /** Sends an image that the page made to the service. @param {Picture} picture @returns {Promise<Picture>} */
  async send(picture) {
    const { height, width, depth, data } = picture.pixels;
    const canvas = new OffscreenCanvas(width, height);
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const image = context.createImageData(width, height);
    for (let at = 0; at < height * width; at++) {
      for (let c = 0; c < 3; c++) image.data[4 * at + c] = data[at * depth + (depth === 1 ? 0 : c)];
      image.data[4 * at + 3] = 255;
    }
    context.putImageData(image, 0, 0);
    const sent = pictureOf(await json(`${this.place}/images`, { method: "POST", body: await canvas.convertToBlob() }));
    return { ...sent, name: picture.name, label: picture.label };
  }
}

/** One image through the network. */
class Pass {
  /** @param {House} house @param {Picture} picture */
  constructor(house, picture) {
    this.house = house;
    this.picture = picture;
    /** @type {number[]} */
    this.scores = [];
    /** @type {number[]} */
    this.probabilities = [];
  }

  /** Some maps of a layer: those named, or the `most` with most energy. @param {string} path @param {number} most @param {number[] | null} channels @returns {Promise<Maps>} */
  maps(path, most, channels = null) {
    throw new Error(`not computed: ${path} ${most} ${channels}`);
  }

  /** Fetches the maps of several layers together, where they have to be fetched. @param {string[]} paths @param {number} most */
  async ahead(paths, most) {
    void paths, most;
  }

  /** The arithmetic of a unit, and the values of all maps at its place. @param {Unit} unit @returns {Promise<{found: Neuron, here: number[]}>} */
  neuron(unit) {
    throw new Error(`not computed: ${unit.path}`);
  }
}

/** An image that the page put through the network itself. */
class LocalPass extends Pass {
  /** @param {House} house @param {Picture} picture @param {Weights} weights @param {Values} values */
  constructor(house, picture, weights, values) {
    super(house, picture);
    this.weights = weights;
    this.values = values;
    const through = house.network.steps.filter((step) => !step.side);
    const last = through[through.length - 1];
    const flat = last.output[0] === 1 && last.output[1] === 1;
    this.scores = flat ? [.../** @type {Float32Array} */ (values.get(last.path))] : [];
    this.probabilities = house.model.softmax ? this.scores : softmax(this.scores, house.model.temperature);
  }

  /** @override @param {string} path @param {number} most @param {number[] | null} channels */
  async maps(path, most, channels = null) {
    const [height, width, depth] = volumeAt(this.house, path);
    const all = /** @type {Float32Array} */ (this.values.get(path));
    const plane = height * width;
    const chosen = channels ?? strongest(all, plane, depth, most);
    const data = new Float32Array(chosen.length * plane);
    chosen.forEach((channel, at) => data.set(all.subarray(channel * plane, (channel + 1) * plane), at * plane));
    let scale = 0;
    let signed = false;
    for (const value of all) {
      scale = Math.max(scale, Math.abs(value));
      signed ||= value < 0;
    }
    return { channels: chosen, data, height, width, scale, signed };
  }

  /** @override @param {Unit} unit */
  async neuron(unit) {
    const [height, width, depth] = volumeAt(this.house, unit.path);
    const all = /** @type {Float32Array} */ (this.values.get(unit.path));
    const at = unit.row * width + unit.column;
    const here = Array.from({ length: depth }, (_, channel) => all[channel * height * width + at]);
    return { found: neuron(this.house.network, this.weights, this.values, unit), here };
  }
}

/** An image that the service puts through the network. */
class RemotePass extends Pass {
  /** @param {House} house @param {Picture} picture @param {Float32Array} input */
  constructor(house, picture, input) {
    super(house, picture);
    this.input = input;
    /** @type {Map<string, Maps>} */
    this.fetched = new Map();
  }

  /** Asks for the scores. */
  async begin() {
    const { tensors: found } = await tensors(`${this.address}/maps`);
    this.scores = [...(found.get("scores")?.data ?? [])];
    this.probabilities = [...(found.get("probabilities")?.data ?? [])];
  }

  /** @override @param {string[]} paths @param {number} most */
  async ahead(paths, most) {
    if (!paths.length) return;
    const query = new URLSearchParams([["most", String(most)], ...paths.map((path) => ["layer", path])]);
    const answer = await tensors(`${this.address}/maps?${query}`);
    for (const path of paths) this.fetched.set(`${path} ${most}`, this.taken(path, answer));
  }

  /** The maps of a layer in an answer. @param {string} path @param {{tensors: Map<string, any>, metadata: Record<string, string>}} answer @returns {Maps} */
  taken(path, { tensors: found, metadata }) {
    const [height, width] = volumeAt(this.house, path);
    const channels = [...found.get(`${path}:maps`).data].map(Number);
    return { channels, data: found.get(path).data, height, width, ...JSON.parse(metadata.layers)[path] };
  }

  get address() {
    return `${this.house.place}/images/${this.picture.id}`;
  }

  /** @override @param {string} path @param {number} most @param {number[] | null} channels @returns {Promise<Maps>} */
  async maps(path, most, channels = null) {
    const [height, width, depth] = volumeAt(this.house, path);
    if (path === INPUT) {
      const chosen = channels ?? Array.from({ length: depth }, (_, at) => at);
      const data = new Float32Array(chosen.length * height * width);
      chosen.forEach((channel, at) =>
        data.set(this.input.subarray(channel * height * width, (channel + 1) * height * width), at * height * width),
      );
      return { channels: chosen, data, height, width, scale: this.input.reduce((most, value) => Math.max(most, Math.abs(value)), 0), signed: true };
    }
    const known = channels ? undefined : this.fetched.get(`${path} ${most}`);
    if (known) return known;
    const query = new URLSearchParams([["layer", path], ["most", String(Math.min(most, 4096))]]);
    for (const channel of channels ?? []) query.append("channel", String(channel));
    return this.taken(path, await tensors(`${this.address}/maps?${query}`));
  }

  /** @override @param {Unit} unit */
  async neuron(unit) {
    const { here, ...found } = await json(`${this.address}/neuron?unit=${encodeURIComponent(unitText(unit))}`);
    return { found, here };
  }
}

/** The volume at a path. @param {House} house @param {string} path */
export function volumeAt(house, path) {
  return path === INPUT ? house.network.volume : /** @type {Step} */ (house.steps.get(path)).output;
}

/** The maps with most energy, in their own order. @param {Float32Array} all @param {number} plane @param {number} depth @param {number} most */
function strongest(all, plane, depth, most) {
  const energy = Array.from({ length: depth }, (_, channel) => {
    let sum = 0;
    for (let at = channel * plane; at < (channel + 1) * plane; at++) sum += all[at] ** 2;
    return { channel, sum };
  });
  return energy
    .sort((a, b) => b.sum - a.sum || a.channel - b.channel)
    .slice(0, most)
    .map((each) => each.channel)
    .sort((a, b) => a - b);
}

/** @param {number[]} scores @param {number} temperature */
function softmax(scores, temperature) {
  const most = Math.max(...scores);
  const powers = scores.map((score) => Math.exp((score - most) / temperature));
  const sum = powers.reduce((total, each) => total + each, 0);
  return powers.map((each) => each / sum);
}

/**
 * The pixels of an image file as `hubel.data.image.modes` has them: upright, without colour management, and with
 * transparency laid over white.
 * @param {Blob} file @returns {Promise<ImageData>}
 */
async function decoded(file) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image", colorSpaceConversion: "none" });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  context.fillStyle = "white";
  context.fillRect(0, 0, bitmap.width, bitmap.height);
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}

/** An image as the API gives it. @param {any} given @returns {Picture} */
export function pictureOf(given) {
  const { id, name, label, height, width, depth, pixels } = given;
  return { id, name, label, pixels: { height, width, depth, data: bytesOf(pixels) } };
}

/** The bytes of a text. @param {string} text base64 */
export function bytesOf(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

export { ApiError, Pass, post };

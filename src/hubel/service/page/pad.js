/**
 * The pad to draw a digit on: strokes become an image as the network's training images were made.
 *
 * The drawing is cut to its strokes and made as high as the image. For scikit-learn's digits it becomes 32x32 points
 * of black or white, of which each pixel of an 8x8 image counts 4x4: this is how those digits were made
 * (Alpaydin and Kaynak 1998). For other networks it fills the middle of a black image, as in MNIST.
 */

/** @import { House, Picture } from "./network.js" */
/** @import { Pixels } from "./engine/image.js" */
import { h } from "./dom.js";
import { FILTERS, resized } from "./engine/image.js";
import { t } from "./words/words.js";

const SIDE = 224;
const PEN = 17;

/** @param {House} house @param {(picture: Picture) => Promise<void>} take */
export function pad(house, take) {
  const canvas = h("canvas", { class: "pad", width: SIDE, height: SIDE, "aria-label": t("pad.label"), role: "img" });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  const clear = () => {
    context.fillStyle = "black";
    context.fillRect(0, 0, SIDE, SIDE);
  };
  clear();
  context.strokeStyle = "white";
  context.lineWidth = PEN;
  context.lineCap = context.lineJoin = "round";
  /** @type {[number, number] | null} */
  let last = null;
  /** @param {PointerEvent} event @returns {[number, number]} */
  const place = (event) => {
    const bounds = canvas.getBoundingClientRect();
    return [((event.clientX - bounds.left) * SIDE) / bounds.width, ((event.clientY - bounds.top) * SIDE) / bounds.height];
  };
  canvas.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    canvas.setPointerCapture(event.pointerId);
    last = place(event);
    stroke(last);
  });
  canvas.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => last && stroke(place(event)));
  canvas.addEventListener("pointerup", () => {
    last = null;
    const pixels = drawn(context, house);
    if (pixels) void take(house.take(pixels, t("drawing")));
  });
  /** @param {[number, number]} to */
  function stroke(to) {
    context.beginPath();
    context.moveTo(...(last ?? to));
    context.lineTo(to[0] + 0.01, to[1]);
    context.stroke();
    last = to;
  }
  const element = h("div", {}, canvas, h("p", { class: "quiet" }, t("pad.hint")), h("button", { type: "button", onclick: clear }, t("pad.clear")));
  return { element, close: () => {} };
}

/** The drawing as the pixels of an image; null where nothing is drawn. @param {CanvasRenderingContext2D} context @param {House} house @returns {Pixels | null} */
function drawn(context, house) {
  const { data } = context.getImageData(0, 0, SIDE, SIDE);
  const ink = new Uint8Array(SIDE * SIDE);
  for (let at = 0; at < ink.length; at++) ink[at] = data[4 * at];
  const bounds = boundsOf(ink);
  if (!bounds) return null;
  const digits = house.model.data === "digits";
  const { depth } = house.model.preprocessing;
  const grey = digits ? counted(placed(ink, bounds, 32, 32)) : placed(ink, bounds, 28, 20);
  return depth === 1 ? grey : coloured(grey);
}

/** The first and last row and column with ink. @param {Uint8Array} ink */
function boundsOf(ink) {
  let [top, left, bottom, right] = [SIDE, SIDE, -1, -1];
  for (let y = 0; y < SIDE; y++)
    for (let x = 0; x < SIDE; x++)
      if (ink[y * SIDE + x] > 127) {
        top = Math.min(top, y);
        bottom = Math.max(bottom, y);
        left = Math.min(left, x);
        right = Math.max(right, x);
      }
  return bottom < 0 ? null : { top, left, bottom, right };
}

/** The ink scaled to `tall` points and put in the middle of an image. @param {Uint8Array} ink @param {{top: number, left: number, bottom: number, right: number}} bounds @param {number} side @param {number} tall @returns {Pixels} */
function placed(ink, { top, left, bottom, right }, side, tall) {
  const scale = tall / Math.max(bottom - top + 1, right - left + 1);
  const height = Math.max(1, Math.round((bottom - top + 1) * scale));
  const width = Math.max(1, Math.round((right - left + 1) * scale));
  const image = { height: SIDE, width: SIDE, depth: 1, data: ink };
  const small = resized(image, [left, top, right + 1, bottom + 1], width, height, FILTERS.bilinear);
  const data = new Uint8Array(side * side);
  const [down, across] = [Math.floor((side - height) / 2), Math.floor((side - width) / 2)];
  for (let y = 0; y < height; y++) data.set(small.data.subarray(y * width, (y + 1) * width), (down + y) * side + across);
  return { height: side, width: side, depth: 1, data };
}

/** 8x8 pixels, each the number of white points among 4x4. @param {Pixels} points @returns {Pixels} */
function counted({ data }) {
  const found = new Uint8Array(64);
  for (let y = 0; y < 8; y++)
    for (let x = 0; x < 8; x++) {
      let white = 0;
      for (let at = 0; at < 16; at++) white += Number(data[(4 * y + (at >> 2)) * 32 + 4 * x + (at & 3)] > 127);
      found[y * 8 + x] = Math.round((white * 255) / 16);
    }
  return { height: 8, width: 8, depth: 1, data: found };
}

/** A grey image in three equal colours. @param {Pixels} grey @returns {Pixels} */
function coloured({ height, width, data }) {
  return { height, width, depth: 3, data: Uint8Array.from({ length: 3 * data.length }, (_, at) => data[Math.floor(at / 3)]) };
}

/**
 * The pad to draw a digit on: strokes become an image as the network's training images were made.
 *
 * The strokes are drawn again as high as the image, with a pen in proportion, so that small and large drawings are
 * alike. For scikit-learn's digits they become 32x32 points of black or white, of which each pixel of an 8x8 image
 * counts 4x4: this is how those digits were made (Alpaydin and Kaynak 1998). For other networks they fill the middle of
 * a black image, as in MNIST.
 */

/** @import { House, Picture } from "./network.js" */
/** @import { Pixels } from "./engine/image.js" */
import { h } from "./dom.js";
import { t } from "./words/words.js";

const SIDE = 224;
const PEN = 17;
/** The width of the strokes of an image, as a share of the digit's height: about that of the training images. */
const WIDTH = 0.14;

/** A stroke of the pen: the points that it went through. @typedef {[number, number][]} Stroke */

/** @param {House} house @param {(picture: Picture) => Promise<void>} take @param {() => void} forget clears what was made of the drawing */
export function pad(house, take, forget) {
  const canvas = h("canvas", { class: "pad", width: SIDE, height: SIDE, "aria-label": t("pad.label"), role: "img" });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  /** @type {Stroke[]} */
  let strokes = [];
  const wipe = () => {
    strokes = [];
    context.fillStyle = "black";
    context.fillRect(0, 0, SIDE, SIDE);
  };
  const clear = () => {
    wipe();
    forget();
  };
  wipe();
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
    strokes.push([]);
    stroke(last);
  });
  canvas.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => last && stroke(place(event)));
  canvas.addEventListener("pointerup", () => {
    last = null;
    if (strokes.length) void take(house.take(drawn(strokes, house), t("drawing")));
  });
  /** @param {[number, number]} to */
  function stroke(to) {
    context.beginPath();
    context.moveTo(...(last ?? to));
    context.lineTo(to[0] + 0.01, to[1]);
    context.stroke();
    strokes[strokes.length - 1].push(to);
    last = to;
  }
  const element = h("div", {}, canvas, h("p", { class: "quiet" }, t("pad.hint")), h("button", { type: "button", onclick: clear }, t("pad.clear")));
  return { element, close: () => {} };
}

/** The drawing as the pixels of an image. @param {Stroke[]} strokes @param {House} house @returns {Pixels} */
function drawn(strokes, house) {
  const digits = house.model.data === "digits";
  const { depth } = house.model.preprocessing;
  const grey = digits ? counted(placed(strokes, 32, 32)) : placed(strokes, 28, 20);
  return depth === 1 ? grey : coloured(grey);
}

/** Strokes in the middle of an image, scaled to `tall` points with the pen. @param {Stroke[]} strokes @param {number} side @param {number} tall @returns {Pixels} */
function placed(strokes, side, tall) {
  const points = strokes.flat();
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const pen = WIDTH * tall;
  const scale = (tall - pen) / Math.max(right - left, bottom - top, SIDE / 8); // a dot stays a dot
  const canvas = new OffscreenCanvas(side, side);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillRect(0, 0, side, side);
  context.strokeStyle = "white";
  context.lineWidth = pen;
  context.lineCap = context.lineJoin = "round";
  const along = (/** @type {number} */ at, /** @type {number} */ first, /** @type {number} */ last) => side / 2 + scale * (at - (first + last) / 2);
  for (const stroke of strokes) {
    context.beginPath();
    for (const [x, y] of [stroke[0], ...stroke]) context.lineTo(along(x, left, right), along(y, top, bottom));
    context.stroke();
  }
  const { data } = context.getImageData(0, 0, side, side);
  return { height: side, width: side, depth: 1, data: Uint8Array.from({ length: side * side }, (_, at) => data[4 * at]) };
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

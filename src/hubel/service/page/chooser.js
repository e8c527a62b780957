/** The ways to choose an image: samples, a file, the clipboard, a drawing, the camera. */

/** @import { House, Picture } from "./network.js" */
import { ApiError, OFFLINE, TOKEN } from "./api.js";
import { paintPixels } from "./colour.js";
import { fill, h } from "./dom.js";
import { ofDepth } from "./engine/image.js";
import { pad } from "./pad.js";
import { t } from "./words/words.js";

/**
 * @param {House} house @param {(picture: Picture) => Promise<void>} take @param {(error: any) => void} fail
 * @param {() => void} forget shows no image
 */
export function chooser(house, take, fail, forget) {
  const samples = h("div", { class: "samples", role: "group", "aria-label": t("samples") });
  house.samples().then((found) => fill(samples, found.map((picture) => sample(picture, take)))).catch(fail);
  const read = async (/** @type {Blob} */ file) => {
    /** @type {Picture} */
    let picture;
    try {
      picture = await house.read(file);
    } catch (error) {
      return fail(unreadable(file, error));
    }
    await take(picture);
  };
  const file = h("input", {
    type: "file",
    accept: "image/*",
    id: "file",
    class: "unseen",
    tabindex: -1,
    "aria-label": t("choose.file"),
    onchange: () => file.files?.[0] && read(file.files[0]),
  });
  const extra = h("div", { class: "extra" });
  /** @type {(() => void) | null} */
  let close = null;
  const toggle = (/** @type {() => {element: HTMLElement, close: () => void}} */ make) => {
    close?.();
    close = null;
    if (extra.childElementCount && extra.dataset.of === make.name) {
      extra.dataset.of = "";
      fill(extra);
      return;
    }
    const made = make();
    close = made.close;
    extra.dataset.of = make.name;
    fill(extra, made.element);
  };
  const drawing = () => pad(house, take, forget);
  const camera = () => webcam(house, take, fail);
  const element = h(
    "div",
    {
      class: "chooser",
      ondragover: (/** @type {DragEvent} */ event) => event.preventDefault(),
      ondrop: (/** @type {DragEvent} */ event) => {
        event.preventDefault();
        const dropped = event.dataTransfer?.files[0];
        if (dropped) void read(dropped);
      },
    },
    samples,
    h(
      "div",
      { class: "buttons" },
      file,
      h("button", { type: "button", onclick: () => file.click() }, t("choose.file")),
      h("button", { type: "button", onclick: () => toggle(drawing) }, t("choose.draw")),
      h("button", { type: "button", onclick: () => toggle(camera) }, t("choose.camera")),
    ),
    h("p", { class: "quiet" }, t("choose.paste")),
    extra,
  );
  document.addEventListener("paste", (event) => {
    if (!element.isConnected) return;
    const pasted = [...(event.clipboardData?.files ?? [])].find((each) => each.type.startsWith("image/"));
    if (pasted) void read(pasted);
  });
  return element;
}

/** The error of a file that is no image, in the page's words; the service's own are added. @param {Blob} file @param {any} error */
function unreadable(file, error) {
  if (error instanceof ApiError && [OFFLINE, TOKEN].includes(error.message)) return error;
  const said = t("file.bad", { name: file instanceof File ? file.name : t("image") });
  return new Error(error instanceof ApiError ? `${said} (${error.message})` : said);
}

/** @param {Picture} picture @param {(picture: Picture) => Promise<void>} take */
function sample(picture, take) {
  const canvas = h("canvas", { "aria-hidden": "true" });
  paintPixels(canvas, picture.pixels);
  const label = picture.label || picture.name;
  return h("button", { type: "button", class: "sample", title: label, "aria-label": t("sample.label", { label }), onclick: () => take(picture) }, canvas);
}

/** The camera: a moving image, of which a press takes one. @param {House} house @param {(picture: Picture) => Promise<void>} take @param {(error: any) => void} fail */
function webcam(house, take, fail) {
  const video = h("video", { autoplay: true, playsinline: true, "aria-label": t("choose.camera") });
  video.muted = true;
  /** @type {MediaStream | null} */
  let stream = null;
  const start = async () => {
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
      video.srcObject = stream;
    } catch {
      fail(new Error(t("camera.none")));
    }
  };
  void start();
  const shoot = async () => {
    if (!video.videoWidth) return;
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.drawImage(video, 0, 0);
    const pixels = ofDepth(context.getImageData(0, 0, canvas.width, canvas.height), house.model.preprocessing.depth);
    await take(house.take(pixels));
  };
  const element = h("div", {}, video, h("button", { type: "button", onclick: shoot }, t("camera.take")));
  return { element, close: () => stream?.getTracks().forEach((track) => track.stop()) };
}

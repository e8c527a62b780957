/** The view of a training: its curves, its speed, the first filters as they form, and its latest mistakes. */

import { json, tensors } from "../api.js";
import { paint, paintPixels, ramp } from "../colour.js";
import { fill, h, s } from "../dom.js";
import { largest } from "../grid.js";
import { count, number, percent } from "../format.js";
import { readTensors } from "../engine/safetensors.js";
import { bytesOf, pictureOf } from "../network.js";
import { state } from "../store.js";
import { t } from "../words/words.js";

/** How often the run is asked how it goes, in milliseconds. */
const POLL = 1000;
const MOST_FILTERS = 96;

export function training() {
  const facts = h("div", {});
  const curves = h("div", { class: "two" });
  const filters = h("div", { class: "filters" });
  const mistakes = h("div", { class: "mistakes" });
  const whose = h("h2", {});
  const warnings = h("div", {});
  const problem = h("p", { class: "error", role: "alert", hidden: true });
  let open = true;
  let seen = -1;

  async function follow() {
    if (!open) return;
    try {
      const found = state.saved ? state.saved.training : await json("/training");
      problem.hidden = true;
      state.run = { told: found, filters: state.run?.filters ?? null };
      draw(found);
      if (found.count !== seen) {
        seen = found.count;
        await look();
      }
      if (found.state === "finished" || state.saved) return;
    } catch (error) {
      problem.hidden = false;
      problem.textContent = error instanceof Error && error.message === "offline" ? t("training.gone") : String(error);
    }
    setTimeout(() => void follow(), POLL);
  }

  /** @param {any} found */
  function draw(found) {
    const last = found.rounds[found.rounds.length - 1];
    const best = found.rounds.reduce((/** @type {number} */ most, /** @type {any} */ each) => Math.max(most, each.val_top1), 0);
    const figures = [
      ["training.state", t(`state.${found.state}`)],
      ["training.epoch", last || found.epoch ? number(found.epoch, 0) : "—"],
      ["training.speed", found.speed ? `${count(Math.round(found.speed))} ${t("per.second")}` : "—"],
      ["training.loss", last ? number(last.train_loss, 3) : "—"],
      ["training.accuracy", last ? percent(last.val_top1) : "—"],
      ["training.best", found.rounds.length ? percent(best) : "—"],
    ];
    fill(
      facts,
      h("dl", { class: "figures" }, figures.map(([name, value]) => h("div", {}, h("dt", {}, t(name)), h("dd", {}, value)))),
      found.progress === null ? null : h("progress", { max: 1, value: found.progress, "aria-label": t("training.progress") }),
    );
    fill(warnings, found.warnings.map((/** @type {string} */ text) => h("p", { class: "notice" }, text)));
    const epochs = found.rounds.map((/** @type {any} */ each) => each.epoch);
    fill(
      curves,
      chart(t("training.loss"), [
        { name: t("curve.train"), x: epochs, y: found.rounds.map((/** @type {any} */ each) => each.train_loss), kind: "train" },
        { name: t("curve.val"), x: epochs, y: found.rounds.map((/** @type {any} */ each) => each.val_loss), kind: "val" },
        ...(found.steps.length > 1 ? [{ name: t("curve.steps"), x: found.steps.map((/** @type {number[]} */ [x]) => x), y: found.steps.map((/** @type {number[]} */ [, y]) => y), kind: "steps" }] : []),
      ]),
      chart(t("training.accuracy"), [
        { name: t("curve.train"), x: epochs, y: found.rounds.map((/** @type {any} */ each) => each.train_top1), kind: "train" },
        { name: t("curve.val"), x: epochs, y: found.rounds.map((/** @type {any} */ each) => each.val_top1), kind: "val" },
      ]),
    );
    fill(whose, t(found.of_best ? "training.mistakes.best" : "training.mistakes"));
    fill(
      mistakes,
      found.mistakes.length
        ? found.mistakes.map((/** @type {any} */ each) => {
            const canvas = h("canvas", { "aria-hidden": "true", class: "patch" });
            paintPixels(canvas, pictureOf(each).pixels);
            return h("figure", { title: each.name }, canvas, h("figcaption", {}, h("b", {}, each.label), " → ", h("span", { class: "wrong" }, each.predicted), ` ${percent(each.confidence)}`));
          })
        : h("p", { class: "quiet" }, t("training.no.mistakes")),
    );
  }

  async function look() {
    if (state.saved && !state.saved.training.filters) return;
    try {
      const read = state.saved ? readTensors(bytesOf(state.saved.training.filters).buffer) : await tensors("/training/filters");
      const found = read.tensors.get("filters");
      if (state.run) state.run.filters = found;
      if (found && open) fill(filters, kernels(found));
    } catch (error) {
      fill(filters, h("p", { class: "quiet" }, error instanceof Error ? error.message : ""));
    }
  }

  return {
    element: h(
      "section",
      { "aria-labelledby": "title" },
      h("h1", { id: "title" }, t("training.title")),
      h("p", { class: "lead" }, t("training.lead")),
      problem,
      facts,
      warnings,
      curves,
      state.saved && !state.saved.training.filters ? null : [h("h2", {}, t("training.filters")), filters],
      whose,
      mistakes,
    ),
    shown: () => {
      if (state.run) draw(state.run.told);
      if (state.run?.filters) fill(filters, kernels(state.run.filters));
      void follow();
    },
    gone: () => {
      open = false;
    },
  };
}

/** The first filters, in colour where they see three maps. @param {{shape: number[], data: Float32Array}} found */
function kernels({ shape: [filters, maps, height, width], data }) {
  const scale = largest([...data.subarray(0, 40000)]);
  const area = height * width;
  return Array.from({ length: Math.min(filters, MOST_FILTERS) }, (_, at) => {
    const canvas = h("canvas", { "aria-hidden": "true", class: "kernel" });
    const own = data.subarray(at * maps * area, (at + 1) * maps * area);
    if (maps === 3) {
      const pixels = Uint8ClampedArray.from({ length: 3 * area }, (__, place) => 127.5 + (127.5 * own[(place % 3) * area + Math.floor(place / 3)]) / scale);
      paintPixels(canvas, { height, width, depth: 3, data: pixels });
    } else paint(canvas, own.subarray(0, area), height, width, scale, ramp());
    return canvas;
  });
}

/** A chart of curves over epochs. @param {string} title @param {{name: string, x: number[], y: number[], kind: string}[]} curves */
function chart(title, curves) {
  const [W, H, L, B] = [460, 240, 46, 28];
  const xs = curves.flatMap((each) => each.x);
  const ys = curves.flatMap((each) => each.y).filter(Number.isFinite);
  const [x0, x1] = [Math.min(...xs, 0), Math.max(...xs, 1)];
  const [y0, y1] = [Math.min(...ys, 0), Math.max(...ys, 1e-3)];
  const X = (/** @type {number} */ x) => L + ((W - L - 8) * (x - x0)) / (x1 - x0 || 1);
  const Y = (/** @type {number} */ y) => H - B - ((H - B - 10) * (y - y0)) / (y1 - y0 || 1);
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => y0 + share * (y1 - y0));
  return h(
    "figure",
    { class: "chart" },
    h("h3", {}, title),
    s(
      "svg",
      { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": title },
      ticks.map((tick) => [s("path", { class: "axis", d: `M ${L} ${Y(tick)} H ${W - 8}` }), s("text", { x: L - 6, y: Y(tick) + 4, class: "end" }, number(tick, 2))]),
      s("text", { x: L, y: H - 8 }, number(x0, 0)),
      s("text", { x: W - 8, y: H - 8, class: "end" }, `${number(x1, 0)} ${t("epochs")}`),
      curves
        .sort((a, b) => Number(b.kind === "steps") - Number(a.kind === "steps"))
        .map((each) => s("path", { class: `curve-${each.kind}`, d: each.x.map((x, at) => `${at ? "L" : "M"} ${X(x).toFixed(1)} ${Y(each.y[at]).toFixed(1)}`).join(" ") })),
    ),
    h("figcaption", {}, curves.map((each) => h("span", { class: `key curve-${each.kind}` }, each.name))),
  );
}

/** The view of an image that goes through the network: the image, every layer's maps, and the scores. */

/** @import { House, Maps, Pass } from "../network.js" */
/** @import { Step } from "../engine/types.js" */
import { css, paint, paintPixels, ramp } from "../colour.js";
import { announce, choice, fill, h } from "../dom.js";
import { fieldOf } from "../engine/window.js";
import { number, percent, size } from "../format.js";
import { chooser } from "../chooser.js";
import { show, state } from "../store.js";
import { t } from "../words/words.js";

/** How many maps of a layer are shown at first, and how many single values. */
const [FEW, EVERY] = [12, 4096];
/** How many pixels a map is wide on the page, at most. */
const WIDE = 96;

/** @param {import("../main.js").App} app @param {string | undefined} at the layer to scroll to */
export function through(app, at) {
  const house = /** @type {House} */ (state.house);
  const { model } = house;
  let every = Boolean(at) && !model.passing.includes(/** @type {string} */ (at));
  const canvas = h("canvas", { class: "image", role: "img" });
  const box = h("div", { class: "field", hidden: true });
  const caption = h("p", { class: "caption" });
  const scores = h("div", { class: "scores" });
  const layers = h("div", { class: "layers" });
  const problem = h("p", { class: "error", role: "alert", hidden: true });
  const time = h("p", { class: "quiet time" });

  /** @param {import("../network.js").Picture} picture */
  async function take(picture) {
    problem.hidden = true;
    fill(time);
    const began = performance.now();
    try {
      await show(picture);
    } catch (error) {
      return fail(error);
    }
    await draw();
    const took = performance.now() - began;
    fill(time, t(model.browser ? "through.here" : "through.there", { ms: Math.max(1, Math.round(took)) }));
  }

  /** Shows no image, and nothing of the last one. */
  function forget() {
    state.picture = state.pass = null;
    canvas.width = canvas.height = 1;
    canvas.setAttribute("aria-label", t("image"));
    problem.hidden = true;
    for (const place of [caption, scores, time]) fill(place);
    fill(layers, h("p", { class: "notice" }, t("through.none")));
  }

  /** @param {any} error */
  function fail(error) {
    problem.hidden = false;
    fill(problem, error.message === "offline" ? t("offline") : error.message);
  }

  async function draw() {
    const { pass, picture } = state;
    if (!pass || !picture) return;
    paintPixels(canvas, picture.pixels);
    canvas.setAttribute("aria-label", picture.label ? t("image.of", { label: picture.label }) : t("image"));
    fill(caption, [picture.label ? t("image.of", { label: picture.label }) : "", ` ${size(house.network.volume)}`]);
    fill(scores, bars(pass, model.classes), pass.scores.length ? h("p", { class: "quiet" }, probabilities(model)) : null);
    const paths = every ? house.network.steps.filter((step) => !step.side).map((step) => step.path) : model.passing;
    try {
      await pass.ahead(paths.filter((path) => !flat(house, path)), FEW);
      await pass.ahead(paths.filter((path) => flat(house, path)), EVERY);
      const found = await Promise.all(paths.map((path) => layer(house, pass, path, app, point)));
      fill(layers, found);
    } catch (error) {
      fail(error);
    }
    const best = pass.probabilities.indexOf(Math.max(...pass.probabilities));
    if (best >= 0) announce(t("said.scores", { label: model.classes[best], share: percent(pass.probabilities[best]) }));
  }

  /** Shows on the image what a unit sees. @param {import("../engine/types.js").Unit | null} unit */
  function point(unit) {
    const seen = unit && fieldOf(house.network, unit);
    box.hidden = !seen;
    if (!seen) return;
    const [height, width] = house.network.volume;
    Object.assign(box.style, {
      top: `${(100 * seen.top) / height}%`,
      left: `${(100 * seen.left) / width}%`,
      height: `${(100 * (seen.bottom - seen.top + 1)) / height}%`,
      width: `${(100 * (seen.right - seen.left + 1)) / width}%`,
    });
  }

  const which = h("div", { class: "buttons", role: "group", "aria-label": t("through.which") });
  function choose() {
    fill(
      which,
      choice(t("through.main"), !every, () => pick(false)),
      choice(t("through.all", { n: house.network.steps.filter((step) => !step.side).length }), every, () => pick(true)),
    );
  }
  /** @param {boolean} wanted */
  function pick(wanted) {
    every = wanted;
    choose();
    void draw();
  }
  choose();

  const element = h(
    "section",
    { "aria-labelledby": "title" },
    h("h1", { id: "title" }, t("through.title")),
    h("p", { class: "lead" }, t("through.lead")),
    model.trained ? null : h("p", { class: "notice" }, t("untrained")),
    problem,
    h(
      "div",
      { class: "split" },
      h(
        "aside",
        { class: "beside" },
        h("figure", {}, h("div", { class: "frame-of-image" }, canvas, box), h("figcaption", {}, caption)),
        chooser(house, take, fail, forget),
        h("h2", {}, t("scores")),
        scores,
        time,
      ),
      h("div", {}, h("div", { class: "bar" }, which, scale()), layers),
    ),
  );
  const begin = async () => {
    try {
      if (!state.pass) {
        const first = (await house.samples())[0];
        if (first) await take(first);
        else fill(layers, h("p", { class: "notice" }, t("through.none")));
      } else await draw();
    } catch (error) {
      fail(error);
    }
    if (at) document.getElementById(`layer-${at}`)?.scrollIntoView({ block: "start" });
  };
  return { element, shown: () => void begin() };
}

/** Whether a layer's maps have a single value each. @param {House} house @param {string} path */
function flat(house, path) {
  const [height, width] = /** @type {Step} */ (house.steps.get(path)).output;
  return height === 1 && width === 1;
}

/** The scale of all maps: orange below zero, blue above. */
function scale() {
  const table = ramp();
  const stops = Array.from({ length: 21 }, (_, at) => css(at / 10 - 1, table)).join(", ");
  return h("span", { class: "scale" }, `−${t("largest")}`, h("i", { style: { background: `linear-gradient(90deg, ${stops})` } }), `+${t("largest")}`);
}

/** How the percentages follow from the scores. @param {import("../engine/types.js").Model} model */
function probabilities({ softmax, temperature }) {
  if (softmax) return t("scores.softmax");
  return temperature === 1 ? t("scores.plain") : t("scores.temperature", { temperature: Number(temperature.toPrecision(3)) });
}

/** The classes with the largest probabilities, as bars. @param {Pass} pass @param {string[]} classes */
export function bars(pass, classes) {
  const order = pass.probabilities
    .map((share, at) => ({ share, at }))
    .sort((a, b) => b.share - a.share || a.at - b.at)
    .slice(0, 10);
  if (!order.length) return h("p", { class: "quiet" }, t("scores.none"));
  return h(
    "ol",
    { class: "bars" },
    order.map(({ share, at }) =>
      h(
        "li",
        { class: at === order[0].at ? "best" : "" },
        h("span", { class: "bar-name" }, classes[at]),
        h("span", { class: "bar-line" }, h("i", { style: { width: `${100 * share}%` } })),
        h("span", { class: "bar-share" }, percent(share)),
        h("span", { class: "bar-score", title: t("score") }, number(pass.scores[at], 2)),
      ),
    ),
  );
}

/**
 * One layer: its name, its maps on a common scale, and a button for those that are not shown.
 * @param {House} house @param {Pass} pass @param {string} path @param {any} app
 * @param {(unit: import("../engine/types.js").Unit | null) => void} point
 */
async function layer(house, pass, path, app, point) {
  const step = /** @type {Step} */ (house.steps.get(path));
  const [, , depth] = step.output;
  const single = flat(house, path);
  const maps = await pass.maps(path, single ? EVERY : FEW);
  const place = h("div", { class: single ? "cells" : "maps" });
  const draw = (/** @type {Maps} */ found) => fill(place, single ? strip(house, found, step, app, point) : found.channels.map((channel, at) => tile(house, found, at, channel, step, app, point)));
  draw(maps);
  const more =
    !single && depth > maps.channels.length
      ? h(
          "button",
          {
            type: "button",
            class: "more",
            onclick: async (/** @type {any} */ event) => {
              event.currentTarget.remove();
              draw(await pass.maps(path, depth));
            },
          },
          t("maps.all", { n: depth }),
        )
      : null;
  return h(
    "section",
    { class: "layer", id: `layer-${path}` },
    h("h3", {}, path, " ", h("code", {}, step.layer)),
    h("p", { class: "caption" }, size(step.output), " · ", t("sees", { size: step.field.size.join("×") }), " · ", t("scale.is", { value: number(maps.scale) })),
    place,
    more,
  );
}

/** One map, whose cells can be pointed at and opened. @param {House} house @param {Maps} maps @param {number} at @param {number} channel @param {Step} step @param {any} app @param {(unit: any) => void} point */
function tile(house, maps, at, channel, step, app, point) {
  const { height, width } = maps;
  const values = maps.data.subarray(at * height * width, (at + 1) * height * width);
  const canvas = h("canvas", { "aria-hidden": "true" });
  paint(canvas, values, height, width, maps.scale, ramp());
  const zoom = Math.max(1, Math.min(8, Math.floor(WIDE / Math.max(height, width))));
  const shown = { width: Math.max(48, Math.min(WIDE, width * zoom)), height: 0 };
  shown.height = Math.max(12, Math.round((shown.width * height) / width));
  const value = h("output", { class: "value" });
  const cell = h("i", { class: "cell-mark", hidden: true });
  let row = Math.floor(height / 2);
  let column = Math.floor(width / 2);
  const unit = () => ({ path: step.path, channel, row, column });
  const mark = () => {
    cell.hidden = false;
    Object.assign(cell.style, {
      top: `${(100 * row) / height}%`,
      left: `${(100 * column) / width}%`,
      height: `${100 / height}%`,
      width: `${100 / width}%`,
    });
    value.textContent = number(values[row * width + column]);
    point(unit());
  };
  const leave = () => {
    cell.hidden = true;
    value.textContent = "";
    point(null);
  };
  const open = () => app.go(`neuron/${encodeURIComponent(step.path)}/${channel}/${row}/${column}`);
  const button = h(
    "button",
    {
      type: "button",
      class: "map",
      style: { width: `${shown.width}px`, height: `${shown.height}px` },
      "aria-label": t("map.label", { path: step.path, map: channel, height, width }),
      onpointermove: (/** @type {PointerEvent} */ event) => {
        const bounds = button.getBoundingClientRect();
        row = Math.max(0, Math.min(height - 1, Math.floor(((event.clientY - bounds.top) / bounds.height) * height)));
        column = Math.max(0, Math.min(width - 1, Math.floor(((event.clientX - bounds.left) / bounds.width) * width)));
        mark();
      },
      onpointerleave: leave,
      onblur: leave,
      onfocus: () => button.matches(":focus-visible") && mark(),
      onclick: open,
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
        if (!step) return;
        event.preventDefault();
        row = Math.max(0, Math.min(height - 1, row + step[0]));
        column = Math.max(0, Math.min(width - 1, column + step[1]));
        mark();
        announce(t("said.cell", { row, column, value: number(values[row * width + column]) }));
      },
    },
    canvas,
    cell,
  );
  return h("figure", { class: "tile" }, button, h("figcaption", {}, h("span", {}, channel), value));
}

/** The values of a layer with one position per map, as a row of cells. @param {House} house @param {Maps} maps @param {Step} step @param {any} app @param {(unit: any) => void} point */
function strip(house, maps, step, app, point) {
  const table = ramp();
  const last = house.network.steps.filter((each) => !each.side).pop();
  const classes = last === step ? house.model.classes : null;
  return maps.channels.map((channel, at) => {
    const value = maps.data[at];
    const unit = { path: step.path, channel, row: 0, column: 0 };
    const label = `${step.path}[${channel}]${classes ? ` ${classes[channel]}` : ""}: ${number(value)}`;
    return h("button", {
      type: "button",
      class: "dot",
      "aria-label": label,
      title: label,
      style: { background: css(maps.scale ? value / maps.scale : 0, table) },
      onpointerenter: () => point(unit),
      onpointerleave: () => point(null),
      onclick: () => app.go(`neuron/${encodeURIComponent(step.path)}/${channel}/0/0`),
    });
  });
}

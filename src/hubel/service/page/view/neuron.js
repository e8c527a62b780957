/** The view of one unit: what it sees, its window on the maps before, its arithmetic, and who shares its weights. */

/** @import { House, Pass } from "../network.js" */
/** @import { Neuron, Step, Taken, Unit } from "../engine/types.js" */
import { css, paint, paintPixels, ramp } from "../colour.js";
import { announce, fill, h } from "../dom.js";
import { mapsOf } from "../engine/convolution.js";
import { unitText } from "../engine/neuron.js";
import { INPUT } from "../engine/window.js";
import { largest } from "../grid.js";
import { count, number, size } from "../format.js";
import { volumeAt } from "../network.js";
import { show, state } from "../store.js";
import { sharedBy, weightsText } from "./sharing.js";
import { arithmetic } from "./sums.js";
import { t } from "../words/words.js";

const OTHERS = 64;
/** Above this many cells along a side, the lines between the cells of a map are not drawn. */
const MOST_LINES = 48;
/** Layers whose weights for a map of their input are a kernel to be drawn. */
const KERNELS = new Set(["conv", "fc", "rbf"]);
/** How long each place of the sliding filter is shown, in milliseconds. */
const [QUICK, SLOW] = [160, 450];

/** @param {import("../main.js").App} app @param {string[]} given path, map, row and column */
export function neuron(app, ...given) {
  const house = /** @type {House} */ (state.house);
  const unit = chosenUnit(house, given);
  state.unit = unit;
  const step = /** @type {Step} */ (house.steps.get(unit.path));
  /** The number of the map of the window that is written out. */
  let map = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let playing;
  /** The last place that the sliding filter has filled; all of them while it does not slide. */
  let filled = Infinity;
  /** What all cells of the map share; empty where there is nothing. */
  let shared = "";

  const title = h("h1", { id: "title" });
  const stage = h("div", { class: "chain" });
  const body = h("div", {});
  const next = h("div", {});
  const heading = h("h2", {});
  const sharing = h("div", {});
  const asked = given.length ? `${given[0]}[${given.slice(1).join(",")}]` : "";
  const missing = isThere(house, given) ? null : h("p", { class: "notice", role: "status" }, t("unit.missing", { asked, shown: unitText(unit) }));
  const problem = h("p", { class: "error", role: "alert", hidden: true });
  const play = h("button", { type: "button", onclick: toggle }, t("slide.play"));
  const [height, width, depth] = step.output;

  /** @param {string} path @param {number} channel @param {number} row @param {number} column */
  function link(path, channel, row, column) {
    const text = path === INPUT ? `${t("pixel")} [${channel},${row},${column}]` : `${path}[${channel},${row},${column}]`;
    return path === INPUT ? h("span", {}, text) : h("a", { href: `#/neuron/${encodeURIComponent(path)}/${channel}/${row}/${column}` }, text);
  }

  async function update() {
    const pass = state.pass;
    if (!pass) return;
    problem.hidden = true;
    try {
      const { found, here } = await pass.neuron(unit);
      const [first] = found.taken;
      map = Math.max(0, first?.weights ? Math.min(map, first.maps.length - 1) : (first?.maps ?? []).indexOf(unit.channel));
      fill(title, `${unit.path}[${unit.channel},${unit.row},${unit.column}]`, " = ", h("b", {}, number(found.computed, 4)));
      shared = sharedBy(step, found);
      await chain(pass, found);
      write(found);
      fill(next, onwards(house, unit, link));
      await share(found, here);
    } catch (error) {
      problem.hidden = false;
      fill(problem, error instanceof Error ? error.message : String(error));
    }
  }

  /** @param {Neuron} found */
  function write(found) {
    fill(body, arithmetic(found, step, map, (at) => choose(found, at), link));
  }

  /** @param {Neuron} found @param {number} at */
  function choose(found, at) {
    map = at;
    write(found);
    if (state.pass) void chain(state.pass, found);
    body.querySelectorAll(".depth")[at]?.focus();
  }

  /** The image, the map that is read with the window on it, and the map that is made with its cell. @param {Pass} pass @param {Neuron} found */
  async function chain(pass, found) {
    const sources = await Promise.all(found.taken.map((taken, at) => sourceMap(pass, taken, at ? 0 : map)));
    const own = await pass.maps(unit.path, 1, [unit.channel]);
    const pieces = [image(house, pass, found)];
    const [taken] = found.taken;
    if (taken && taken.source !== INPUT) pieces.push(...sources);
    else if (taken && found.taken.length === 1 && house.network.volume[2] > 1) pieces.push(...sources);
    else if (taken) pieces.splice(0, 1, windowed(image(house, pass, found), taken, house.network.volume));
    if (taken?.weights && taken.rows.length * taken.columns.length > 1) pieces.push(filter(taken, map, shared));
    pieces.push(target(own));
    fill(stage, pieces.flatMap((piece, at) => (at ? [h("span", { class: "sign", "aria-hidden": "true" }, "→"), piece] : [piece])));
  }

  /** @param {Pass} pass @param {Taken} taken @param {number} at */
  async function sourceMap(pass, taken, at) {
    const maps = await pass.maps(taken.source, 1, [taken.maps[at]]);
    const canvas = h("canvas", { class: "map-large", role: "img", "aria-label": `${taken.source}[${taken.maps[at]}]` });
    paint(canvas, maps.data, maps.height, maps.width, maps.scale, ramp());
    const label = taken.source === INPUT ? `${t("image")}, ${t("channel")} ${taken.maps[at]}` : `${taken.source}[${taken.maps[at]}]`;
    return windowed(figure(canvas, label, maps), taken, [maps.height, maps.width]);
  }

  /** The map that the unit is in; while the filter slides, only what it has made so far. @param {import("../network.js").Maps} own */
  function target(own) {
    const canvas = h("canvas", { class: "map-large", role: "img", "aria-label": `${unit.path}[${unit.channel}]` });
    const data = own.data.map((value, at) => (at <= filled ? value : 0));
    paint(canvas, data, height, width, own.scale, ramp());
    const found = figure(canvas, `${unit.path}[${unit.channel}]`, own);
    const holder = /** @type {HTMLElement} */ (found.firstChild);
    if (Number.isFinite(filled)) holder.classList.add("filling");
    if (shared) {
      holder.classList.add("shares");
      if (Math.max(height, width) <= MOST_LINES) holder.append(h("i", { class: "sharers", style: { backgroundSize: `${100 / width}% ${100 / height}%` } }));
      found.querySelector("figcaption")?.append(` · ${t("sharing.cells", { n: count(height * width) })}`);
    }
    holder.append(mark(unit.row, unit.column, unit.row, unit.column, height, width, "cell-mark"));
    holder.addEventListener("click", (event) => {
      const bounds = canvas.getBoundingClientRect();
      move(Math.floor(((event.clientY - bounds.top) / bounds.height) * height), Math.floor(((event.clientX - bounds.left) / bounds.width) * width));
    });
    return found;
  }

  /** Moves to another place in the map. @param {number} row @param {number} column */
  function move(row, column) {
    missing?.remove();
    unit.row = Math.max(0, Math.min(height - 1, row));
    unit.column = Math.max(0, Math.min(width - 1, column));
    for (const [name, value] of Object.entries({ row: unit.row, column: unit.column, place: unit.row * width + unit.column })) {
      const field = /** @type {HTMLInputElement | null} */ (element.querySelector(`[name=${name}]`));
      if (field) field.value = String(value);
    }
    history.replaceState(null, "", `#/neuron/${encodeURIComponent(unit.path)}/${unit.channel}/${unit.row}/${unit.column}`);
    return update();
  }

  function toggle() {
    if (playing) return stop();
    let place = 0;
    play.textContent = t("slide.stop");
    const wait = height * width > 200 ? QUICK : SLOW;
    let busy = false;
    playing = setInterval(async () => {
      if (busy) return;
      busy = true;
      filled = place;
      await move(Math.floor(place / width), place % width);
      busy = false;
      place += 1;
      if (place >= height * width) stop();
    }, wait);
  }

  function stop() {
    clearInterval(playing);
    playing = undefined;
    filled = Infinity;
    play.textContent = t("slide.play");
    void update();
  }

  /** Who shares the weights, and what other maps make of the same place. @param {Neuron} found @param {number[]} here */
  async function share(found, here) {
    const [taken] = found.taken;
    const weights = taken?.weights ? await house.weightsOf(unit.path) : null;
    const most = largest(here);
    const table = ramp();
    const shown = here.slice(0, OTHERS);
    const kernels = weights && KERNELS.has(step.kind) ? shown.map((_, channel) => kernelOf(step, weights, channel, map)) : null;
    const scale = kernels ? largest(kernels) : most;
    const others = shown.map((value, channel) =>
      h(
        "a",
        {
          class: "other-unit",
          href: `#/neuron/${encodeURIComponent(unit.path)}/${channel}/${unit.row}/${unit.column}`,
          "aria-current": channel === unit.channel ? "true" : null,
          "aria-label": `${unit.path}[${channel},${unit.row},${unit.column}] = ${number(value, 3)}`,
        },
        kernels ? kernel(step, kernels[channel], scale) : h("i", { class: "dot", style: { background: css(scale ? value / scale : 0, table) } }),
        h("span", {}, channel),
        h("b", {}, number(value, 2)),
      ),
    );
    const own = taken?.weights && step.kind !== "upsample";
    fill(heading, t(own || shared ? "sharing" : "sharing.place"));
    fill(sharing, shared ? h("p", { class: "sharing" }, h("i", { class: "shares" }), h("b", {}, shared), taken.weights ? ` ${t("sharing.slide")}` : "") : null,
      own && !shared && step.kind !== "rbf" ? h("p", {}, t("sharing.alone", { weights: weightsText(taken.weights?.flat(2).length ?? 0, found.parts.bias !== undefined) })) : null,
      depth > 1 ? [h("p", {}, t(own ? "sharing.others" : "sharing.values", { row: unit.row, column: unit.column }), ` ${t("sharing.scale", { value: number(scale) })}`), h("div", { class: "other-units" }, others)] : null,
      depth > OTHERS ? h("p", { class: "quiet" }, t("sharing.more", { n: depth - OTHERS })) : null);
  }

  const element = h(
    "section",
    { "aria-labelledby": "title" },
    title,
    h("p", { class: "lead" }, `${step.layer} · ${size(step.output)}`),
    missing,
    problem,
    form(house, unit, app, move),
    height * width > 1
      ? h(
          "div",
          { class: "slide" },
          play,
          h("input", {
            type: "range",
            name: "place",
            min: 0,
            max: height * width - 1,
            value: unit.row * width + unit.column,
            "aria-label": t("slide.place"),
            oninput: (/** @type {any} */ event) => {
              const place = Number(event.target.value);
              void move(Math.floor(place / width), place % width).then(() => announce(title.textContent ?? ""));
            },
          }),
        )
      : null,
    stage,
    h("h2", {}, t("arithmetic")),
    body,
    next,
    heading,
    sharing,
  );
  const begin = async () => {
    if (!state.pass) {
      const first = (await house.samples())[0];
      if (first) await show(first);
      else fill(stage, h("p", { class: "notice" }, t("unit.none"), " ", h("a", { href: "#/through" }, t("unit.choose"))));
    }
    await update();
  };
  return { element, shown: () => void begin(), gone: () => clearInterval(playing) };
}

/** Whether there is what the address names: a layer, or a unit of it. @param {House} house @param {string[]} given */
function isThere(house, [path, ...places]) {
  if (path === undefined) return true;
  const step = house.steps.get(path);
  if (!step) return false;
  const [height, width, depth] = step.output;
  return places.every((text, at) => Number.isInteger(Number(text)) && Number(text) >= 0 && Number(text) < [depth, height, width][at]);
}

/** The unit that the address names; else the last one; else one in the middle of the first layer. @param {House} house @param {string[]} given @returns {Unit} */
function chosenUnit(house, [path, channel, row, column]) {
  const named = path !== undefined && house.steps.has(path);
  const last = state.unit && house.steps.has(state.unit.path) ? state.unit : null;
  if (!named && last) return last;
  const step = named ? /** @type {Step} */ (house.steps.get(path)) : house.network.steps[0];
  const [height, width, depth] = step.output;
  const bound = (/** @type {string | undefined} */ text, /** @type {number} */ limit, /** @type {number} */ usual) => {
    const found = text === undefined ? usual : Number(text);
    return Number.isInteger(found) && found >= 0 && found < limit ? found : Math.min(usual, limit - 1);
  };
  return {
    path: step.path,
    channel: bound(channel, depth, 0),
    row: bound(row, height, Math.floor(height / 2)),
    column: bound(column, width, Math.floor(width / 2)),
  };
}

/** The fields that choose a unit. @param {House} house @param {Unit} unit @param {any} app @param {(row: number, column: number) => any} move */
function form(house, unit, app, move) {
  const step = /** @type {Step} */ (house.steps.get(unit.path));
  const [height, width, depth] = step.output;
  const steps = house.network.steps.filter((each) => !each.side);
  const field = (/** @type {string} */ name, /** @type {number} */ value, /** @type {number} */ limit, /** @type {(value: number) => void} */ act) =>
    h("label", {}, t(`field.${name}`), h("input", { type: "number", name, min: 0, max: limit - 1, value, onchange: (/** @type {any} */ event) => act(Number(event.target.value)) }));
  return h(
    "form",
    { class: "choose", onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
    h(
      "label",
      {},
      t("field.layer"),
      h("select", { name: "layer", onchange: (/** @type {any} */ event) => app.go(`neuron/${encodeURIComponent(event.target.value)}`) }, steps.map((each) => h("option", { value: each.path, selected: each.path === unit.path }, each.path))),
    ),
    field("map", unit.channel, depth, (value) => app.go(`neuron/${encodeURIComponent(unit.path)}/${value}/${unit.row}/${unit.column}`)),
    height * width > 1 ? [field("row", unit.row, height, (value) => move(value, unit.column)), field("column", unit.column, width, (value) => move(unit.row, value))] : null,
  );
}

/** The image with what the unit sees. @param {House} house @param {Pass} pass @param {Neuron} found */
function image(house, pass, found) {
  const canvas = h("canvas", { class: "map-large", role: "img", "aria-label": t("image") });
  paintPixels(canvas, pass.picture.pixels);
  const [height, width] = house.network.volume;
  const made = figure(canvas, t("image"), { height, width });
  if (found.box) {
    const { top, left, bottom, right } = found.box;
    /** @type {HTMLElement} */ (made.firstChild).append(mark(top, left, bottom, right, height, width, "field"));
    const seen = t("sees", { size: `${bottom - top + 1}×${right - left + 1}` });
    made.querySelector("figcaption")?.append(` · ${seen}`);
  }
  return made;
}

/** The filter's weights for one map, as large as the window beside it. @param {Taken} taken @param {number} map @param {string} shared what all cells share */
function filter(taken, map, shared) {
  const weights = /** @type {number[][][]} */ (taken.weights);
  const canvas = h("canvas", { class: "map-large", role: "img", "aria-label": t("weights.of", { map: taken.maps[map] }) });
  const [height, width] = [taken.rows.length, taken.columns.length];
  paint(canvas, weights[map].flat(), height, width, largest(weights), ramp());
  const made = figure(canvas, t("weights.of", { map: taken.maps[map] }), { height, width });
  /** @type {HTMLElement} */ (made.firstChild).classList.toggle("shares", shared !== "");
  Object.assign(canvas.style, { width: `${Math.round((84 * width) / Math.max(height, width))}px`, height: `${Math.round((84 * height) / Math.max(height, width))}px` });
  return made;
}

/** @param {HTMLCanvasElement} canvas @param {string} label @param {{height: number, width: number}} plane */
function figure(canvas, label, { height, width }) {
  const long = Math.max(height, width);
  const side = long <= 8 ? 160 : 224;
  Object.assign(canvas.style, { width: `${Math.max(14, Math.round((side * width) / long))}px`, height: `${Math.max(14, Math.round((side * height) / long))}px` });
  return h("figure", {}, h("div", { class: "holder" }, canvas), h("figcaption", {}, label));
}

/** A figure with the window of a unit on it. @param {HTMLElement} made @param {Taken} taken @param {number[]} plane */
function windowed(made, taken, [height, width]) {
  const [top, left] = [taken.rows[0], taken.columns[0]];
  const [bottom, right] = [taken.rows[taken.rows.length - 1], taken.columns[taken.columns.length - 1]];
  /** @type {HTMLElement} */ (made.firstChild).append(mark(top, left, bottom, right, height, width, "window"));
  return made;
}

/** A rectangle over rows and columns of a map. @param {number} top @param {number} left @param {number} bottom @param {number} right @param {number} height @param {number} width @param {string} kind */
function mark(top, left, bottom, right, height, width, kind) {
  return h("i", {
    class: kind,
    style: {
      top: `${(100 * top) / height}%`,
      left: `${(100 * left) / width}%`,
      height: `${(100 * (bottom - top + 1)) / height}%`,
      width: `${(100 * (right - left + 1)) / width}%`,
    },
  });
}

/** A kernel as an image. @param {Step} step @param {number[]} values @param {number} scale */
function kernel(step, values, scale) {
  const canvas = h("canvas", { class: "kernel", "aria-hidden": "true" });
  if (values.length) paint(canvas, values, step.window.rows.size, step.window.columns.size, scale, ramp());
  return canvas;
}

/** The weights of a map for one map before it; none where there are none. @param {Step} step @param {import("../engine/types.js").Weights} weights @param {number} channel @param {number} map @returns {number[]} */
function kernelOf(step, weights, channel, map) {
  const tensor = weights.get(`${step.path}.weight`) ?? weights.get(`${step.path}.codes`);
  if (!tensor) return [];
  const { rows, columns } = step.window;
  const area = rows.size * columns.size;
  let first = 0;
  if (step.kind === "conv") {
    const maps = mapsOf(step.arguments, step.inputs[0][2], channel);
    const before = step.arguments.links ? step.arguments.links.slice(0, channel).flat().length : channel * maps.length;
    first = (before + Math.min(map, maps.length - 1)) * area;
  } else first = channel * step.inputs[0][0] * step.inputs[0][1] * step.inputs[0][2] + map * area;
  return [...tensor.data.subarray(first, first + area)];
}

/** Where the value goes: the layers that read it, where they read single values. @param {House} house @param {Unit} unit @param {(path: string, channel: number, row: number, column: number) => any} link */
function onwards(house, unit, link) {
  const readers = house.network.steps.filter((step) => !step.side && step.sources.includes(unit.path));
  const [height, width] = volumeAt(house, unit.path);
  if (!readers.length) return null;
  return h(
    "p",
    { class: "onwards" },
    t("read.by"),
    " ",
    readers.map((step, at) => {
      const same = step.output[0] === height && step.output[1] === width && step.output[2] === volumeAt(house, unit.path)[2];
      const target = same ? link(step.path, unit.channel, unit.row, unit.column) : h("a", { href: `#/neuron/${encodeURIComponent(step.path)}` }, step.path);
      return [at ? ", " : "", target];
    }),
  );
}

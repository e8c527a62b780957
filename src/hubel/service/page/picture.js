/** The drawing of a network on the page: it can be folded, walked through with the arrow keys, and asked for rows. */

/** @import { Cell, Network, Part, Step } from "./engine/types.js" */
import { s } from "./dom.js";
import { cellsOf, drawing, nameOf, namesOf, scaleOf } from "./draw/boxes.js";
import { size } from "./format.js";
import { t } from "./words/words.js";

/** Above this many volumes, branches are folded at first. */
const MANY = 40;
/** How much a small network is enlarged, at most. */
const MOST_ZOOM = 1.5;
/** The pixels of padding around a drawing, and the least width that it is laid out for. */
const [PADDING, NARROWEST] = [24, 240];

/** The drawing of one network, and which of its parts are folded. */
export class Picture {
  /**
   * @param {Network} network
   * @param {{show: (steps: Step[]) => void, press?: (steps: Step[]) => void}} act
   */
  constructor(network, act) {
    this.act = act;
    /** @type {Map<string, boolean>} */
    this.folds = new Map();
    this.usual = true;
    this.network = network;
    /** @type {Map<string, Step>} */
    this.steps = new Map();
    /** @type {boolean | null} Whether all is folded, or nothing; null while each part is by itself. */
    this.everything = null;
    this.element = s("svg", { class: "network", role: "group", "aria-label": t("network.label") });
    this.take(network);
  }

  /** Shows another network, or the same one changed. @param {Network} network */
  take(network) {
    this.network = network;
    this.steps = new Map(network.steps.map((step) => [step.path, step]));
    this.usual = [...cellsOf(network.parts)].length > MANY;
    this.draw();
  }

  /** Whether there is anything to fold. */
  get folding() {
    return this.network.parts.some((part) => part.fork || part.repeat) || [...cellsOf(this.network.parts)].some((cell) => cell.heads.length);
  }

  /** Folds or unfolds everything. @param {boolean} all */
  foldAll(all) {
    this.folds.clear();
    this.usual = all;
    this.everything = all;
    this.draw();
  }

  /** Draws it to the width that there is. */
  draw() {
    const width = (this.element.parentElement?.clientWidth || 1064) - PADDING;
    const held = document.activeElement?.closest?.("[data-cell], [data-fold]");
    const key = held?.getAttribute("data-cell") ?? held?.getAttribute("data-fold");
    const pen = {
      scale: scaleOf(this.network.parts),
      fold: (/** @type {string} */ name) =>
        this.folds.get(name) ?? (/^[×↳]/.test(name) ? this.everything ?? true : this.everything ?? this.usual),
      toggle: (/** @type {string} */ name) => {
        this.folds.set(name, !pen.fold(name));
        this.draw();
      },
      names: namesOf(this.network.steps.map((step) => step.path)),
      cell: this.cell.bind(this),
      words: this.words.bind(this),
    };
    const widest = Math.max(NARROWEST, width);
    let found = drawing(this.network.parts, /** @type {any} */ (pen), widest);
    const zoom = Math.min(MOST_ZOOM, (0.97 * widest) / found.width);
    if (zoom > 1.1 && found.rows === 1) {
      pen.scale = scaleOf(this.network.parts, zoom);
      const larger = drawing(this.network.parts, /** @type {any} */ (pen), widest);
      if (larger.rows === 1) found = larger;
    }
    this.element.setAttribute("viewBox", `0 0 ${found.width} ${found.height}`);
    this.element.setAttribute("width", String(found.width));
    this.element.setAttribute("height", String(found.height));
    this.element.replaceChildren(...found.shapes.flat(9));
    const cells = this.cells();
    cells.forEach((cell, at) => cell.setAttribute("tabindex", at ? "-1" : "0"));
    if (key) [...this.element.querySelectorAll("[data-cell], [data-fold]")].find((each) => [each.dataset.cell, each.dataset.fold].includes(key))?.focus();
  }

  /** The boxes that can be chosen, in order. @returns {any[]} */
  cells() {
    return [...this.element.querySelectorAll("[data-cell]")];
  }

  /** A box that shows its rows when the mouse or the focus is on it. @param {Cell} cell @param {SVGElement} shape */
  cell(cell, shape) {
    const steps = cell.steps.map((path) => this.steps.get(path)).filter((step) => step !== undefined);
    const say = [cell.name, size(cell.volume), ...steps.map((step) => step.layer)].join(", ");
    const show = () => this.act.show(steps);
    return s(
      "g",
      {
        class: `cell ${cell.kind}`,
        role: "button",
        tabindex: -1,
        "data-cell": cell.name,
        "aria-label": say,
        onmouseenter: show,
        onfocus: show,
        onclick: () => this.act.press?.(steps),
        onkeydown: (/** @type {KeyboardEvent} */ event) => this.key(event, steps),
      },
      s("title", {}, say),
      shape,
    );
  }

  /** @param {KeyboardEvent} event @param {Step[]} steps */
  key(event, steps) {
    const cells = this.cells();
    const at = cells.indexOf(/** @type {any} */ (event.currentTarget));
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: cells.length - 1 }[event.key];
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.act.press?.(steps);
    } else if (to !== undefined && cells[to]) {
      event.preventDefault();
      cells[at].setAttribute("tabindex", "-1");
      cells[to].setAttribute("tabindex", "0");
      cells[to].focus();
    }
  }

  /** Marks the box of a step. @param {string} path */
  mark(path) {
    for (const cell of this.cells()) cell.classList.remove("marked");
    const owner = this.cells().find((cell) => cell.dataset.cell === path || cell.getAttribute("aria-label").startsWith(`${path},`));
    owner?.classList.add("marked");
  }

  /** Short texts of the drawing. @param {string} key @param {any} given */
  words(key, given) {
    if (key === "branches") return t("branches", { n: given });
    if (key === "head") return t("sidehead", { name: given });
    if (key !== "inner") return t(key);
    const step = this.steps.get(given.steps[0]);
    if (!step) return nameOf(given);
    const { rows } = step.window;
    return step.kind === "conv" || step.kind.endsWith("pool") ? `${rows.size}×${step.window.columns.size}, ${given.volume[2]}` : nameOf(given);
  }
}

/** The kinds of volumes that a drawing has, as its legend. @param {Part[]} parts */
export function legend(parts) {
  const kinds = [...new Set([...cellsOf(parts)].map((cell) => cell.kind))].filter((kind) => !["add", "gate"].includes(kind));
  return kinds;
}

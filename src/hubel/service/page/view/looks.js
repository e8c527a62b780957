/** The view of what a map looks for: the patches that drive it most, their projections, its tuning, its classes. */

/** @import { House } from "../network.js" */
import { json } from "../api.js";
import { fill, h, s } from "../dom.js";
import { count, number } from "../format.js";
import { state } from "../store.js";
import { t } from "../words/words.js";

/** How often the service is asked how far it is, in milliseconds. */
const POLL = 400;

/** @param {any} _app @param {string | undefined} layer @param {string | undefined} channel */
export function looks(_app, layer, channel) {
  const house = /** @type {House} */ (state.house);
  const place = h("div", {});
  const problem = h("p", { class: "error", role: "alert", hidden: true });
  const remark = h("p", { class: "notice", hidden: true });
  let open = true;

  async function look() {
    try {
      if (house.saved) return ready(house.saved.looked);
      await follow(await json(`${house.place}/looks`));
    } catch (error) {
      fail(error);
    }
  }

  /** @param {any} error */
  function fail(error) {
    problem.hidden = false;
    problem.textContent = error.message === "offline" ? t("offline") : error.message;
  }

  /** @param {any} found how far the pass over the images is */
  async function follow(found) {
    if (!open) return;
    if (found.state === "done") return ready(found);
    remark.hidden = !found.remark;
    remark.textContent = found.remark;
    if (found.state === "failed") return fail(new Error(found.error));
    if (found.state === "none") return fill(place, h("p", { class: "notice" }, t("looks.none")));
    if (found.state === "idle") {
      const begin = async () => {
        try {
          await follow(await json(`${house.place}/looks`, { method: "POST" }));
        } catch (error) {
          fail(error);
        }
      };
      return fill(place, h("p", {}, t("looks.idle", { n: count(house.model.images ?? 0), data: house.model.data })), h("button", { type: "button", class: "primary", onclick: begin }, t("looks.start")));
    }
    fill(
      place,
      h("p", { role: "status" }, t("looks.running", { done: count(found.done), total: count(found.total) })),
      h("progress", { max: found.total || 1, value: found.done, "aria-label": t("looks.progress") }),
    );
    setTimeout(() => void json(`${house.place}/looks`).then(follow).catch(fail), POLL);
  }

  /** @param {{layers: string[], rule: string, classes: string[], from: string}} looked what the images were looked at for */
  async function ready(looked) {
    const { layers } = looked;
    const at = layer && layers.includes(layer) ? layer : layers[0];
    const content = h("div", {});
    const choose = h("select", { name: "layer", "aria-label": t("field.layer"), onchange: () => (location.hash = `#/looks/${encodeURIComponent(choose.value)}`) }, layers.map((each) => h("option", { value: each, selected: each === at }, each)));
    fill(place, h("form", { class: "choose" }, h("label", {}, t("field.layer"), choose)), content);
    fill(content, h("p", { class: "quiet", role: "status" }, t("looks.computing")));
    const found = house.saved ? house.saved.looks.find((/** @type {any} */ each) => each.path === at) : await json(`${house.place}/looks/${encodeURIComponent(at)}`);
    if (!open) return;
    shown(content, found, looked);
  }

  /** @param {HTMLElement} content @param {any} found one layer, as the atlas has it @param {{rule: string, classes: string[], from: string}} looked */
  function shown(content, found, looked) {
    const chosen = Math.max(0, found.units.findIndex((/** @type {any} */ each) => String(each.channel) === channel));
    const detail = h("div", { class: "detail" });
    const list = h("div", { class: "units", role: "group", "aria-label": t("looks.maps") });
    const pick = (/** @type {number} */ at) => {
      [...list.children].forEach((each, number) => each.setAttribute("aria-pressed", number === at ? "true" : "false"));
      fill(detail, unit(found, found.units[at], looked));
      history.replaceState(null, "", `#/looks/${encodeURIComponent(found.path)}/${found.units[at].channel}`);
    };
    fill(
      list,
      found.units.map((/** @type {any} */ each, /** @type {number} */ at) =>
        h("button", { type: "button", class: "unit", "aria-label": each.unit, onclick: () => pick(at) }, each.patches.length ? tile(found.patches, each.first, 44) : h("i", { class: "silent" }), h("span", {}, each.channel)),
      ),
    );
    fill(content, h("p", { class: "caption" }, t("sees", { size: found.field.join("×") }), found.units.length < found.maps ? ` · ${t("looks.first", { n: found.units.length, of: found.maps })}` : "", looked.from ? ` · ${t("looks.from", { file: looked.from })}` : ""), list, detail);
    pick(chosen);
  }

  /** @param {any} found @param {any} each @param {{rule: string, classes: string[]}} looked */
  function unit(found, each, { rule, classes }) {
    return [
      h("h2", {}, each.unit),
      each.patches.length
        ? h(
            "div",
            { class: "patches" },
            each.patches.map((/** @type {any[]} */ [name, label, row, column, , score], /** @type {number} */ at) =>
              h(
                "figure",
                {},
                tile(found.patches, each.first + at, 88),
                tile(found.projections, each.first + at, 88),
                h("figcaption", { title: name }, h("b", {}, classes[label] ?? label), " ", score, h("br"), h("span", { class: "quiet" }, `[${row},${column}]`)),
              ),
            ),
          )
        : h("p", { class: "notice" }, t("looks.silent")),
      h("p", { class: "quiet" }, t(`rule.${rule}`)),
      h(
        "div",
        { class: "two" },
        h("div", {}, h("h3", {}, t("looks.classes")), means(each, classes), each.selectivity === null ? null : h("p", { class: "quiet" }, t("looks.selectivity", { value: number(each.selectivity, 2) }))),
        each.tuning ? h("div", {}, h("h3", {}, t("looks.tuning")), polar(each.tuning), h("p", { class: "quiet" }, tuned(each.tuning))) : null,
      ),
    ];
  }

  void look();
  return {
    element: h("section", { "aria-labelledby": "title" }, h("h1", { id: "title" }, t("looks.title")), h("p", { class: "lead" }, t("looks.lead")), problem, remark, place),
    gone: () => {
      open = false;
    },
  };
}

/** One tile of a sheet. @param {any} sheet @param {number} at @param {number} side */
function tile(sheet, at, side) {
  const [width, height] = sheet.tile;
  const canvas = h("canvas", { width, height, "aria-hidden": "true", class: "patch", style: { width: `${side}px` } });
  void picture(sheet).then((image) => canvas.getContext("2d").drawImage(image, (at % sheet.across) * width, Math.floor(at / sheet.across) * height, width, height, 0, 0, width, height));
  return canvas;
}

/** @type {WeakMap<object, Promise<HTMLImageElement>>} */
const pictures = new WeakMap();

/** The image of a sheet, decoded once. @param {any} sheet @returns {Promise<HTMLImageElement>} */
function picture(sheet) {
  let found = pictures.get(sheet);
  if (!found) {
    const image = new Image();
    image.src = `data:image/webp;base64,${sheet.webp}`;
    found = image.decode().then(() => image);
    pictures.set(sheet, found);
  }
  return found;
}

/** The mean response to each class, as bars. @param {any} each @param {string[]} classes */
function means(each, classes) {
  const most = Math.max(...each.means.map((/** @type {any[]} */ [, value]) => Math.abs(value ?? 0)), 1e-9);
  return h(
    "ol",
    { class: "bars" },
    each.means.map((/** @type {[number, number | null]} */ [label, value]) =>
      h("li", {}, h("span", { class: "bar-name" }, classes[label] ?? label), h("span", { class: "bar-line" }, h("i", { class: (value ?? 0) < 0 ? "minus" : "", style: { width: `${(100 * Math.abs(value ?? 0)) / most}%` } })), h("span", { class: "bar-share" }, value === null ? "—" : number(value, 2))),
    ),
  );
}

/** The response to each orientation of a grating, around a circle; bars repeat after 180 degrees. @param {any} tuning */
function polar(tuning) {
  const n = tuning.curve.length;
  const at = (/** @type {number} */ place, /** @type {number} */ value) => {
    const angle = (-Math.PI * place) / n;
    return `${(90 + 76 * value * Math.cos(angle)).toFixed(1)} ${(90 + 76 * value * Math.sin(angle)).toFixed(1)}`;
  };
  const round = Array.from({ length: 2 * n }, (_, place) => at(place, Math.max(0, tuning.curve[place % n])));
  const label = tuned(tuning);
  return s(
    "svg",
    { class: "polar", viewBox: "0 0 180 180", width: 180, height: 180, role: "img", "aria-label": label },
    s("circle", { class: "axis", cx: 90, cy: 90, r: 76 }),
    s("circle", { class: "axis", cx: 90, cy: 90, r: 38 }),
    s("path", { class: "axis", d: "M 14 90 H 166 M 90 14 V 166" }),
    s("path", { class: "function", d: `M ${round.join(" L ")} Z` }),
  );
}

/** @param {any} tuning */
function tuned(tuning) {
  const preferred = tuning.preferred === null ? t("tuning.none") : t("tuning.prefers", { angle: tuning.preferred });
  return `${preferred} · ${t("tuning.frequency", { value: tuning.frequency })} · ${t(tuning.simple ? "tuning.simple" : "tuning.complex")}`;
}

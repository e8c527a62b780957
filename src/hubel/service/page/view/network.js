/** The view of the network: its drawing, the row of the layer under the mouse or the focus, and its ledger. */

/** @import { Step } from "../engine/types.js" */
import { fill, h, onWidth } from "../dom.js";
import { card, table } from "../ledger.js";
import { legend, Picture } from "../picture.js";
import { state } from "../store.js";
import { totals } from "../totals.js";
import { t } from "../words/words.js";

/** @param {{go: (to: string) => void}} app */
export function network(app) {
  const house = /** @type {import("../network.js").House} */ (state.house);
  const { model } = house;
  const place = h("div", { class: "under" });
  /** @param {Step[]} steps */
  const show = (steps) => {
    fill(place, card(steps));
    for (const row of element.querySelectorAll("tr[data-path]"))
      row.classList.toggle("marked", steps.some((step) => step.path === row.getAttribute("data-path")));
  };
  const press = (/** @type {Step[]} */ steps) => {
    if (steps.length) app.go(`through/${encodeURIComponent(steps[0].path)}`);
  };
  const picture = new Picture(house.network, { show: (steps) => steps.length && show(steps), press });
  const stage = h("div", { class: "stage scroll" }, picture.element);
  const enter = (/** @type {Step} */ step) => {
    show([step]);
    picture.mark(step.path);
  };
  const element = h(
    "section",
    { "aria-labelledby": "title" },
    h("h1", { id: "title" }, t("network.title", { name: model.name })),
    h("p", { class: "lead" }, t("network.lead")),
    model.trained ? null : h("p", { class: "notice" }, t("untrained")),
    totals(house.network),
    h(
      "div",
      { class: "bar" },
      h("ul", { class: "legend" }, legend(house.network.parts).map((kind) => h("li", { class: `kind ${kind}` }, t(`kind.${kind || "other"}`)))),
      picture.folding
        ? h(
            "span",
            { class: "buttons" },
            h("button", { type: "button", onclick: () => picture.foldAll(false) }, t("unfold.all")),
            h("button", { type: "button", onclick: () => picture.foldAll(true) }, t("fold.all")),
          )
        : null,
    ),
    stage,
    h("p", { class: "quiet" }, t("network.hint")),
    place,
    h("h2", {}, t("ledger")),
    house.network.remarks.map((remark) => h("p", { class: "notice" }, remark)),
    table(house.network, { enter, press: (step) => press([step]) }),
    h("details", {}, h("summary", {}, t("notation")), h("pre", { tabindex: 0 }, model.notation)),
  );
  const watch = onWidth(stage, () => picture.draw());
  return {
    element,
    shown: () => {
      watch.observe(stage);
      show(house.network.steps.slice(0, 1));
    },
    gone: () => watch.disconnect(),
  };
}

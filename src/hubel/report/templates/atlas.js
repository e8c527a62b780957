"use strict";
const settings = JSON.parse(document.getElementById("settings").textContent);
const layers = [...document.querySelectorAll(".layer")].sort((a, b) => a.dataset.at - b.dataset.at);
const hot = [...document.querySelectorAll(".hot")];
const known = new Map();

/** An element with attributes and children. */
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** Returns a layer's data; its sheets are decoded on first use. */
function layer(at) {
  if (!known.has(at)) {
    const found = JSON.parse(document.getElementById(`data-${at}`).textContent);
    for (const name of ["patches", "projections", "filters"]) {
      if (!found[name]) continue;
      const bytes = Uint8Array.from(atob(found[name].webp), (char) => char.charCodeAt(0));
      delete found[name].webp;
      const address = URL.createObjectURL(new Blob([bytes], { type: "image/webp" }));
      document.documentElement.style.setProperty(`--${name}-${at}`, `url(${address})`);
    }
    known.set(at, { ...found, at });
  }
  return known.get(at);
}

/** One tile of a sheet, about `side` pixels; `size` is the part of it that is used. */
function tile(found, name, at, side, label, size) {
  const sheet = found[name];
  const [wide, high] = size ?? sheet.tile;
  const longest = Math.max(wide, high);
  const scale = longest > side ? side / longest : Math.max(1, Math.floor(side / longest));
  const x = (at % sheet.across) * sheet.tile[0], y = Math.floor(at / sheet.across) * sheet.tile[1];
  const style = `background-image:var(--${name}-${found.at});width:${wide * scale}px;height:${high * scale}px;background-position:${-x * scale}px ${-y * scale}px;` +
    `background-size:${sheet.across * sheet.tile[0] * scale}px ${sheet.rows * sheet.tile[1] * scale}px`;
  const seen = label ? { role: "img", "aria-label": label, title: label } : {};
  return el("span", { class: "tile", style, ...seen });
}

function about(patch) {
  const [name, label, row, column, [top, left, bottom, right], score] = patch;
  return `${name}, ${settings.classes[label]}: ${score} at row ${row}, column ${column}; ` +
    `sees rows ${top} to ${bottom}, columns ${left} to ${right} of the image as the network sees it`;
}

/** The patches of a unit, or their projections, as a square of tiles. */
function square(found, unit, name, side, labelled) {
  const across = Math.ceil(Math.sqrt(unit.patches.length));
  const grid = el("div", { class: "grid", style: `grid-template-columns:repeat(${across},auto)` });
  unit.patches.forEach((patch, at) => {
    const label = labelled && (name === "patches" ? about(patch) : `projection to ${about(patch)}`);
    const made = tile(found, name, unit.first + at, side, label);
    made.dataset.at = at;
    grid.append(made);
  });
  return grid;
}

function best(unit) {
  return unit.means.reduce((most, mean) => (mean[1] !== null && (most === null || mean[1] > most[1]) ? mean : most), null);
}

/** Returns a unit's name: the class of a score, or the class it responds to 1.5 times as much as to others. */
function title(found, unit) {
  if (found.at === layers.length - 1 && found.maps === settings.classes.length) return settings.classes[unit.channel];
  return unit.selectivity >= 0.2 ? settings.classes[best(unit)[0]] : "";
}

function address(path, channel) {
  return `#${encodeURIComponent(`${path}[${channel}]`)}`;
}

/** The first patch of every unit, while a layer is closed. */
function strip(at) {
  const found = layer(at), row = layers[at].querySelector(".strip");
  if (row.children.length) return;
  for (const unit of found.units) {
    if (!unit.patches.length) continue;
    const made = tile(found, "patches", unit.first, 42);
    made.dataset.channel = unit.channel;
    row.append(made);
  }
}

function gallery(at) {
  const found = layer(at);
  const list = el("div", { class: "gallery", role: "listbox", "aria-label": `Units of ${found.path}` });
  for (const unit of found.units) {
    const name = title(found, unit);
    const cell = el("button", {
      type: "button", class: "cell", role: "option", tabindex: -1, "aria-selected": false,
      "aria-label": `${unit.unit}${name && `, ${name}`}`, title: unit.unit,
    });
    const image = unit.patches.length ? square(found, unit, "patches", 32)
      : el("span", { class: "none", style: "width:72px;height:72px" }, "silent");
    cell.append(image, el("span", { class: "name" }, el("b", {}, String(unit.channel)), el("span", {}, name)));
    cell.addEventListener("click", () => show(at, unit.channel));
    list.append(cell);
  }
  for (const cell of list.children) cell.querySelector(".name").style.maxWidth = "6rem";
  list.addEventListener("keydown", (event) => walk(event, at, list));
  return list;
}

/** Arrow keys move from unit to unit, Enter to the unit's details. */
function walk(event, at, list) {
  const cells = [...list.children], now = cells.indexOf(document.activeElement);
  if (now < 0) return;
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    layers[at].querySelector(".unit").focus();
    return;
  }
  const across = Math.max(1, cells.filter((cell) => cell.offsetTop === cells[0].offsetTop).length);
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[event.key];
  const ends = { Home: 0, End: cells.length - 1 };
  const next = event.key in ends ? ends[event.key] : step === undefined ? -1 : now + step;
  if (step === undefined && !(event.key in ends)) return;
  event.preventDefault();
  if (next >= 0 && next < cells.length) show(at, layer(at).units[next].channel, "unit");
}

function polar(tuning) {
  const radius = 46, steps = tuning.curve.length;
  const point = (angle, length) => `${(length * Math.cos(angle)).toFixed(1)},${(-length * Math.sin(angle)).toFixed(1)}`;
  const lobe = [...tuning.curve, ...tuning.curve].map((value, at) => point((Math.PI * at) / steps, value * radius));
  const angle = (Math.PI * tuning.preferred) / 180;
  const best = tuning.preferred === null ? "" : `<path class="best" d="M${point(angle, radius)}L${point(angle, -radius)}"/>`;
  const label = `Response by orientation${tuning.preferred === null ? "" : `, most at ${tuning.preferred} degrees`}`;
  const web = [0, 1, 2, 3].map((at) => `M${point((at * Math.PI) / 4, radius)}L${point((at * Math.PI) / 4, -radius)}`).join("");
  const holder = el("div");
  holder.innerHTML = `<svg class="polar" viewBox="-50 -50 100 100" role="img" aria-label="${label}"
    style="--tone:var(--${tuning.simple ? "right" : "wrong"})"><g class="web"><circle r="46"/><circle r="23"/><path d="${web}"/></g>
    <polygon class="lobe" points="${lobe.join(" ")}"/>${best}</svg>`;
  return holder.firstChild;
}

function tuned(unit) {
  const tuning = unit.tuning;
  const text = `${tuning.simple ? "simple" : "complex"}, ${tuning.preferred === null ? "no preferred orientation" : `${tuning.preferred}°`}, ${tuning.frequency} cycles/pixel, selectivity ${tuning.selectivity}`;
  return el("div", {}, el("h5", {}, "Tuning"), polar(tuning), el("p", { class: "note" }, text));
}

/** What a unit is computed from: its filter as an image, or the maps it reads with the largest weights. */
function driven(found, unit) {
  const box = el("div", { class: "drive" });
  for (const filter of unit.filters) {
    if (filter.inputs.length) {
      const sources = new Set(filter.inputs.map(([path]) => path));
      const one = sources.size === 1 ? ` of ${filter.inputs[0][0]}` : "";
      box.append(el("h5", {}, `${filter.path} reads ${filter.reads} maps${one}, most from`));
      const list = el("ul", { class: "inputs" });
      filter.inputs.forEach((input, at) => list.append(el("li", {}, source(found, filter, input, at, sources.size > 1))));
      box.append(list);
    } else if (found.filters && filter.first >= 0) {
      box.append(el("h5", {}, `Filter of ${filter.path}`), tile(found, "filters", filter.first, 96, `The filter of ${unit.unit}`, filter.size));
    }
  }
  for (const [path, channel] of unit.skips) {
    const link = el("a", { href: address(path, channel) }, `${path}[${channel}]`);
    box.append(el("p", { class: "note", style: "max-width:none" }, "plus, by the skip connection, ", link));
  }
  return box;
}

/** A map that a filter reads: the kernel on it, the patch that drives it most, its number and its share of the weights. */
function source(found, filter, [path, channel, share], at, named) {
  const there = layers.findIndex((each) => each.dataset.path === path);
  const link = el("a", { href: there < 0 ? undefined : address(path, channel), title: `${path}[${channel}]` });
  link.append(tile(found, "filters", filter.first + at, 33, undefined, filter.size));
  const unit = there < 0 ? undefined : layer(there).units[channel];
  if (unit?.patches.length) link.append(tile(layer(there), "patches", unit.first, 33));
  link.append(el("span", {}, el("b", {}, `${named ? path.split(".").pop() : ""}[${channel}]`), el("br"), `${Math.round(share)} %`));
  return link;
}

function bars(unit) {
  const values = unit.means.map((mean) => mean[1] ?? 0), top = best(unit);
  const low = Math.min(0, ...values), span = Math.max(0, ...values) - low || 1;
  const table = el("table", { class: "bars" });
  for (const [label, mean] of unit.means) {
    const value = mean ?? 0, left = (100 * (Math.min(value, 0) - low)) / span;
    const bar = el("span", { class: `bar${value < 0 ? " below" : ""}`, style: `margin-left:${left}%;width:${(100 * Math.abs(value)) / span}%` });
    const row = el("tr", { class: top && label === top[0] ? "best" : "" });
    row.append(el("th", { scope: "row", title: settings.classes[label] }, settings.classes[label]),
      el("td", { class: "track" }, bar), el("td", { class: "n" }, mean === null ? "–" : mean.toPrecision(3)));
    table.append(row);
  }
  const index = unit.selectivity === null ? "" : `; selectivity ${unit.selectivity.toFixed(2)}`;
  const some = unit.means.length < settings.classes.length ? `, the top ${unit.means.length} of ${settings.classes.length} classes` : "";
  return el("div", {}, el("h5", {}, `Mean response by class${some}${index}`), table);
}

function files(unit) {
  const rows = unit.patches.map(([name, label, row, column, , score]) => el("tr", {}, ...[name, settings.classes[label], `${row}, ${column}`, score]
    .map((text, at) => el("td", at > 1 ? { class: "n" } : {}, text))));
  const heads = ["image", "class", "row, column", "score"].map((text, at) => el("th", { scope: "col", class: at > 1 ? "n" : "" }, text));
  const table = el("table", {}, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...rows));
  return el("details", {}, el("summary", {}, "Files, positions and scores"), el("div", { class: "scroll" }, table));
}

/** The details of a unit. */
function details(at, unit) {
  const found = layer(at), name = title(found, unit);
  const box = el("div", { class: "unit", tabindex: -1, role: "region", "aria-label": unit.unit });
  box.append(el("h4", {}, unit.unit, " ", el("span", { class: "quiet", style: "font-weight:400" }, name)));
  if (unit.patches.length) {
    const pair = el("div", { class: "pair" },
      el("div", {}, el("h5", {}, "Patches that drive it most"), square(found, unit, "patches", 78, true)),
      el("div", {}, el("h5", {}, `Projected back: ${settings.rule}`), square(found, unit, "projections", 78, true)));
    const caption = el("p", { class: "chosen", "aria-hidden": true }, "");
    const point = (place) => {
      for (const each of pair.querySelectorAll(".tile")) each.classList.toggle("on", each.dataset.at === place);
      caption.textContent = about(unit.patches[place ?? 0]);
    };
    pair.addEventListener("mouseover", (event) => event.target.dataset.at && point(event.target.dataset.at));
    pair.addEventListener("mouseleave", () => point());
    point();
    box.append(pair, caption);
  } else {
    box.append(el("p", {}, "No image drives this unit: its rectifier is 0 for all of them."));
  }
  const row = el("div", { class: "row" }, driven(found, unit));
  if (unit.tuning) row.append(tuned(unit));
  box.append(row, bars(unit));
  if (unit.patches.length) box.append(files(unit));
  box.addEventListener("keydown", (event) => {
    if (event.key === "Escape") layers[at].querySelector('[aria-selected="true"]').focus();
  });
  return box;
}

/** Opens a layer at a unit; `focus` says what gets the focus: the unit's cell or the layer's head. */
function show(at, channel, focus) {
  const body = layers[at].querySelector(".units");
  if (!body.children.length) body.append(gallery(at), el("div"));
  toggle(at, true);
  const units = layer(at).units;
  const place = Math.max(0, units.findIndex((unit) => unit.channel === channel));
  [...body.firstChild.children].forEach((cell, each) => {
    cell.setAttribute("aria-selected", each === place);
    cell.tabIndex = each === place ? 0 : -1;
  });
  body.lastChild.replaceWith(details(at, units[place]));
  for (const each of hot) each.classList.toggle("open", each.dataset.layers.split(" ").includes(String(at)));
  history.replaceState(null, "", address(layers[at].dataset.path, units[place].channel));
  if (!focus) body.lastChild.scrollIntoView({ block: "nearest" });
  if (focus === "unit") body.firstChild.children[place].focus();
  if (focus === "layer") {
    layers[at].scrollIntoView({ block: "start" });
    body.firstChild.children[place].focus({ preventScroll: true });
  }
}

function toggle(at, open) {
  layers[at].querySelector(".units").hidden = !open;
  layers[at].querySelector(".strip").hidden = open;
  layers[at].querySelector(".strip").style.display = open ? "none" : "";
  layers[at].querySelector(".head").setAttribute("aria-expanded", open);
}

/** Goes to the unit or layer in the address. */
function go() {
  const named = /^(.*?)(?:\[(\d+)\])?$/.exec(decodeURIComponent(location.hash.slice(1)));
  const at = layers.findIndex((each) => each.dataset.path === named[1]);
  if (at >= 0) show(at, Number(named[2] ?? 0), "layer");
}

layers.forEach((each, at) => {
  const head = each.querySelector(".head");
  head.addEventListener("click", () => {
    if (head.getAttribute("aria-expanded") === "true") toggle(at, false);
    else show(at, layer(at).units[0].channel);
  });
  each.querySelector(".strip").addEventListener("click", (event) => {
    const channel = event.target.dataset.channel;
    if (channel !== undefined) show(at, Number(channel), "unit");
  });
});
hot.forEach((each, at) => {
  each.tabIndex = at ? -1 : 0;
  const press = () => {
    const there = each.dataset.layers.split(" ").map(Number);
    const now = there.findIndex((one) => address(layers[one].dataset.path, "").slice(0, -3) === location.hash.split("%5B")[0]);
    show(there[(now + 1) % there.length], undefined, "layer");
  };
  each.addEventListener("click", press);
  each.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter" || event.key === " ") press();
    else if (step && hot[at + step]) {
      each.tabIndex = -1;
      hot[at + step].tabIndex = 0;
      hot[at + step].focus();
    } else return;
    event.preventDefault();
  });
});
const near = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    near.unobserve(entry.target);
    strip(layers.indexOf(entry.target));
  }
}, { rootMargin: "400px" });
layers.forEach((each) => near.observe(each));
window.addEventListener("hashchange", go);
go();

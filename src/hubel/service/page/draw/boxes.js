/**
 * The drawing of a network: volumes as boxes to scale, from left to right, with branches, skips and repeats.
 *
 * Lengths are square roots, so that a side of 224 is 15 times as long as one of 1, not 224 times. Every piece is
 * laid out around the axis along which the network runs: it has a width, and a height above and below the axis.
 */

/** @import { Cell, Part } from "../engine/types.js" */
import { s } from "../dom.js";
import { size } from "../format.js";

/**
 * @typedef {{width: number, up: number, down: number, draw: (x: number, y: number) => any[]}} Piece
 * @typedef {{tall: number, deep: number}} Scale
 * @typedef {{fold: (key: string, usual: boolean) => boolean, toggle: (key: string) => void,
 *   names: Map<string, string>, cell: (cell: Cell, shape: any, x: number) => any, words: (key: string, given?: any) => string, scale: Scale}} Pen
 */

const TALLEST = 118;
const DEEPEST = 46;
const OBLIQUE = 0.34;
const GAP = 26;
const LANE = 16;

/** How long sides are drawn, so that the largest box of a network fits; `zoom` enlarges all. @param {Part[]} parts @param {number} zoom @returns {Scale} */
export function scaleOf(parts, zoom = 1) {
  const cells = [...cellsOf(parts)];
  const sides = cells.map((cell) => Math.max(cell.volume[0], cell.volume[1]));
  const depths = cells.map((cell) => cell.volume[2]);
  return { tall: (zoom * TALLEST) / Math.sqrt(Math.max(4, ...sides)), deep: (zoom * DEEPEST) / Math.sqrt(Math.max(64, ...depths)) };
}

/** Every volume of some parts, in order. @param {Part[]} parts @returns {Generator<Cell>} */
export function* cellsOf(parts) {
  for (const part of parts) {
    yield* part.stack ?? [];
    for (const lane of part.fork ?? []) yield* cellsOf(lane);
    if (part.join) yield part.join;
    yield* cellsOf(part.repeat ?? []);
  }
}

/**
 * Lays out a network in rows of at most `widest` pixels, if its parts allow it.
 * @param {Part[]} parts @param {Pen} pen @param {number} widest
 */
export function drawing(parts, pen, widest) {
  const rows = rowsOf(parts.flatMap((part) => pieces(part, pen, false)), widest);
  /** @type {any[]} */
  const shapes = [];
  let top = 14;
  let width = 0;
  rows.forEach((row, number) => {
    const axis = top + Math.max(...row.map((piece) => piece.up));
    let x = number ? GAP + 8 : 6;
    if (number) shapes.push(s("path", { class: "turn", d: `M 4 ${axis} h ${GAP - 2}` }), head(GAP + 4, axis));
    row.forEach((piece, at) => {
      if (at) shapes.push(...arrow(x - GAP + 4, axis, x - 2));
      shapes.push(...piece.draw(x, axis));
      x += piece.width + GAP;
    });
    if (number < rows.length - 1) shapes.push(s("path", { class: "turn", d: `M ${x - GAP + 4} ${axis} h ${GAP - 8}` }));
    width = Math.max(width, x);
    top = axis + Math.max(...row.map((piece) => piece.down)) + 22;
  });
  return { shapes, width, height: top, rows: rows.length };
}

/** @param {Piece[]} every @param {number} widest @returns {Piece[][]} */
function rowsOf(every, widest) {
  /** @type {Piece[][]} */
  const rows = [[]];
  let x = 0;
  for (const piece of every) {
    if (x && x + piece.width > widest - 2 * GAP) {
      rows.push([]);
      x = 0;
    }
    rows[rows.length - 1].push(piece);
    x += piece.width + GAP;
  }
  return rows;
}

/** The pieces of a part; within branches they are small, `inner`. @param {Part} part @param {Pen} pen @param {boolean} inner @returns {Piece[]} */
function pieces(part, pen, inner) {
  if (part.stack) return part.stack.map((cell) => box(cell, pen, inner));
  if (part.fork) {
    const join = /** @type {Cell} */ (part.join);
    return pen.fold(join.name, true) ? [folded(part, pen, inner)] : [fork(part, pen)];
  }
  const block = /** @type {Part[]} */ (part.repeat);
  const key = `×${[...cellsOf(block)][0].name}`;
  if (pen.fold(key, true)) return [repeat(part, key, pen, inner)];
  return [framed(unfolded(part).flatMap((each) => pieces(each, pen, inner)), key, pen, "")];
}

/** A repeated block with every copy written out, each with its own paths. @param {Part} part @returns {Part[]} */
export function unfolded(part) {
  const times = part.times ?? 1;
  return Array.from({ length: times }, (_, at) => copyOf(/** @type {Part[]} */ (part.repeat), at, times)).flat();
}

/** One copy of a block. @param {Part[]} parts @param {number} at @param {number} times @returns {Part[]} */
function copyOf(parts, at, times) {
  return parts.map((part) => ({
    ...(part.stack ? { stack: part.stack.map((cell) => cellOf(cell, at, times)) } : {}),
    ...(part.fork ? { fork: part.fork.map((lane) => copyOf(lane, at, times)) } : {}),
    ...(part.join ? { join: cellOf(part.join, at, times) } : {}),
    ...(part.repeat ? { repeat: copyOf(part.repeat, at, times), times: part.times } : {}),
  }));
}

/** A volume of one copy: its paths are those of every copy, one copy after the other. @param {Cell} cell @param {number} at @param {number} times */
function cellOf(cell, at, times) {
  const paths = [...cell.steps, ...cell.copies];
  const each = paths.length / times;
  const own = paths.slice(at * each, (at + 1) * each);
  const steps = own.slice(0, cell.steps.length);
  return { ...cell, name: steps[0] ?? cell.name, steps, copies: own.slice(cell.steps.length) };
}

/** One volume. @param {Cell} cell @param {Pen} pen @param {boolean} inner @returns {Piece} */
function box(cell, pen, inner, name = pen.names.get(cell.name) ?? nameOf(cell)) {
  if (cell.kind in JOINS) return joint(cell, pen, JOINS[cell.kind]);
  const { tall, across, deep } = solid(cell, pen.scale, inner);
  const labels = inner ? [pen.words("inner", cell)] : [name, size(cell.volume)];
  const heads = inner ? [] : cell.heads.map((head) => hanging(head, pen));
  const text = Math.max(...labels.map(breadth)) * (inner ? 0.9 : 1);
  const own = Math.max(deep + across, text); // a side head may be wider
  const width = Math.max(own, ...heads.map((head) => head.width));
  const left = (own - deep - across) / 2;
  const under = tall / 2 + (inner ? 15 : 32);
  return {
    width,
    up: tall / 2 + across,
    down: heads.reduce((sum, head) => sum + head.down, under),
    draw: (x, y) => {
      const shape = s("g", { "aria-hidden": "true" }, faces(x + left, y, { tall, across, deep }), towers(cell, x + left, y, { tall, deep }),
        labels.map((label, at) =>
          s("text", { x: x + own / 2, y: y + tall / 2 + 13 + 14 * at, class: at || inner ? "small" : "label" }, label)));
      let top = y + under + 4;
      const shapes = [pen.cell(cell, shape, x)];
      if (width > own + 4) shapes.push(s("path", { class: "wire", d: `M ${x + own + 4} ${y} H ${x + width}` }));
      for (const head of heads) {
        shapes.push(...head.draw(x, top));
        top += head.down;
      }
      return shapes;
    },
  };
}

/** A side head below the volume where it starts: its name, and unfolded its own volumes. @param {Cell["heads"][0]} given @param {Pen} pen @returns {Piece} */
function hanging(given, pen) {
  const key = `↳${given.name}`;
  const label = pen.words("head", given.name);
  const chain = pen.fold(key, true) ? null : row(given.chain.flatMap((part) => pieces(part, pen, true)));
  const name = breadth(label) + 22;
  return {
    width: Math.max(name, chain ? chain.width + 26 : 0),
    up: 0,
    down: chain ? 34 + chain.up + chain.down : 24,
    draw: (x, y) => {
      const shapes = [tab(x, y + 2, key, pen, label)];
      if (!chain) return shapes;
      const axis = y + 26 + chain.up;
      shapes.push(s("path", { class: "wire", d: `M ${x + 8} ${y + 19} V ${axis} H ${x + 20}` }), head(x + 24, axis));
      return [...shapes, ...chain.draw(x + 26, axis)];
    },
  };
}

/** @param {Cell} cell @param {Scale} scale @param {boolean} inner */
function solid(cell, scale, inner) {
  const small = inner ? 0.62 : 1;
  const [height, width, depth] = cell.volume;
  return {
    tall: Math.max(5, scale.tall * small * Math.sqrt(height)),
    across: Math.max(3, OBLIQUE * scale.tall * small * Math.sqrt(width)),
    deep: Math.max(3, scale.deep * small * Math.sqrt(depth)),
  };
}

/** The three faces of a box that are seen. @param {number} x @param {number} y @param {{tall: number, across: number, deep: number}} sides */
function faces(x, y, { tall, across, deep }) {
  const top = y - tall / 2;
  const bottom = y + tall / 2;
  return [
    s("path", { class: "side", d: `M ${x + deep} ${top} l ${across} ${-across} V ${bottom - across} l ${-across} ${across} Z` }),
    s("path", { class: "top", d: `M ${x} ${top} l ${across} ${-across} h ${deep} l ${-across} ${across} Z` }),
    s("rect", { class: "front", x, y: top, width: deep, height: tall }),
  ];
}

/** Lines between groups of maps that are kept apart. @param {Cell} cell @param {number} x @param {number} y @param {{tall: number, deep: number}} sides */
function towers(cell, x, y, { tall, deep }) {
  return Array.from({ length: cell.towers - 1 }, (_, at) => {
    const place = x + ((at + 1) * deep) / cell.towers;
    return s("path", { class: "apart", d: `M ${place} ${y - tall / 2} v ${tall}` });
  });
}

/** What joins branches value by value, and its sign, drawn around a place: a sum, or the factors of a gate. */
/** @type {Record<string, string>} */
const JOINS = { add: "m -5 0 h 10 m -5 -5 v 10", gate: "m -4 -4 l 8 8 m 0 -8 l -8 8" };

/** @param {Cell} cell @param {Pen} pen @param {string} sign @returns {Piece} */
function joint(cell, pen, sign) {
  const r = 10;
  return {
    width: 2 * r,
    up: r + 4,
    down: r + 4,
    draw: (x, y) => [
      pen.cell(
        cell,
        s("g", {}, s("circle", { class: "front", cx: x + r, cy: y, r }), s("path", { class: "sign-plus", d: `M ${x + r} ${y} ${sign}` })),
        x,
      ),
    ],
  };
}

/** Branches and where they meet. A branch without layers, the skip connection, passes over the others. @param {Part} part @param {Pen} pen @returns {Piece} */
function fork(part, pen) {
  const lanes = /** @type {Part[][]} */ (part.fork).map((lane) => row(lane.flatMap((each) => pieces(each, pen, true))));
  const join = box(/** @type {Cell} */ (part.join), pen, false);
  const full = lanes.filter((lane) => lane.width);
  const skips = lanes.length - full.length;
  const inner = Math.max(0, ...full.map((lane) => lane.width));
  const total = full.reduce((sum, lane) => sum + lane.up + lane.down, 0) + LANE * (full.length - 1);
  const above = full.length === 1 ? full[0].up : total / 2; // a single branch runs along the axis
  const below = total - above;
  const key = /** @type {Cell} */ (part.join).name;
  const left = 28;
  const width = left + inner + GAP + join.width + 8;
  const up = Math.max(above + 18 * skips, join.up) + 20;
  return {
    width,
    up,
    down: Math.max(below, join.down) + 8,
    draw: (x, y) => {
      const end = x + left + inner + GAP;
      const inside = x + 8;
      const shapes = [frame(x, y - up + 4, width, up + Math.max(below, join.down) + 2, key, pen, pen.words("fold")), s("path", { class: "wire", d: `M ${x} ${y} H ${inside}` })];
      let top = y - above;
      for (const lane of full) {
        const axis = top + lane.up;
        shapes.push(s("path", { class: "wire", d: `M ${inside} ${y} V ${axis} H ${x + left - 4}` }), head(x + left - 2, axis));
        shapes.push(...lane.draw(x + left, axis));
        shapes.push(s("path", { class: "wire", d: `M ${x + left + lane.width + 3} ${axis} H ${end - 9} V ${y} H ${end - 4}` }));
        top += lane.up + lane.down + LANE;
      }
      for (let at = 0; at < skips; at++) {
        const over = y - above - 12 - 18 * at;
        shapes.push(s("path", { class: "wire over", d: `M ${inside} ${y} V ${over + 8} q 0 -8 8 -8 H ${end - 17} q 8 0 8 8 V ${y}` }));
      }
      shapes.push(head(end - 1, y), ...join.draw(end + 2, y));
      return shapes;
    },
  };
}

/** Pieces one after the other, as one. @param {Piece[]} every @returns {Piece} */
function row(every) {
  const gap = GAP - 8;
  const width = every.reduce((sum, piece) => sum + piece.width, 0) + gap * Math.max(0, every.length - 1);
  return {
    width,
    up: Math.max(0, ...every.map((piece) => piece.up)),
    down: Math.max(0, ...every.map((piece) => piece.down)),
    draw: (x, y) => {
      const shapes = [];
      for (const [at, piece] of every.entries()) {
        if (at) shapes.push(...arrow(x - gap + 3, y, x - 2));
        shapes.push(...piece.draw(x, y));
        x += piece.width + gap;
      }
      return shapes;
    },
  };
}

/** Branches as one box: what they make. @param {Part} part @param {Pen} pen @param {boolean} inner @returns {Piece} */
function folded(part, pen, inner) {
  const join = /** @type {Cell} */ (part.join);
  const whole = box({ ...join, kind: join.kind in JOINS ? "plus" : join.kind }, pen, inner, stageOf(join));
  const label = pen.words("branches", /** @type {Part[][]} */ (part.fork).length);
  return framed([whole], join.name, pen, label);
}

/** A repeated block, once. @param {Part} part @param {string} key @param {Pen} pen @param {boolean} inner @returns {Piece} */
function repeat(part, key, pen, inner) {
  const block = /** @type {Part[]} */ (part.repeat);
  return framed(block.flatMap((each) => pieces(each, pen, inner)), key, pen, `×${part.times}`);
}

/** Pieces in a frame that folds or unfolds them. @param {Piece[]} every @param {string} key @param {Pen} pen @param {string} label @returns {Piece} */
function framed(every, key, pen, label) {
  const inner = row(every);
  const text = label || pen.words("fold");
  const width = Math.max(inner.width, breadth(text) + 8) + 16;
  const shift = (width - inner.width) / 2;
  return {
    width,
    up: inner.up + 24,
    down: inner.down + 8,
    draw: (x, y) => [
      frame(x, y - inner.up - 22, width, inner.up + inner.down + 28, key, pen, text),
      ...inner.draw(x + shift, y),
    ],
  };
}

/** A frame whose label is a button. @param {number} x @param {number} y @param {number} width @param {number} height @param {string} key @param {Pen} pen @param {string} label */
function frame(x, y, width, height, key, pen, label) {
  return s("g", { class: "frame" }, s("rect", { x, y, width, height, rx: 8 }), tab(x + 6, y - 2, key, pen, label));
}

/** A button that folds or unfolds something. @param {number} x @param {number} y @param {string} key @param {Pen} pen @param {string} label */
function tab(x, y, key, pen, label) {
  const folded = pen.fold(key, true);
  const act = () => pen.toggle(key);
  return s(
    "g",
    {
      class: "fold",
      role: "button",
      tabindex: 0,
      "data-fold": key,
      "aria-expanded": folded ? "false" : "true",
      "aria-label": `${label}: ${key.replace(/^[×↳]/, "")}`,
      onclick: act,
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        act();
      },
    },
    s("rect", { class: "tab", x, y, width: breadth(label) + 20, height: 17, rx: 8 }),
    s("text", { class: "small", x: x + 10 + breadth(label) / 2, y: y + 12, "aria-hidden": "true" }, `${folded ? "+ " : "− "}${label}`),
  );
}

/** @param {number} from @param {number} y @param {number} to */
function arrow(from, y, to) {
  return [s("path", { class: "wire", d: `M ${from} ${y} H ${to - 4}` }), head(to, y)];
}

/** The head of an arrow that ends at a point. @param {number} x @param {number} y */
function head(x, y) {
  return s("path", { class: "point", d: `M ${x} ${y} l -6 -3.4 v 6.8 Z` });
}

/** What branches are called where they are folded: the stage that they are in, or else where they meet. @param {Cell} join */
function stageOf(join) {
  const parts = join.name.split(".");
  return parts.length > 1 ? parts.slice(-3, -1).join(".") : join.name;
}

/** The end of each path that tells it from the others, by path. @param {string[]} paths @returns {Map<string, string>} */
export function namesOf(paths) {
  const end = (/** @type {string} */ path, /** @type {number} */ parts) => path.split(".").slice(-parts).join(".");
  /** @type {Map<string, string>} */
  const names = new Map();
  let left = paths;
  for (let parts = 1; left.length; parts++) {
    /** @type {Map<string, number>} */
    const counts = new Map();
    for (const path of paths) counts.set(end(path, parts), (counts.get(end(path, parts)) ?? 0) + 1);
    const told = (/** @type {string} */ path) => counts.get(end(path, parts)) === 1 || end(path, parts) === path;
    for (const path of left.filter(told)) names.set(path, end(path, parts));
    left = left.filter((path) => !told(path));
  }
  return names;
}

/** What a volume is called in short: the last part of its path. @param {Cell} cell */
export function nameOf(cell) {
  const parts = cell.name.split(".");
  return parts[parts.length - 1];
}

/** The width of a label in pixels, wide letters counted twice. @param {string} text */
function breadth(text) {
  return [...text].reduce((sum, letter) => sum + (letter >= "\u1100" ? 11 : 6.1), 4);
}

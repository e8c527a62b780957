/** Elements made of values. Every text becomes a text node, so that no name or notation is ever read as HTML. */

/** @typedef {Node | string | number | null | undefined | false | Child[]} Child */

/**
 * Makes an HTML element. Properties beginning with "on" are listeners, "class" is a class, others are attributes.
 * @param {string} tag @param {Record<string, any>} given @param {...Child} children
 * @returns {any}
 */
export function h(tag, given = {}, ...children) {
  return filled(document.createElement(tag), given, children);
}

/**
 * Makes an SVG element.
 * @param {string} tag @param {Record<string, any>} given @param {...Child} children
 * @returns {any}
 */
export function s(tag, given = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), given, children);
}

/** @param {Element} element @param {Record<string, any>} given @param {Child[]} children */
function filled(element, given, children) {
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(/** @type {any} */ (element).style, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

/** @param {Element} element @param {Child} children */
function append(element, children) {
  if (Array.isArray(children)) children.forEach((child) => append(element, child));
  else if (children !== null && children !== undefined && children !== false)
    element.append(children instanceof Node ? children : String(children));
}

/** Replaces what is in an element. @param {Element} element @param {...Child} children */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

/**
 * A button that is one of several choices.
 * @param {string} label @param {boolean} chosen @param {() => void} choose
 */
export function choice(label, chosen, choose) {
  return h("button", { type: "button", class: "choice", "aria-pressed": chosen ? "true" : "false", onclick: choose }, label);
}

/**
 * Calls a function before the next frame whenever an element has another width. What it draws may change the
 * element's height without being called again.
 * @param {HTMLElement} element @param {() => void} act
 */
export function onWidth(element, act) {
  let width = -1;
  return new ResizeObserver(() => {
    if (element.clientWidth === width) return;
    width = element.clientWidth;
    requestAnimationFrame(act);
  });
}

/** Says something to a screen reader. @param {string} text */
export function announce(text) {
  const place = document.getElementById("said");
  if (place) place.textContent = text;
}

/**
 * Calls a function when nothing was asked for a while.
 * @template {any[]} T @param {number} wait @param {(...given: T) => void} run
 * @returns {(...given: T) => void}
 */
export function calm(wait, run) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...given), wait);
  };
}

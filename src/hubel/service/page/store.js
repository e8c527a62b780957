/** What is shown: the network, the image that goes through it, and who wants to know when it changes. */

/** @import { House, Pass, Picture } from "./network.js" */
/** @import { Unit } from "./engine/types.js" */

/**
 * @typedef {{house: House | null, names: string[], training: boolean, saved: any, picture: Picture | null,
 *   pass: Pass | null, unit: Unit | null, design: {notation: string, volume: string} | null,
 *   run: {told: any, filters: any} | null}} State `run` is what was last heard of a training
 */

/** @type {State} */
export const state = {
  house: null,
  names: [],
  training: false,
  saved: null,
  picture: null,
  pass: null,
  unit: null,
  design: null,
  run: null,
};

/** Shows another image, and puts it through the network. @param {Picture} picture */
export async function show(picture) {
  if (!state.house) return;
  const pass = await state.house.pass(picture);
  state.picture = picture;
  state.pass = pass;
}

/** Something the user chose, kept between visits where the browser allows it. @param {string} name @param {string} value */
export function keep(name, value) {
  try {
    localStorage.setItem(`hubel.${name}`, value);
  } catch {
    // a page from a file, or a private window, may keep nothing
  }
}

/** What was kept, or null. @param {string} name */
export function kept(name) {
  try {
    return localStorage.getItem(`hubel.${name}`);
  } catch {
    return null;
  }
}

/** The language of the page: every text comes from a dictionary. */

import { keep, kept } from "../store.js";
import { english } from "./en.js";
import { korean } from "./ko.js";

/** @type {Record<string, Record<string, string>>} */
export const LANGUAGES = { en: english, ko: korean };

let language = usual();

/** The language that was chosen before, or that of the browser. */
function usual() {
  const wanted = kept("language") ?? (navigator.language.startsWith("ko") ? "ko" : "en");
  return wanted in LANGUAGES ? wanted : "en";
}

/** @returns {string} */
export function current() {
  return language;
}

/** @param {string} wanted */
export function speak(wanted) {
  language = wanted;
  keep("language", wanted);
  document.documentElement.lang = wanted;
}

/**
 * A text of the page, with values in place of {name}.
 * @param {string} key @param {Record<string, string | number>} given
 */
export function t(key, given = {}) {
  const text = LANGUAGES[language][key] ?? english[/** @type {keyof typeof english} */ (key)] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => String(given[name] ?? whole));
}

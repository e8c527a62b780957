/** The service's API: every call, and its errors as they are written there. */

import { readTensors } from "./engine/safetensors.js";

const API = "v1/explore";

/** What stands in place of an error's words where the service does not answer, or asks for its token. */
export const [OFFLINE, TOKEN] = ["offline", "token"];

/** Where the tab keeps the token. */
const KEPT = "hubel.token";

let token = keptToken();

/** The token that was given in this tab before, or nothing. */
function keptToken() {
  try {
    return sessionStorage.getItem(KEPT) ?? "";
  } catch {
    return ""; // the browser keeps nothing here
  }
}

/** Whether a token was given. */
export function identified() {
  return token !== "";
}

/** Gives the token that the service asks for; it is kept as long as the tab is open. @param {string} given */
export function identify(given) {
  token = given;
  try {
    sessionStorage.setItem(KEPT, given);
  } catch {
    // it is kept as long as the page is
  }
}

/** An error of the API, with its own words. */
export class ApiError extends Error {}

/**
 * @param {string} path @param {RequestInit} options
 * @returns {Promise<Response>}
 */
async function call(path, options = {}) {
  /** @type {Response} */
  let answer;
  try {
    const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
    answer = await fetch(`${API}${path}`, { ...options, headers });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(OFFLINE);
  }
  if (answer.ok) return answer;
  if (answer.status === 401) throw new ApiError(TOKEN);
  throw new ApiError(await reason(answer));
}

/** What an answer says is wrong. @param {Response} answer */
async function reason(answer) {
  const body = await answer.json().catch(() => ({}));
  return body.error ?? `${answer.status} ${answer.statusText}`;
}

/** @param {string} path @param {RequestInit} options */
export async function json(path, options = {}) {
  return (await call(path, options)).json();
}

/** @param {string} path */
export async function tensors(path) {
  return readTensors(await (await call(path)).arrayBuffer());
}

/** @param {string} path @param {object} body @param {AbortSignal | undefined} signal */
export function post(path, body, signal = undefined) {
  const headers = { "Content-Type": "application/json" };
  return json(path, { method: "POST", headers, body: JSON.stringify(body), signal });
}

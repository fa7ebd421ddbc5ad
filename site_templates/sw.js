{% set shell = [asset("style.css"), asset("icon.svg"), asset("portal.js")] %}
{% set words = {
  "language": site.language, "missing": _("No connection"),
  "explained": _("This page was not kept on your device. It will be here again as soon as there is a connection."),
  "home": _("Newest reviews"), "older": _("Older reviews"), "brands": _("Brands"), "pros": _("What we liked"),
  "cons": _("What we missed"), "note": _("From the copy on your device."), "yes": _("yes"), "no": _("no"),
  "stop": ngettext("stop", "stops", 1), "stops": ngettext("stop", "stops", 2), "optical": _("optical"), "electronic": _("electronic"), "hybrid": _("hybrid"),
  "cameras": _("Cameras"), "lenses": _("Lenses"), "specifications": _("Specifications"),
  "rows": [
    ["mount", _("Mount"), ""], ["sensor", _("Sensor"), "mm"], ["crop_factor", _("Crop factor"), "×"],
    ["aspect_ratio", _("Aspect ratio"), ""], ["megapixels", _("Resolution"), "Mpx"], ["iso", "ISO", ""],
    ["burst_fps", _("Burst"), "fps"], ["video", _("Video"), ""], ["focal", _("Focal length"), "mm"],
    ["aperture", _("Maximum aperture"), ""], ["focus_min_m", _("Closest focus"), "m"],
    ["magnification_max", _("Magnification"), "×"], ["stabilised", _("Stabilisation"), ""],
    ["viewfinder", _("Viewfinder"), ""], ["weather_sealed", _("Weather sealing"), ""], ["filter_mm", _("Filter"), "mm"],
    ["size", _("Dimensions"), "mm"], ["weight_g", _("Weight"), "g"], ["released", _("Released"), ""],
    ["price_usd", _("Price at release"), ""],
  ],
} %}
{% if site.offline %}
// Keeps what was read, the shell of the portal and its newest list, and answers from them without a network.
//
// Pages come from the network whenever there is one; what is kept answers when there is none, or when it is slow. Assets
// have their digest in their names, so a page that was kept goes on with the assets it was made with, and no two
// versions mix. Only a whole 200 of the right type is kept. What "keep for offline" stored is shown by kept.js.

import { IndexedDbStore } from "{{ asset("stores.js") }}";
import { Kept } from "{{ asset("kept.js") }}";

const SHELL = "shell {{ edition("offline.html")[:16] }}";
const READ = "read";
const DATA = "data";
const SEARCH = "/content/search/kept.json";
const ASSETS = "assets";
const OFFLINE = "{{ url("offline") }}";
const HOME = "{{ url("home") }}";
const MOST = { [READ]: 200, [DATA]: 500 };
const PATIENCE = 4000;
const WORDS = {{ words|tojson }};
const OF_SHELL = {{ shell|tojson }};
const TYPES = { css: "text/css", js: "text/javascript", svg: "image/svg+xml", png: "image/png" };

// Whether an answer may be kept for an address: whole, from this site, and of the type that belongs there.
function isGood(answer, path, isPage) {
  if (!answer || answer.status !== 200 || answer.type !== "basic" || answer.redirected) return false;
  const type = (answer.headers.get("Content-Type") ?? "").split(";")[0].trim();
  if (isPage) return type === "text/html";
  if (path.startsWith("/assets/")) return type === TYPES[path.split(".").pop()];
  return path.startsWith("/content") && type === "application/json";
}

async function install() {
  const frame = await fetch(OFFLINE, { cache: "no-cache" });
  if (!isGood(frame, OFFLINE, true)) throw new Error("the page for offline is not to be had");
  const text = await frame.clone().text();
  // An edge may still have the page of another version: then nothing is installed, and the browser tries again.
  if (!OF_SHELL.every((asset) => text.includes(asset))) throw new Error("page and worker are of different versions");
  const assets = await caches.open(ASSETS);
  await Promise.all(OF_SHELL.map((path) => keepAsset(assets, path)));
  await (await caches.open(SHELL)).put(OFFLINE, frame);
  const open = await self.clients.matchAll({ includeUncontrolled: true, type: "window" });
  const paths = new Set([HOME, ...open.map((one) => new URL(one.url).pathname)]);
  await Promise.all([...paths].map((path) => read(path).catch(() => undefined)));
  await self.skipWaiting();
}

async function keepAsset(cache, path) {
  if (await cache.match(path)) return;
  const answer = await fetch(path, { cache: "force-cache" });
  if (!isGood(answer, path, false)) throw new Error(`${path} is not to be had`);
  await cache.put(path, answer);
}

// Keep a page that is open, or the newest list, with the assets that it names; the browser has most of them already.
async function read(path) {
  const answer = await fetch(path, { cache: "force-cache" });
  if (!isGood(answer, path, true)) return;
  const assets = await caches.open(ASSETS);
  for (const asset of assetsOf(await answer.clone().text())) await keepAsset(assets, asset);
  await (await caches.open(READ)).put(path, answer);
}

// Style, scripts and drawings that a page names; icons of an installed portal are no part of reading.
function assetsOf(html) {
  return new Set(html.match(/\/assets\/[\w.-]+\.(?:css|js|svg)\b/g));
}

// Forget the shells of other versions, and assets that no kept page names any more.
async function activate() {
  for (const name of await caches.keys()) if (name.startsWith("shell ") && name !== SHELL) await caches.delete(name);
  const named = new Set(OF_SHELL);
  const pages = await caches.open(READ);
  for (const request of await pages.keys()) {
    const answer = await pages.match(request);
    if ((answer?.headers.get("Content-Type") ?? "").startsWith("text/html")) {
      for (const asset of assetsOf(await answer.text())) named.add(asset);
    }
  }
  const assets = await caches.open(ASSETS);
  for (const request of await assets.keys()) if (!named.has(new URL(request.url).pathname)) await assets.delete(request);
  await self.clients.claim();
}

// Documents are kept apart from pages: a search reads dozens of them, which must not take the place of what was read.
async function keep(name, path, answer) {
  const { status, statusText, headers } = answer;
  const body = await answer.blob(); // whole: a network that dies amid it must not cost what was kept
  const cache = await caches.open(name);
  await cache.delete(path);
  await cache.put(path, new Response(body, { status, statusText, headers }));
  const kept = await cache.keys();
  for (const request of kept.slice(0, Math.max(kept.length - MOST[name], 0))) {
    if (new URL(request.url).pathname !== HOME) await cache.delete(request);
  }
}

// From the network; from what is kept when that fails, or takes long while a kept answer is there.
async function fresh(event, path, isPage) {
  const name = isPage ? READ : DATA;
  const kept = await (await caches.open(name)).match(path);
  const late = kept && new Promise((resolve) => setTimeout(resolve, PATIENCE));
  const asked = fetch(event.request).then((answer) => {
    if (isGood(answer, path, isPage)) event.waitUntil(keep(name, path, answer.clone()));
    else if (answer.status === 404 || answer.status === 410) event.waitUntil(caches.open(name).then((c) => c.delete(path)));
    return answer;
  });
  event.waitUntil(asked.catch(() => undefined)); // else a browser may end this before what comes late is kept
  try {
    const answer = await (late ? Promise.race([asked, late]) : asked);
    if (answer && (answer.status < 500 || !kept)) return answer;
  } catch {
    // no network: what is kept answers
  }
  return kept ?? stored(path, isPage);
}

// What "keep for offline" stored, put into the frame of the shell; else the page that says what is missing.
async function stored(path, isPage) {
  const frame = await (await caches.open(SHELL)).match(OFFLINE);
  let kept = null;
  try {
    kept = new Kept(await IndexedDbStore.open(), WORDS);
    if (!isPage) return (await kept.document(path)) ?? Response.error();
    if (path === OFFLINE) return frame;
    return await kept.page(path, frame);
  } catch {
    return isPage ? frame ?? Response.error() : Response.error();
  } finally {
    kept?.close();
  }
}

// What the copy knows of a question, for the search page when the index cannot be had: each word in its forms (`w`).
async function found(questions) {
  let kept = null;
  try {
    kept = new Kept(await IndexedDbStore.open(), WORDS);
    return await kept.search(questions.map((forms) => forms.split(" ")));
  } catch {
    return Response.error();
  } finally {
    kept?.close();
  }
}

async function asset(event, path) {
  const cache = await caches.open(ASSETS);
  const kept = await cache.match(path);
  if (kept) return kept;
  const answer = await fetch(event.request);
  if (isGood(answer, path, false)) event.waitUntil(cache.put(path, answer.clone()));
  return answer;
}

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname, searchParams } = new URL(request.url);
  if (request.method !== "GET" || origin !== self.location.origin || request.headers.has("Range")) return;
  if (request.mode === "navigate") event.respondWith(fresh(event, pathname, true));
  else if (pathname.startsWith("/assets/")) event.respondWith(asset(event, pathname));
  else if (pathname === SEARCH) event.respondWith(found(searchParams.getAll("w")));
  else if (pathname.startsWith("/content/") && !pathname.startsWith("/content/sync/")) event.respondWith(fresh(event, pathname, false));
});
{% else %}
// Nothing is kept on readers' devices any more (SITE_OFFLINE). A browser that still runs a worker from this address gets
// this one in its place: it forgets what was kept, and removes itself; pages then come from the network as usual.
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.map((name) => caches.delete(name))))
      .then(() => indexedDB.deleteDatabase("randomcamerareviews"))
      .then(() => self.registration.unregister()),
  );
});
{% endif %}

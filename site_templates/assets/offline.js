// "Keep for offline": brings a copy of the site, or of one brand, to this device and up to date, by the bundles for apps
// (docs/bundles.md). The service worker shows it when there is no network.

const NAME = "randomcamerareviews";
const section = document.querySelector("#keep");
const words = section.dataset;
const form = section.querySelector("form");
const select = section.querySelector("select");
const bar = section.querySelector("progress");
const status = section.querySelector("[role=status]");
const forget = section.querySelector("#forget");
const language = document.documentElement.lang;

const button = form.querySelector("button");

// The button works again, and whoever pressed it by keys stands on it.
function restore() {
  button.disabled = false;
  if (!section.contains(document.activeElement)) button.focus();
}

// Bytes in words, in the unit of `whole`.
function size(bytes, whole = bytes) {
  const unit = whole < 1e6 ? ["kilobyte", 1e3] : ["megabyte", 1e6];
  const form = { style: "unit", unit: unit[0], maximumFractionDigits: 1 };
  return new Intl.NumberFormat(language, form).format(bytes / unit[1]);
}

function say(text, values = {}) {
  status.textContent = text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

const { Client, http } = await import(words.content);
const { IndexedDbStore, OneBrand } = await import(words.stores);

// Why something was not kept, in words: the browser forbids it or has no room, or it cannot be had now.
function excuse(error) {
  if (!(error instanceof DOMException)) return `${words.failed} ${error.code ?? error.name}`;
  return error.name === "QuotaExceededError" ? words.full : `${words.forbidden} ${error.name}`;
}

// The store as it is asked for: another choice than the one that is kept begins anew.
async function opened(brand) {
  const store = await IndexedDbStore.open(NAME);
  const kept = await store.fact("brand");
  if (kept !== undefined && kept !== brand) {
    store.close();
    await removed();
    return opened(brand);
  }
  if (kept === undefined) await store.set("brand", brand);
  return store;
}

function removed() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(NAME);
    request.onsuccess = () => resolve();
    request.onerror = () => reject(request.error);
  });
}

function client(store, brand) {
  return new Client(words.site, brand ? new OneBrand(store, brand) : store, {
    fetch: http(location.origin),
    onProgress: (done, total) => {
      bar.hidden = false;
      [bar.max, bar.value] = [total || 1, total ? done : 1];
      say(words.progress, { done: size(done, total), total: size(total) });
    },
  });
}

// What is kept already, in words; null when nothing is.
async function held() {
  const store = await IndexedDbStore.open(NAME);
  try {
    const mark = await store.fact("held");
    const brand = await store.fact("brand");
    if (!mark) return null;
    const count = (await store.reviewIds({})).length;
    const day = new Intl.DateTimeFormat(language, { dateStyle: "long" }).format(new Date(mark.issued));
    return { words: count === 1 ? words.heldOne : words.held, count: count.toLocaleString(language), brand: nameOf(brand) ?? words.all, day, choice: brand ?? "" };
  } finally {
    store.close();
  }
}

function nameOf(brand) {
  return brand ? [...select.options].find((one) => one.value === brand)?.textContent ?? brand : null;
}

async function show() {
  const found = await held();
  forget.hidden = found === null;
  if (found) say(found.words, found);
  else say(words.none);
  return found;
}

// Pages that a copy has no records of, but that work without a network once they are there, and the names that they need.
async function keepPages() {
  await Promise.all(["/", "/search/", "/compare/", "/brands/"].map((path) => keepPage(path)));
}

async function keepPage(path) {
  const answer = await fetch(path, { headers: { Accept: "text/html" } });
  if (answer.status !== 200 || answer.redirected || !answer.headers.get("Content-Type")?.startsWith("text/html")) return;
  const text = await answer.clone().text();
  await (await caches.open("read")).put(path, answer);
  const data = await caches.open("data");
  for (const names of new Set(text.match(/\/content\/finder\/\d+\.json/g))) await data.add(names);
  const assets = await caches.open("assets");
  for (const asset of new Set(text.match(/\/assets\/[\w.-]+/g))) {
    if (await assets.match(asset)) continue;
    const body = await fetch(asset);
    if (body.status === 200) await assets.put(asset, body);
  }
}

async function keep(event) {
  event.preventDefault();
  button.disabled = true;
  await ready;
  const brand = select.value;
  let store;
  try {
    store = await opened(brand);
    await navigator.storage?.persist?.();
    await client(store, brand).sync();
    if (await store.fact("again")) {
      await store.set("held", undefined);
      await store.set("again", undefined);
      await client(store, brand).sync();
    }
    await keepPages();
    store.close();
    const found = await show();
    say(`${found.words} ${words.current}`, found);
  } catch (error) {
    say(excuse(error));
  } finally {
    store?.close();
    bar.hidden = true;
    restore();
  }
}

async function estimate() {
  const store = await IndexedDbStore.open(NAME);
  try {
    const { bytes } = await client(store, "").cost();
    const found = await held();
    if (!found) say(words.cost, { size: size(bytes) });
  } catch {
    // without a network there is nothing to fetch, and what is kept is said already
  } finally {
    store.close();
  }
}

// The brands, from the page that lists them; without a network, the whole site only.
async function brands() {
  const answer = await fetch("/brands/").catch(() => undefined);
  if (!answer?.ok) return;
  // Trusted Types refuse to parse HTML; what is needed of it are slugs and names.
  for (const [, slug, name] of (await answer.text()).matchAll(/<a href="\/brands\/([a-z0-9-]+)\/">([^<]+)<\/a>/g)) {
    const option = document.createElement("option");
    option.value = slug;
    option.textContent = name.replaceAll("&amp;", "&").replaceAll("&#39;", "'");
    select.append(option);
  }
  const asked = new URLSearchParams(location.search).get("brand");
  if (asked && !isChosen && [...select.options].some((one) => one.value === asked)) select.value = asked;
}

// What can be chosen, what is kept, and what it costs. A choice that was made meanwhile stays; keeping waits for this, so that
// neither has the last word over the other.
async function begin() {
  await brands();
  try {
    const kept = await show();
    if (kept && !isChosen) select.value = kept.choice;
    await estimate();
  } catch (error) {
    say(excuse(error));
  }
}

let isChosen = false;
select.addEventListener("change", () => {
  isChosen = true;
});
section.hidden = false;
form.addEventListener("submit", keep);
forget.addEventListener("click", async () => {
  await removed();
  await Promise.all((await caches.keys()).filter((name) => name === "read" || name === "data").map((name) => caches.delete(name)));
  await show();
  say(words.forgotten);
  restore();
});
const ready = begin();

// The search page. As one types, cameras and lenses are suggested, and reviews are found a moment later. The address
// keeps question and filters, so that it can be shared and Back works.

import { toggle } from "./basket.js";
import { Cards, Engine, read } from "./engine.js";
import { get } from "./fetching.js";
import { Catalogue, pathOf } from "./finder.js";
import { make } from "./making.js";
import { fold, slugify } from "./names.js";
import { Suggestions } from "./suggestions.js";
import { term, WORD, words as termsOf } from "./terms.js";

const PAUSE_MS = 200;
const NAMED = 6;
const SHOWN = 8;
const FILTERS = ["kind", "brand", "mount", "tag", "year"];

const form = document.querySelector("#finder");
const field = form.querySelector("input");
const status = form.querySelector("[role=status]");
const narrow = form.querySelector("details");
const products = document.querySelector("#found-products");
const reviews = document.querySelector("#found-reviews");
const more = document.querySelector("#more");
const further = document.querySelector("#further");
const words = form.dataset;
const number = new Intl.NumberFormat(document.documentElement.lang);
const day = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeZone: "UTC" });
const engine = new Engine(get);
const cards = new Cards(get);
const suggestions = new Suggestions(field, form.querySelector("[role=listbox]"), words, (product) => location.assign(pathOf(product)));
let catalogue;
let turn = 0;
let pause;
let rest = () => [];

const catalogued = () =>
  (catalogue ??= Catalogue.load(words.finders.split(" ").filter(Boolean), get).catch((problem) => {
    catalogue = undefined;
    throw problem;
  }));

// --- without a connection ---

// What the copy on this device says ("keep for offline"), as the service worker looks it up: as `Engine.search` answers,
// but with what is shown in the place of ordinals. Raises when nothing is kept.
async function copied({ q, tag, year }, known, among) {
  const asked = (q.match(WORD) ?? []).map((word) => `${term(word)} ${fold(word)}`).filter((forms) => forms[0] !== " ");
  const rows = await get(`/content/search/kept.json?${new URLSearchParams(asked.map((forms) => ["w", forms]))}`);
  const fits = ([, , , , date, , product, tags]) =>
    (!tag || tags.includes(tag)) && (!year || date.startsWith(year)) && (!among || among.has(known.bySlug.get(product?.[1])?.ordinal));
  return { ordinals: rows.filter(fits).map(read), isWhole: true, isKept: true };
}

// --- the address ---

function asked() {
  const said = new URLSearchParams(location.search);
  return Object.fromEntries(["q", ...FILTERS].map((name) => [name, (said.get(name) ?? "").slice(0, 150)]));
}

function entered() {
  return Object.fromEntries([["q", field.value.trim()], ...FILTERS.map((name) => [name, form.elements[name].value])]);
}

// A step in the history is one finished question; while it is typed, its own step is rewritten.
function remember(said, isStep) {
  const address = new URLSearchParams(Object.entries(said).filter(([, value]) => value)).toString();
  const path = address ? `${location.pathname}?${address}` : location.pathname;
  if (path === location.pathname + location.search) return;
  isStep ? history.pushState(null, "", path) : history.replaceState(null, "", path);
}

function takeUp(said) {
  field.value = said.q;
  for (const name of FILTERS) {
    const choice = form.elements[name];
    if (said[name] && ![...choice.options].some((one) => one.value === said[name])) choice.add(new Option(said[name], said[name]));
    choice.value = said[name];
  }
  if (FILTERS.some((name) => said[name])) narrow.open = true;
}

// --- answers ---

function narrowed(known, { kind, brand, mount }) {
  if (!kind && !brand && !mount) return undefined;
  const fits = (one) => (!kind || one.kind === kind) && (!brand || one.brandSlug === brand) && (!mount || one.mounts.includes(mount));
  return new Set(known.products.filter(fits).map((one) => one.ordinal));
}

// The text with what was asked for marked, by the words' stems.
function marked(text, terms, isOpen) {
  const found = document.createDocumentFragment();
  let last = 0;
  for (const match of text.matchAll(WORD)) {
    const said = term(match[0]);
    if (!said || !terms.some((one, at) => said === one || (isOpen && at === terms.length - 1 && said.startsWith(one)))) continue;
    found.append(text.slice(last, match.index), make("mark", { textContent: match[0] }));
    last = match.index + match[0].length;
  }
  found.append(text.slice(last));
  return found;
}

function shown({ slug, title, excerpt, author, date, rating, product }, terms, isOpen) {
  const link = make("a", { href: `/reviews/${slug}/` }, marked(title, terms, isOpen));
  const about = [day.format(new Date(date)).replaceAll(" ", "\u00a0"), rating == null ? null : `${number.format(rating)}/10`].filter(Boolean).join(" · ");
  const note = make("p", { className: "about" }, ...(author ? [make("bdi", { textContent: author }), " · "] : []), about);
  if (product) {
    const [kind, productSlug, name] = product;
    note.prepend(make("a", { href: pathOf({ kind, slug: productSlug }), dir: "auto", textContent: name }), " · ");
  }
  return make("li", {}, make("h3", {}, link), make("p", {}, marked(excerpt, terms, isOpen)), note);
}

function listed(product) {
  const link = make("a", { href: pathOf(product), dir: "auto", textContent: product.name });
  return make("li", {}, link, " ", make("small", { textContent: words[product.kind] }), " ", toggle(product.slug, product.name));
}

// A brand has a page with all reviews of what it makes.
function brandOf({ slug, name }) {
  return make("li", {}, make("a", { href: `/brands/${slug}/`, dir: "auto", textContent: name }), " ", make("small", { textContent: words.brand }));
}

// Of the best reviews, those go first whose title says the question as it was asked.
function byPhrase(held, question) {
  const phrase = fold(question).trim();
  const says = ({ card: one }) => (phrase.includes(" ") && fold(`${one.title} ${one.excerpt}`).includes(phrase) ? 0 : 1);
  return held.sort((a, b) => says(a) - says(b) || a.place - b.place);
}

// Put other lines into a list; who stands on a link of it stays there, though an answer comes late.
function refill(list, lines) {
  const href = list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  list.replaceChildren(...lines);
  if (href) (list.querySelector(`a[href="${CSS.escape(href)}"]`) ?? field).focus();
}

async function extend(isFirst) {
  const now = turn;
  const { ordinals, terms, isOpen, question } = rest();
  const wanted = ordinals.slice(0, SHOWN);
  const held = (await Promise.all(wanted.map(async (ordinal, place) => ({ place, card: await (ordinal.slug ? ordinal : cards.of(ordinal)) })))).filter((one) => one.card);
  if (now !== turn) return;
  ordinals.splice(0, SHOWN);
  const lines = byPhrase(held, question).map((one) => shown(one.card, terms, isOpen));
  isFirst ? refill(reviews, lines) : reviews.append(...lines);
  more.hidden = ordinals.length === 0;
  if (!isFirst) lines[0]?.querySelector("a").focus();
}

function say(found, isWhole, hasNames) {
  const many = found.length === 1 ? words.one : words.many.replace("{count}", number.format(found.length));
  if (!found.length) return hasNames ? words.onlyProducts : words.none;
  return isWhole ? many : `${words.some} ${many}`;
}

// Shows the lists that hold something; where to look further is for who has found nothing, and never pushed down.
function arrange(hasProducts, hasReviews) {
  products.parentElement.hidden = !hasProducts;
  reviews.parentElement.hidden = !hasReviews;
  further.hidden = hasProducts || hasReviews;
}

async function answer({ isOpen = false } = {}) {
  const said = entered();
  const now = ++turn;
  const isAsked = Object.values(said).some(Boolean);
  form.classList.toggle("busy", isAsked);
  if (!isAsked) {
    suggestions.show([]);
    products.replaceChildren();
    reviews.replaceChildren();
    more.hidden = true;
    status.textContent = "";
    arrange(false, false);
    return;
  }
  try {
    const known = await catalogued();
    if (now !== turn) return;
    const among = narrowed(known, said);
    const named = said.q && !said.tag && !said.year ? known.find(said.q).filter((one) => !among || among.has(one.ordinal)) : [];
    const brands = said.q ? known.named(said.q) : [];
    const lines = [brands.map(brandOf), named.slice(0, NAMED).map(listed)];
    refill(products, (brands[0]?.slug === slugify(said.q) ? lines : lines.reverse()).flat());
    const hasNames = named.length + brands.length > 0;
    arrange(hasNames, !reviews.parentElement.hidden);
    const asked = { isOpen, tag: said.tag, year: said.year, products: among };
    const found = await engine.search(known.read(said.q), asked).catch(() => copied(said, known, among));
    if (now !== turn) return;
    const terms = termsOf(said.q);
    if (!found.isWhole && named.length) found.ordinals = [];
    const left = { ordinals: [...found.ordinals], terms, isOpen, question: said.q };
    rest = () => left;
    arrange(hasNames, found.ordinals.length > 0);
    await extend(true);
    if (now !== turn) return;
    status.textContent = say(found.ordinals, found.isWhole, hasNames);
    if (found.isKept) status.append(" · ", words.kept);
  } catch {
    if (now === turn) status.textContent = words.failed;
  } finally {
    if (now === turn) form.classList.remove("busy");
  }
}

async function typed() {
  clearTimeout(pause);
  pause = setTimeout(() => {
    remember(entered(), false);
    answer({ isOpen: !/\s$/.test(field.value) });
  }, PAUSE_MS);
  const question = field.value;
  if (!question.trim()) return suggestions.show([]);
  try {
    const found = (await catalogued()).find(question);
    if (question === field.value && document.activeElement === field) suggestions.show(found);
  } catch {
    status.textContent = words.failed;
  }
}

function finished() {
  clearTimeout(pause);
  suggestions.show([]);
  remember(entered(), true);
  return answer();
}

// --- keys: arrows walk through suggestions, then through what was found; Escape goes back ---

function walk(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const links = [...document.querySelectorAll("#found-products a, #found-reviews h3 a")];
  const here = links.indexOf(document.activeElement);
  if (document.activeElement === field) return inField(event, step, links);
  if (here < 0) return;
  if (event.key === "Escape") field.focus();
  if (!step) return;
  event.preventDefault();
  (links[here + step] ?? (here + step < 0 ? field : links[here])).focus();
}

function inField(event, step, links) {
  if (suggestions.takes(event) || step !== 1 || !links.length) return;
  event.preventDefault();
  suggestions.show([]);
  links[0].focus();
}

function focusBySlash(event) {
  const isWriting = /^(?:INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName) || document.activeElement?.isContentEditable;
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isWriting) return;
  event.preventDefault();
  field.focus();
  field.select();
}

// --- filters ---

function fill(choice, values) {
  const value = choice.value;
  const known = new Set([...choice.options].map((one) => one.value));
  for (const [key, text] of values) if (!known.has(key)) choice.add(new Option(text, key));
  for (const [key, text] of values) [...choice.options].find((one) => one.value === key).textContent = text;
  choice.value = value;
}

async function openFilters() {
  if (!narrow.open || narrow.dataset.filled) return;
  narrow.dataset.filled = "true";
  try {
    const known = await catalogued();
    fill(form.elements.mount, [...new Set(known.products.flatMap((one) => one.mounts))].sort().map((mount) => [mount, mount]));
    const { tags, years } = await engine.facets();
    const counted = ([key, count]) => [key, `${key} (${number.format(count)})`];
    fill(form.elements.tag, tags.sort(([a], [b]) => (a < b ? -1 : 1)).map(counted));
    fill(form.elements.year, years.sort(([a], [b]) => b - a).map(counted));
  } catch {
    delete narrow.dataset.filled;
  }
}

takeUp(asked());
field.addEventListener("input", typed);
field.addEventListener("focus", () => catalogued().catch(() => undefined), { once: true });
field.addEventListener("blur", () => suggestions.show([]));
document.addEventListener("keydown", walk);
document.addEventListener("keydown", focusBySlash);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  finished();
});
for (const name of FILTERS) form.elements[name].addEventListener("change", finished);
narrow.addEventListener("toggle", openFilters);
more.addEventListener("click", async () => {
  more.disabled = true;
  await extend(false).catch(() => (status.textContent = words.failed));
  more.disabled = false;
});
addEventListener("popstate", () => {
  clearTimeout(pause);
  takeUp(asked());
  suggestions.show([]);
  answer();
});
answer();

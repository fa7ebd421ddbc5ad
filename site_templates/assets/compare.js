// Compares two to five products side by side. The address says which (`?p=slug,slug`), so that it can be shared; the
// figures come from each product's own document. The rows and their words stand in the page; this fills in the columns.

import { held, hold, MOST } from "./basket.js";
import { reaches, sensors } from "./drawings.js";
import { get } from "./fetching.js";
import { Figures } from "./figures.js";
import { Catalogue } from "./finder.js";
import { make } from "./making.js";
import { Suggestions } from "./suggestions.js";

const READ = 3;
const SLUG = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;

const form = document.querySelector("#chooser");
const field = form.querySelector("input");
const status = form.querySelector("[role=status]");
const table = document.querySelector("#comparison");
const words = form.dataset;
const figures = new Figures(document.documentElement.lang, words);
const documents = new Map();
const only = document.querySelector("#only");
const drawn = document.querySelector("#drawings");
const further = document.querySelector("#further");
let catalogue;
let turn = 0;

// The slugs in the address; those beyond the first five have no place.
function asked() {
  const said = new URLSearchParams(location.search).getAll("p").join(",").split(",");
  return [...new Set(said.map(slugOf).filter(Boolean))];
}

const chosen = () => asked().slice(0, MOST);

// The slug that a reader means by a slug, a path or a whole address; an empty text when it is none.
function slugOf(text) {
  const last = text.trim().toLowerCase().replace(/[?#].*$/, "").split("/").filter(Boolean).pop() ?? "";
  const slug = last.normalize("NFKD").replace(/\p{Mn}/gu, "").replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
  return SLUG.test(slug) ? slug : "";
}

async function fetched(slug, hops = 3) {
  const said = await get(`/content/products/${slug}.json`).catch((problem) => (problem.status === 404 ? null : Promise.reject(problem)));
  if (!said?.moved) return said;
  return hops ? fetched(new URL(said.moved).pathname.split("/").pop().replace(/\.json$/, ""), hops - 1) : null;
}

// What a product says in a row; null when it is not known or has no meaning for it.
function figure(product, key, unit) {
  if (key === "brand") return product.brand.name;
  if (key === "reviews") return figures.number(product.review_count);
  return figures.of(product.specs, key, unit);
}

function heading(product, slugs) {
  const cell = make("th", { scope: "col" }, make("a", { href: new URL(product.url).pathname, dir: "auto", textContent: product.name }), " ");
  const button = make("button", { type: "button", textContent: "×" });
  button.setAttribute("aria-label", words.remove.replace("{name}", product.name));
  button.addEventListener("click", async () => {
    const place = cell.cellIndex;
    await go(slugs.filter((slug) => documents.get(slug)?.slug !== product.slug));
    const left = table.tHead.rows[0].cells; // whoever works by keys goes on from where they were
    (left[Math.min(place, left.length - 1)].querySelector("button") ?? field).focus();
  });
  cell.append(button);
  return cell;
}

function mark(sign, label) {
  const said = make("span", { textContent: ` ${sign}` });
  said.setAttribute("role", "img");
  said.setAttribute("aria-label", label);
  return said;
}

// The number by which a row can be better; null where it says nothing, so that it is not judged.
function merit(product, key) {
  const { specs } = product;
  if (key === "video") return specs.video_height_px == null ? null : specs.video_height_px * 1000 + (specs.video_fps ?? 0);
  if (key === "stabilised") return specs.stabilisation_stops ?? null;
  if (key === "aperture") return specs.focal_min_mm === (specs.focal_max_mm ?? specs.focal_min_mm) ? (specs.aperture_wide ?? null) : null;
  return specs[key] ?? null;
}

// Which products are better in a row: of one kind, all with a figure, and not all with the same. Apertures are compared
// between lenses of one focal length only.
function better(row, products) {
  const { key, better: way } = row.dataset;
  if (!way || products.length < 2 || new Set(products.map((one) => one.kind)).size > 1) return [];
  if (key === "aperture" && new Set(products.map((one) => one.specs.focal_min_mm)).size > 1) return [];
  const merits = products.map((product) => merit(product, key));
  if (merits.includes(null)) return [];
  const best = way === "high" ? Math.max(...merits) : Math.min(...merits);
  return merits.every((one) => one === best) ? [] : merits.map((one) => one === best);
}

function fill(row, products) {
  const texts = products.map((product) => figure(product, row.dataset.key, row.dataset.unit));
  const best = better(row, products);
  while (row.cells.length > 1) row.deleteCell(-1);
  row.cells[0].querySelector("[role=img]")?.remove();
  texts.forEach((text, at) => {
    const cell = row.insertCell();
    cell.textContent = text ?? "—";
    if (best[at]) cell.append(mark("★", words.best));
    if (row.dataset.key === "reviews") cell.append(readable(products[at]));
  });
  const known = texts.filter((text) => text !== null);
  const differs = known.length > 1 && new Set(known).size > 1;
  row.hidden = known.length === 0 || (only.firstElementChild.checked && !differs && row.dataset.key !== "reviews");
  row.classList.toggle("differs", differs);
  if (differs) row.cells[0].append(mark("≠", words.differs));
}

// Links to the newest reviews of a product, and to all of them.
function readable(product) {
  const lines = product.reviews.slice(0, READ).map((review) => make("li", {}, make("a", { href: new URL(review.url).pathname, textContent: review.title })));
  if (product.review_count > READ) lines.push(make("li", {}, make("a", { href: new URL(product.url).pathname, textContent: words.read })));
  return lines.length ? make("ul", {}, ...lines) : "";
}

// Has the documents of products fetched; says in words which there are none of, and which cannot be had now.
async function gathered(slugs) {
  const problems = await Promise.all(
    slugs.filter((slug) => !documents.has(slug)).map(async (slug) => {
      try {
        const product = await fetched(slug);
        if (product) documents.set(slug, product);
        return product ? "" : `${words.unknown} ${slug}`;
      } catch {
        return `${words.failed} ${slug}`;
      }
    }),
  );
  return problems.filter(Boolean);
}

// The products of slugs that there are, each once, whatever it was called before it was merged.
function known(slugs) {
  const held = slugs.flatMap((slug) => documents.get(slug) ?? []);
  return [...new Map(held.map((product) => [product.slug, product])).values()];
}

async function show() {
  const slugs = chosen();
  const now = ++turn;
  const problems = await gathered(slugs);
  if (now !== turn) return;
  const products = known(slugs);
  const top = table.tHead.rows[0];
  while (top.cells.length > 1) top.deleteCell(-1);
  top.append(...products.map((product) => heading(product, slugs)));
  for (const row of table.tBodies[0].rows) fill(row, products);
  table.parentElement.hidden = products.length === 0;
  further.hidden = products.length > 0;
  only.hidden = products.length < 2;
  const pictures = [sensors(drawn.querySelector("#sensors"), products, words), reaches(drawn.querySelector("#reaches"), products)];
  drawn.hidden = !pictures.includes(true);
  if (asked().length > MOST) problems.push(words.full);
  status.textContent = problems.join(" ");
}

function go(slugs) {
  hold(slugs);
  history.pushState(null, "", slugs.length ? `${location.pathname}?p=${slugs.join(",")}` : location.pathname);
  return show();
}

// Adds products to those that are shown. What is none, as it was `said`, takes no place and stays in the field.
async function add(wanted, said) {
  const problems = await gathered(wanted);
  const found = known(wanted).map((product) => product.slug);
  const shown = known(chosen()).map((product) => product.slug);
  const added = found.filter((slug) => !shown.includes(slug));
  if (!found.length) {
    status.textContent = wanted.length && problems.some((one) => one.startsWith(words.failed)) ? problems.join(" ") : `${words.unknown} ${said}`;
  } else if (shown.length + added.length > MOST) {
    status.textContent = words.full;
  } else {
    field.value = "";
    if (added.length) await go([...shown, ...added]);
  }
}

const catalogued = () =>
  (catalogue ??= Catalogue.load(words.finders.split(" ").filter(Boolean), get).catch((problem) => {
    catalogue = undefined;
    throw problem;
  }));

// What is meant by what was typed: slugs or addresses as they are, else the product that is most likely called so.
async function meant(text) {
  const slugs = text.split(",").map(slugOf).filter(Boolean);
  try {
    const known = await catalogued();
    if (slugs.every((slug) => known.bySlug.has(slug))) return slugs;
    const [first] = known.find(text);
    return first ? [first.slug] : slugs;
  } catch {
    return slugs;
  }
}

const suggestions = new Suggestions(field, form.querySelector("[role=listbox]"), words, (product) => add([product.slug], product.name));
field.addEventListener("keydown", (event) => suggestions.takes(event));
field.addEventListener("input", async () => {
  const question = field.value;
  try {
    const found = question.trim() ? (await catalogued()).find(question) : [];
    if (question === field.value && document.activeElement === field) suggestions.show(found);
  } catch {
    suggestions.show([]);
  }
});
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  suggestions.show([]);
  const said = field.value.trim();
  if (said) await add(await meant(said), said);
});
only.addEventListener("change", show);
addEventListener("popstate", show);
if (!chosen().length && held().length) history.replaceState(null, "", `${location.pathname}?p=${held().join(",")}`);
show();

// Compares two to five products side by side. The address says which (`?p=slug,slug`), so that it can be shared; the
// figures come from each product's own document. The rows and their words stand in the page; this fills in the columns.

const MOST = 5;
const SLUG = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;

const form = document.querySelector("#chooser");
const field = form.querySelector("input");
const status = form.querySelector("[role=status]");
const table = document.querySelector("#comparison");
const words = form.dataset;
const number = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 2 });
const documents = new Map();
let turn = 0;

function chosen() {
  const asked = new URLSearchParams(location.search).getAll("p").join(",").split(",");
  return [...new Set(asked.map(slugOf).filter(Boolean))].slice(0, MOST);
}

// The slug that a reader means by a slug, a path or a whole address; an empty text when it is none.
function slugOf(text) {
  const last = text.trim().toLowerCase().replace(/[?#].*$/, "").split("/").filter(Boolean).pop() ?? "";
  const slug = last.normalize("NFKD").replace(/\p{Mn}/gu, "").replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
  return SLUG.test(slug) ? slug : "";
}

async function fetched(slug, hops = 3) {
  const answer = await fetch(`/content/products/${slug}.json`);
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error(`${slug}: ${answer.status}`);
  const said = await answer.json();
  if (!said.moved) return said;
  return hops ? fetched(new URL(said.moved).pathname.split("/").pop().replace(/\.json$/, ""), hops - 1) : null;
}

function span(low, high) {
  if (low == null) return null;
  return high == null || high === low ? number.format(low) : `${number.format(low)}–${number.format(high)}`;
}

function times(...sides) {
  const known = sides.filter((side) => side != null);
  return known.length > 1 ? known.map((side) => number.format(side)).join(" × ") : null;
}

function answer(value) {
  return value == null ? null : value ? words.yes : words.no;
}

function stabilised({ stabilised: has, stabilisation_stops: stops }) {
  if (has === false || stops == null) return answer(has);
  return `${words.yes}, ${number.format(stops)} ${words.stops}`;
}

function video({ video_height_px: lines, video_fps: rate }) {
  if (lines == null) return null;
  return rate == null ? `${lines}p` : `${lines}p ${number.format(rate)} fps`;
}

// A year, a month or a day, as precisely as it is known.
function date(said) {
  if (said == null || !said.includes("-")) return said ?? null;
  const form = { year: "numeric", month: "long", timeZone: "UTC", ...(said.length > 7 && { day: "numeric" }) };
  return new Intl.DateTimeFormat(document.documentElement.lang, form).format(new Date(said));
}

// What a product says in a row, as a reader reads it; null when it is not known or has no meaning for it.
function figure(product, key, unit) {
  const specs = product.specs;
  const values = {
    brand: product.brand.name,
    mount: specs.mount ?? (specs.mounts?.join(", ") || null),
    focal: span(specs.focal_min_mm, specs.focal_max_mm),
    aperture: specs.aperture_wide == null ? null : `f/${span(specs.aperture_wide, specs.aperture_tele)}`,
    sensor: times(specs.sensor_width_mm, specs.sensor_height_mm),
    iso: span(specs.iso_min ?? specs.iso_max, specs.iso_max),
    video: video(specs),
    stabilised: stabilised(specs),
    viewfinder: specs.viewfinder === "none" ? words.no : specs.viewfinder && words[specs.viewfinder],
    weather_sealed: answer(specs.weather_sealed),
    size: specs.length_mm == null ? times(specs.width_mm, specs.height_mm, specs.depth_mm) : times(specs.diameter_mm, specs.length_mm),
    released: date(specs.released),
    price_usd: specs.price_usd == null ? null : `US$ ${number.format(specs.price_usd)}`,
    reviews: number.format(product.review_count),
  };
  const value = key in values ? values[key] : specs[key];
  if (value == null) return null;
  return `${typeof value === "number" ? number.format(value) : value}${unit ? ` ${unit}` : ""}`;
}

function heading(product, slugs) {
  const cell = document.createElement("th");
  cell.scope = "col";
  const link = document.createElement("a");
  link.href = new URL(product.url).pathname;
  link.textContent = product.name;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "×";
  button.setAttribute("aria-label", words.remove.replace("{name}", product.name));
  button.addEventListener("click", () => go(slugs.filter((slug) => documents.get(slug)?.slug !== product.slug)));
  cell.append(link, " ", button);
  return cell;
}

function mark() {
  const sign = document.createElement("span");
  sign.textContent = " ≠";
  sign.setAttribute("role", "img");
  sign.setAttribute("aria-label", words.differs);
  return sign;
}

function fill(row, products) {
  const texts = products.map((product) => figure(product, row.dataset.key, row.dataset.unit));
  while (row.cells.length > 1) row.deleteCell(-1);
  row.cells[0].querySelector("[role=img]")?.remove();
  for (const text of texts) row.insertCell().textContent = text ?? "—";
  const known = texts.filter((text) => text !== null);
  const differs = known.length > 1 && new Set(known).size > 1;
  row.hidden = known.length === 0;
  row.classList.toggle("differs", differs);
  if (differs) row.cells[0].append(mark());
}

async function show() {
  const slugs = chosen();
  const now = ++turn;
  const problems = [];
  await Promise.all(
    slugs.filter((slug) => !documents.has(slug)).map(async (slug) => {
      try {
        const product = await fetched(slug);
        if (product) documents.set(slug, product);
        else problems.push(`${words.unknown} ${slug}`);
      } catch {
        problems.push(`${words.failed} ${slug}`);
      }
    }),
  );
  if (now !== turn) return;
  const held = slugs.flatMap((slug) => documents.get(slug) ?? []);
  const products = [...new Map(held.map((product) => [product.slug, product])).values()];
  const top = table.tHead.rows[0];
  while (top.cells.length > 1) top.deleteCell(-1);
  top.append(...products.map((product) => heading(product, slugs)));
  for (const row of table.tBodies[0].rows) fill(row, products);
  table.parentElement.hidden = products.length === 0;
  status.textContent = problems.join(" ");
}

function go(slugs) {
  const address = new URL(location.pathname, location.origin);
  history.pushState(null, "", slugs.length ? `${address.pathname}?p=${slugs.join(",")}` : address);
  return show();
}

form.hidden = false;
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const slugs = chosen();
  const added = field.value.split(",").map(slugOf).filter((slug) => slug && !slugs.includes(slug));
  if (slugs.length + added.length > MOST) {
    status.textContent = words.full;
    return;
  }
  field.value = "";
  if (added.length) go([...slugs, ...added]);
});
addEventListener("popstate", show);
show();

// The product finder: loads the catalogue's shards once and filters them as one types. The address keeps the question
// (`?q=`), so that it can be shared. Without this script the page still lists every brand.

const SPECIAL = { α: "a", Α: "a", ß: "ss", ø: "o", Ø: "o", æ: "ae", Æ: "ae", ƒ: "f", "+": " plus " };
const ROMAN = { 1: "i", 2: "ii", 3: "iii", 4: "iv", 5: "v", 6: "vi", 7: "vii", 8: "viii" };
const NUMBER = "\\d+(?:[.,]\\d+)?";
const SPAN = `${NUMBER}(?:\\s*[-‐–—]\\s*${NUMBER})?`;
const PAIR = new RegExp(
  `(?<![\\p{L}\\p{N}_.,:])(?:1\\s*:\\s*)?(${SPAN})\\s*(?:mm)?\\s*/\\s*(?:f\\s*[/:]?\\s*)?(${SPAN})(?!\\d)(?:\\s*mm(?![a-z]))?`,
  "gu",
);
const RATIO = new RegExp(`(?<![\\p{L}\\p{N}_.,])1\\s*:\\s*(${SPAN})`, "gu");
const STOP = new RegExp(`(?:(?<![a-z])|(?<=mm))f\\s*[/:]?\\s*(?!${SPAN}\\s*mm)(${SPAN})`, "g");
const FOCAL = new RegExp(`(?:(?<![\\p{L}\\p{N}_.,/])|(?<=[a-z]{2}))(${SPAN})\\s+(?=f\\d)`, "gu");
const LARGEST_STOP = 45;
const WORDS = [
  [/^(?:canon )?(?:eos|power ?shot) ?(?=.)/, "canon "],
  [/^(?:nikon )?coolpix ?(?=.)/, "nikon "],
  [/^(?:fuji(?:film)? )?finepix ?(?=.)/, "fujifilm "],
  [/^(?:panasonic )?lumix ?(?=.)/, "panasonic "],
  [/^(?:sony )?cyber ?shot ?(?=.)/, "sony "],
  [/^fuji (?=.)/, "fujifilm "],
  [/^(?:nikon )?(.*?)(?<![a-z])nikkor(?![a-z]) ?(?=.)/, "nikon $1"],
  [/(?<![a-z])om ?d (?=e)/g, ""],
  [/(?<![a-z])pen (?=e ?p)/g, ""],
  [/(?<![a-z])digital (?=rebel|ixus|ixy)/g, ""],
  [/(?<![a-z0-9])(?:alpha|a) (?=a ?\d|ilc[ea]|slt|dslr|nex)/g, ""],
  [/(?<![a-z])ilc[ea] ?(?=\d)/g, "a"],
  [/(?<![a-z])(?:slt|dslr) (?=a ?\d)/g, ""],
  [/(?<![a-z])alpha(?![a-z])/g, "a"],
  [/(?<![a-z])(?:mark|mk) ?(i{1,3}|iv|vi{0,3}|[1-8])(?=[as]?(?![a-z0-9]))/g, (_, roman) => ROMAN[roman] ?? roman],
  [/(?<=\d)([crs]?)m([1-8])(?=a?(?![a-z0-9]))/g, (_, letter, number) => letter + ROMAN[number]],
];
const SHOWN = 50;

const form = document.querySelector("#finder");
const field = form.querySelector("input");
const status = form.querySelector("[role=status]");
const found = form.querySelector("ol");
const words = form.dataset;
let catalogue;

function fold(text) {
  const plain = text.replace(/[αΑßøØæÆƒ+]/g, (character) => SPECIAL[character]).normalize("NFKD");
  return plain.replace(/\p{Mn}/gu, "").toLowerCase();
}

function first(span) {
  return parseFloat(span.replace(",", "."));
}

function decimal(span) {
  return span.replaceAll(",", ".").replace(/\.(\d*?)0+(?!\d)/g, (_, digits) => (digits ? `.${digits}` : ""));
}

function pair(whole, one, other) {
  const [low, high] = first(other) < first(one) ? [other, one] : [one, other];
  return first(low) > LARGEST_STOP ? whole : ` ${high}mm f${decimal(low)}`;
}

function optics(text) {
  return text
    .replace(PAIR, pair)
    .replace(RATIO, (_, stop) => ` f${decimal(stop)}`)
    .replace(STOP, (_, stop) => ` f${decimal(stop)}`)
    .replace(FOCAL, (_, focal) => `${focal}mm `);
}

// The words of a name in their one spelling; without spaces, the form in which all spellings of a product meet. The
// publisher's own `normal` (publisher/content/names.py) does the same, step by step.
function plain(name) {
  const words = optics(fold(name)).replace(/[^\p{L}\p{N}]+/gu, " ").trim();
  return WORDS.reduce((text, [pattern, instead]) => text.replace(pattern, instead), words);
}

export function normal(name) {
  return plain(name).replaceAll(" ", "");
}

function spellings(brand, names) {
  const prefix = normal(brand);
  const bare = names.map(normal).map((form) => (form.startsWith(prefix) ? form.slice(prefix.length) : form));
  return bare.flatMap((form) => [form, prefix + form]);
}

async function load() {
  const shards = words.finders.split(" ").filter(Boolean).map(async (address) => {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
    return answer.json();
  });
  return (await Promise.all(shards)).flat().map(([kind, slug, brand, model, aliases]) => ({
    kind,
    slug,
    name: model.toLowerCase().startsWith(brand.toLowerCase()) ? model : `${brand} ${model}`,
    spellings: spellings(brand, [model, ...aliases]),
    words: plain([brand, model, ...aliases].join(" ")).split(" "),
  }));
}

// How far a spelling is from what is asked: 0 the same, 1 begins with it, 2 has it within; one half more where the
// number asked for goes on (3000 is not 30000); Infinity when it is another name.
function distance(spelling, asked) {
  const at = spelling.indexOf(asked);
  if (at < 0) return Infinity;
  if (spelling === asked) return 0;
  const goesOn = /\d$/.test(asked) && /^\d/.test(spelling.slice(at + asked.length));
  const cut = /^\d/.test(asked) && /\d$/.test(spelling.slice(0, at));
  return (at ? 2 : 1) + (goesOn || cut ? 0.5 : 0);
}

function rank(product, asked, parts) {
  const whole = Math.min(...product.spellings.map((spelling) => distance(spelling, asked)));
  if (whole < Infinity) return whole;
  const begun = (part) => product.words.some((word) => distance(word, part) <= 1);
  const within = (part) => product.spellings.some((spelling) => distance(spelling, part) <= 2);
  return parts.every((part) => begun(part) || within(part)) ? 3 : Infinity;
}

function find(question) {
  const parts = plain(question).replace(/(?<![a-z])(?:mark|mk)$/, "").split(" ").filter(Boolean);
  const asked = parts.join("");
  if (!asked) return [];
  return catalogue
    .map((product) => ({ product, rank: rank(product, asked, parts) }))
    .filter((one) => one.rank < Infinity)
    .sort((a, b) => a.rank - b.rank || a.product.name.length - b.product.name.length || (a.product.name < b.product.name ? -1 : 1))
    .map((one) => one.product);
}

function item({ kind, slug, name }) {
  const link = document.createElement("a");
  link.href = `/${kind === "lens" ? "lenses" : "cameras"}/${slug}/`;
  link.textContent = name;
  const note = document.createElement("small");
  note.textContent = words[kind];
  const line = document.createElement("li");
  line.append(link, " ", note);
  return line;
}

async function answer() {
  const question = field.value.trim();
  const address = new URL(location);
  question ? address.searchParams.set("q", question) : address.searchParams.delete("q");
  history.replaceState(null, "", address);
  if (!question) {
    found.replaceChildren();
    status.textContent = "";
    return;
  }
  try {
    catalogue = await (catalogue ?? load());
  } catch {
    catalogue = undefined;
    status.textContent = words.failed;
    return;
  }
  if (question !== field.value.trim()) return;
  const products = find(question);
  found.replaceChildren(...products.slice(0, SHOWN).map(item));
  const many = words.many.replace("{count}", products.length.toLocaleString(document.documentElement.lang));
  status.textContent = products.length === 0 ? words.none : products.length === 1 ? words.one : many;
}

// Arrows walk from the field through what was found; Escape goes back to the field.
function walk(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const stops = [field, ...found.querySelectorAll("a")];
  const here = stops.indexOf(document.activeElement);
  if (event.key === "Escape" && here > 0) field.focus();
  if (!step || here < 0 || !stops[here + step]) return;
  event.preventDefault();
  stops[here + step].focus();
}

form.hidden = false;
field.value = new URLSearchParams(location.search).get("q") ?? "";
field.addEventListener("input", answer);
field.addEventListener("focus", () => (catalogue ??= load().catch(() => undefined)), { once: true });
form.addEventListener("keydown", walk);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  found.querySelector("a")?.click();
});
answer();

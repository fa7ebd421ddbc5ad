// Names of cameras and lenses in the one form in which all their spellings meet. The publisher's own
// (publisher/content/names.py) does the same, step by step; tests/spellings.json holds both.

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
export function fold(text) {
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

function plain(text) {
  const words = text.replace(/[^\p{L}\p{N}]+/gu, " ").trim();
  return WORDS.reduce((said, [pattern, instead]) => said.replace(pattern, instead), words);
}

export function normal(name) {
  return plain(optics(fold(name))).replaceAll(" ", "");
}

// The words of a name in their one spelling, `1.8` as one of them; together they are its normal form.
export function parts(name) {
  return plain(optics(fold(name)).replace(/(\d)[.,](?=\d)/g, "$1")).split(" ").filter(Boolean);
}

export function spellings(brand, names) {
  const prefix = normal(brand);
  const bare = names.map(normal).map((form) => (form.startsWith(prefix) ? form.slice(prefix.length) : form));
  return bare.flatMap((form) => [form, prefix + form]);
}

// An address part, as the publisher makes it of a name.
export function slugify(name) {
  return fold(name).replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
}

export function fullName(brand, model) {
  return model.toLowerCase().startsWith(brand.toLowerCase()) ? model : `${brand} ${model}`;
}

// The catalogue of cameras and lenses, loaded once, and found by any spelling as one types.

import { fullName, normal, parts, slugify, spellings } from "./names.js";

const SHARD = 1000;
const PIECE = 150;
const LONGEST = 8;

export const pathOf = ({ kind, slug }) => `/${kind === "lens" ? "lenses" : "cameras"}/${slug}/`;

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

function rank(product, asked, said) {
  const whole = Math.min(...product.spellings.map((spelling) => distance(spelling, asked)));
  if (whole < Infinity) return whole;
  const begun = (part) => product.words.some((word) => distance(word, part) <= 1);
  const within = (part) => product.spellings.some((spelling) => distance(spelling, part) <= 2);
  return said.every((part) => begun(part) || within(part)) ? 3 : Infinity;
}

// The rows of a file of the finder (docs/search.md), those of products that were merged left out.
function rowsOf(shard, number) {
  let brand;
  return shard.flatMap((row, place) => {
    if (!row) return [];
    const [lens, other, model, aliases, mounts, slug] = row.split("\t");
    brand = other || brand;
    return [{ ordinal: number * SHARD + place, lens, brand, model, aliases: lines(aliases), mounts: lines(mounts), slug }];
  });
}

const lines = (said) => (said ? said.split("\n") : []);

function read({ ordinal, lens, brand, model, aliases, mounts, slug }) {
  const name = fullName(brand, model);
  return {
    ordinal,
    kind: lens ? "lens" : "camera",
    brand,
    brandSlug: slugify(brand),
    name,
    mounts,
    slug: slug || slugify(name),
    spellings: spellings(brand, [model, ...aliases]),
    words: parts([brand, model, ...aliases].join(" ")),
  };
}

// Lets the browser answer the reader between two pieces of long work.
const breathe = () => new Promise((resolve) => setTimeout(resolve));

export class Catalogue {
  constructor(products) {
    this.products = products;
    this.spelt = new Map();
    for (const product of products) {
      for (const form of product.spellings) this.spelt.set(form, [...(this.spelt.get(form) ?? []), product]);
    }
    this.brands = new Map(products.map(({ brandSlug, brand }) => [brandSlug, { slug: brandSlug, name: brand }]));
    this.bySlug = new Map(products.map((product) => [product.slug, product]));
  }

  // The names are put into their forms piece by piece: all at once would hold up a slow phone's keys for a third of a second.
  static async load(addresses, get) {
    const shards = await Promise.all(addresses.map((address) => get(address)));
    const rows = shards.flatMap(rowsOf);
    const products = [];
    for (let at = 0; at < rows.length; at += PIECE) {
      if (at) await breathe();
      products.push(...rows.slice(at, at + PIECE).map(read));
    }
    return new Catalogue(products);
  }

  // Products in the order in which the question may mean them.
  find(question) {
    const said = parts(question.replace(/(?<![a-z])(?:mark|mk)\.?\s*$/i, ""));
    const asked = said.join("");
    if (!asked) return [];
    return this.products
      .map((product) => ({ product, rank: rank(product, asked, said) }))
      .filter((one) => one.rank < Infinity)
      .sort((a, b) => a.rank - b.rank || a.product.name.length - b.product.name.length || (a.product.name < b.product.name ? -1 : 1))
      .map((one) => one.product);
  }

  // The brands whose names stand in a question.
  named(question) {
    const said = question.trim().split(/\s+/);
    const runs = said.flatMap((_, at) => [1, 2, 3].map((length) => slugify(said.slice(at, at + length).join(" "))));
    return [...new Set(runs)].flatMap((slug) => this.brands.get(slug) ?? []);
  }

  // The question cut into names of products, the longest first, and the words between them.
  read(question) {
    const said = question.trim().split(/\s+/).filter(Boolean);
    const found = [];
    for (let at = 0; at < said.length; ) {
      let length = Math.min(LONGEST, said.length - at);
      for (; length > 0; length -= 1) {
        const text = said.slice(at, at + length).join(" ");
        const products = this.spelt.get(normal(text));
        if (products?.length) {
          found.push({ text, products });
          break;
        }
      }
      if (!length) found.push({ text: said[at], products: [] });
      at += length || 1;
    }
    return found;
  }
}

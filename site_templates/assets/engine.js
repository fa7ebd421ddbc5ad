// Full-text search over the segments of the index (docs/search.md): fetches the shards that the words of a question
// need, ranks what stands in them, and fetches what is shown of it. Knows nothing of pages; `get` fetches a path and reads
// its JSON.

import { words } from "./terms.js";

const HEAD = "/content/search/head.json";
const FOLDER = "/content/search/v3/";
const PRODUCT_WEIGHT = 12;
const CARDS = 1;

// What a character stands for: 0 to 31 the last digit of a number, 32 to 63 one before it, from 64 on a weight.
const VALUES = new Map([...`0123456789abcdefghijklmnopqrstuvABCDEFGHIJKLMNOPQRSTUVWXYZwxyz-_!#$%&()*+,`].map((one, at) => [one, at]));
const USUAL = 2;

// Postings as [place, weight]: each is the distance from the one before it, and its weight unless that is the usual one.
function* readings(said) {
  let [place, distance, at] = [0, 0, 0];
  while (at < said.length) {
    const value = VALUES.get(said[at++]);
    distance = distance * 32 + (value % 32);
    if (value >= 32) continue;
    place += distance;
    distance = 0;
    const weight = VALUES.get(said[at]) - 64;
    yield [place, weight >= 0 ? weight : USUAL];
    if (weight >= 0) at += 1;
  }
}

// Words that are written with what they have in common with the one before.
function unfronted(said) {
  let before = "";
  const whole = (one) => (before = before.slice(0, parseInt(one[0], 36)) + one.slice(1));
  return said ? said.split(" ").map(whole) : [];
}

const listed = (said) => [...readings(said)].map(([one]) => one);

// The terms of a shard with their postings.
function unpacked({ terms, postings }) {
  const said = postings.split(" ");
  return unfronted(terms).map((term, at) => [term, said[at]]);
}

class Segment {
  #get;
  #name;
  #shards = new Map();

  constructor(get, name) {
    this.#get = get;
    this.#name = name;
  }

  async open() {
    const { bounds, reviews, gone } = await this.#get(`${FOLDER}${this.#name}/index.json`);
    this.bounds = unfronted(bounds);
    this.reviews = listed(reviews);
    this.gone = listed(gone);
    return this;
  }

  #shard(number) {
    if (!this.#shards.has(number)) {
      const asked = this.#get(`${FOLDER}${this.#name}/${number}.json`).then(unpacked);
      asked.catch(() => this.#shards.delete(number));
      this.#shards.set(number, asked);
    }
    return this.#shards.get(number);
  }

  // The entries of all shards that may hold terms from `first` on that are before `end`.
  async entries(first, end) {
    const last = this.bounds.findLastIndex((bound) => bound <= first);
    const numbers = [];
    for (let number = Math.max(last, 0); number < this.bounds.length; number += 1) {
      if (number > last && this.bounds[number] >= end) break;
      numbers.push(number);
    }
    return this.#read(numbers);
  }

  // The entries of all shards that may hold one of some terms.
  async entriesOf(terms) {
    if (!this.bounds.length) return [];
    const numbers = new Set(terms.map((term) => Math.max(this.bounds.findLastIndex((bound) => bound <= term), 0)));
    return this.#read([...numbers]);
  }

  async #read(numbers) {
    return (await Promise.all(numbers.map((number) => this.#shard(number)))).flat();
  }
}

class Fresh {
  #terms;

  constructor({ reviews, gone, ...said }) {
    this.reviews = listed(reviews);
    this.gone = listed(gone);
    this.#terms = unpacked(said);
  }

  async entries() {
    return this.#terms;
  }

  async entriesOf() {
    return this.#terms;
  }
}

export class Engine {
  #get;
  #opened;

  constructor(get) {
    this.#get = get;
  }

  // Looks whether something was published since; without a connection, what was opened before stays.
  async refresh() {
    const before = this.#opened;
    this.#opened = this.#read(await before?.catch(() => undefined)).catch((problem) => {
      this.#opened = before;
      if (!before) throw problem;
      return before;
    });
    await this.#opened;
  }

  #open() {
    return (this.#opened ??= this.#read());
  }

  // The segments, newest first, with what newer ones hide of each.
  async #read(before) {
    const head = await this.#get(HEAD, { isNew: true });
    const said = JSON.stringify(head);
    if (before?.said === said) return before;
    const older = new Map(before?.named);
    const named = new Map(
      head.segments.map((name) => [name, older.get(name) ?? new Segment(this.#get, name).open()]),
    );
    const segments = [...(await Promise.all(named.values())), new Fresh(head.fresh)];
    const hidden = new Set();
    const layers = segments.reverse().map((segment) => {
      const layer = { segment, hidden: new Set(hidden) };
      for (const ordinal of [...segment.reviews, ...segment.gone]) hidden.add(ordinal);
      return layer;
    });
    return { said, named, layers, reviews: head.reviews };
  }

  // What readers still see of every term in [first, end): term -> Map of ordinal -> weight.
  async range(first, end, wanted = (term) => term >= first && term < end) {
    return this.#found((segment) => segment.entries(first, end), wanted);
  }

  // Reviews of some products, by their ordinals.
  async #about(products) {
    const terms = new Set([...products].map((ordinal) => `@${ordinal}`));
    const found = await this.#found((segment) => segment.entriesOf([...terms]), (term) => terms.has(term));
    return new Set([...found.values()].flatMap((map) => [...map.keys()]));
  }

  async #found(entries, wanted) {
    const { layers } = await this.#open();
    const found = new Map();
    const read = await Promise.all(layers.map(({ segment }) => entries(segment)));
    read.forEach((entries, at) => {
      const { segment, hidden } = layers[at];
      for (const [term, postings] of entries) {
        if (!wanted(term)) continue;
        if (!found.has(term)) found.set(term, new Map());
        for (const [place, weight] of readings(postings)) {
          const ordinal = segment.reviews[place];
          if (!hidden.has(ordinal)) found.get(term).set(ordinal, weight);
        }
      }
    });
    return found;
  }

  async #exactly(term) {
    return (await this.range(term, `${term}\0`, (one) => one === term)).get(term) ?? new Map();
  }

  // Reviews with a word, or with words that begin with it: those count for less.
  async #beginning(term) {
    const found = new Map();
    for (const [one, weights] of await this.range(term, `${term}\uffff`, (word) => word.startsWith(term))) {
      const share = one === term ? 1 : 0.6;
      for (const [ordinal, weight] of weights) found.set(ordinal, Math.max(found.get(ordinal) ?? 0, weight * share));
    }
    return found;
  }

  // A part of the question: reviews of the products that it names, or with all its words.
  async #clause({ text, products }, isOpen) {
    const terms = words(text);
    const about = await Promise.all(products.map(({ ordinal }) => this.#exactly(`@${ordinal}`)));
    const maps = await Promise.all(
      terms.map((one, at) => (isOpen && at === terms.length - 1 && one.length > 1 ? this.#beginning(one) : this.#exactly(one))),
    );
    const found = new Map();
    for (const [ordinal, weight] of maps[0] ?? []) {
      const all = maps.map((map) => map.get(ordinal));
      if (all.every((one) => one !== undefined)) found.set(ordinal, Math.min(weight, ...all));
    }
    for (const map of about) for (const ordinal of map.keys()) found.set(ordinal, PRODUCT_WEIGHT);
    return { found, says: terms.length > 0 || products.length > 0 };
  }

  // Ordinals of reviews by rank, and whether they have all that was asked for: where none has, those with some of it
  // are found. `parts` as `Catalogue.read` gives them; `isOpen`: the last word may go on. `filters`:
  // tag, year, and `products`, a set of ordinals of products.
  async search(parts, { isOpen = false, tag, year, products } = {}) {
    await this.refresh();
    const clauses = await Promise.all(parts.map((part, at) => this.#clause(part, isOpen && at === parts.length - 1)));
    const asked = clauses.filter(({ says }) => says);
    const narrowed = await this.#narrowed({ tag, year, products });
    const { reviews } = await this.#open();
    if (!asked.length) return { ordinals: narrowed ? [...narrowed].sort((a, b) => b - a) : [], isWhole: true };
    const met = new Map();
    for (const { found } of asked) {
      const rarity = Math.log(1 + (reviews + 1) / (found.size + 0.5));
      for (const [ordinal, weight] of found) {
        if (narrowed && !narrowed.has(ordinal)) continue;
        const { count, score } = met.get(ordinal) ?? { count: 0, score: 0 };
        met.set(ordinal, { count: count + 1, score: score + weight * rarity });
      }
    }
    const ranked = [...met].sort(([a, one], [b, two]) => two.count - one.count || two.score - one.score || b - a);
    const whole = ranked.filter(([, { count }]) => count === asked.length);
    return { ordinals: (whole.length ? whole : ranked).map(([ordinal]) => ordinal), isWhole: whole.length > 0 };
  }

  async #narrowed({ tag, year, products }) {
    const sets = [];
    if (tag) sets.push(new Set((await this.#exactly(`#${tag}`)).keys()));
    if (year) sets.push(new Set((await this.#exactly(`~${year}`)).keys()));
    if (products) sets.push(await this.#about(products));
    if (!sets.length) return null;
    return new Set([...sets[0]].filter((ordinal) => sets.every((set) => set.has(ordinal))));
  }

  // How many reviews have each tag, and each year.
  async facets() {
    const [tags, years] = await Promise.all([this.range("#", "$"), this.range("~", "~\uffff")]);
    const counted = (terms) => [...terms].map(([term, map]) => [term.slice(1), map.size]).filter(([, count]) => count);
    return { tags: counted(tags), years: counted(years) };
  }
}

// A row of a file of cards, by names.
export function read([slug, title, excerpt, author, date, rating, product]) {
  return { slug, title, excerpt, author, date, rating, product };
}

// What is shown of reviews that were found: a few lines each, in files of some.
export class Cards {
  #get;
  #files = new Map();

  // `get` fetches a path and reads its JSON.
  constructor(get) {
    this.#get = get;
  }

  // What is shown of the review with an ordinal; null when it is not public any more. A cache may be older than the index.
  async of(ordinal) {
    const place = Math.floor(ordinal / CARDS) + 1;
    const row = (await (this.#files.get(place) ?? this.#read(place)))[ordinal] ?? (await this.#read(place, { isNew: true }))[ordinal];
    return row ? read(row) : null;
  }

  #read(place, options) {
    const asked = this.#get(`/content/search/cards/${place}.json`, options).catch((problem) => {
      if (problem.status === 404) return {};
      this.#files.delete(place);
      throw problem;
    });
    this.#files.set(place, asked);
    return asked;
  }
}

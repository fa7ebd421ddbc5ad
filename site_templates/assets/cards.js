// What is shown of a review that was found: a few lines of it, in files of some reviews each (docs/search.md).

const CARDS = 4;

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
    if (!row) return null;
    const [slug, title, excerpt, author, date, rating, product] = row;
    return { slug, title, excerpt, author, date, rating, product };
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

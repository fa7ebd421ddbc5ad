/**
 * Where a copy is kept: in memory, or in IndexedDB for browsers.
 *
 * @module
 */

/** @typedef {import("./content.js").Store} Store */
/** @typedef {import("./content.js").Bundle} Bundle */
/** @typedef {import("./content.js").Kind} Kind */
/** @typedef {import("./content.js").Product} Product */
/** @typedef {import("./content.js").ReviewRecord} ReviewRecord */
/** @typedef {Record<Kind, Map<string, Row>>} Rows */
/** @typedef {{id: string, product: string, tags: string[], published_at: string, record: unknown}} Row */

const KINDS = /** @type {const} */ (["editor", "product", "review"]);

/** A row with what it is looked up by. @param {Kind} kind @param {unknown} record @returns {Row} */
function row(kind, record) {
  const review = /** @type {ReviewRecord} */ (record);
  const [product, tags, published_at] =
    kind === "review" ? [review.product_id ?? "", review.tags.map((tag) => tag.slug), review.published_at] : ["", [], ""];
  return { id: review.id, product, tags, published_at, record };
}

/** @param {Row} a @param {Row} b */
function newestFirst(a, b) {
  if (a.published_at !== b.published_at) return a.published_at < b.published_at ? 1 : -1;
  return a.id < b.id ? 1 : -1;
}

/** A copy that lives as long as the program. @implements {Store} */
export class MemoryStore {
  /** @type {Map<string, unknown>} */
  #facts = new Map();
  /** @type {Map<string, Uint8Array>} */
  #kept = new Map();
  /** @type {Rows} */
  #rows = { editor: new Map(), product: new Map(), review: new Map() };

  /** @param {string} name */
  async fact(name) {
    return this.#facts.get(name);
  }

  /** @param {string} name @param {unknown} value */
  async set(name, value) {
    this.#facts.set(name, value);
  }

  /** @param {string} sha256 */
  async kept(sha256) {
    return this.#kept.get(sha256);
  }

  /** @param {string} sha256 @param {Uint8Array} body */
  async keep(sha256, body) {
    this.#kept.set(sha256, body);
  }

  /**
   * @param {string[]} sha256s
   * @param {(body: Uint8Array) => Bundle} read
   * @param {Record<string, unknown>} facts
   * @param {boolean} afresh
   */
  async apply(sha256s, read, facts, afresh) {
    const next = /** @type {Rows} */ (
      Object.fromEntries(KINDS.map((kind) => [kind, new Map(afresh ? [] : this.#rows[kind])]))
    );
    for (const sha256 of sha256s) {
      const body = this.#kept.get(sha256);
      if (!body) throw new Error(`${sha256} was kept and is not there`);
      const bundle = read(body);
      for (const gone of bundle.gone) next[gone.kind].delete(gone.id);
      for (const kind of KINDS) {
        for (const record of bundle[`${kind}s`]) next[kind].set(record.id, row(kind, record));
      }
    }
    this.#rows = next;
    for (const [name, value] of Object.entries(facts)) this.#facts.set(name, value);
    this.#kept.clear();
  }

  /** @param {Kind} kind @param {string} id */
  async record(kind, id) {
    return this.#rows[kind].get(id)?.record;
  }

  /** @param {Kind} kind */
  async records(kind) {
    return [...this.#rows[kind].values()].sort((a, b) => (a.id < b.id ? -1 : 1)).map((one) => one.record);
  }

  /** @param {{product?: string | undefined, tag?: string | undefined}} choice */
  async reviewIds({ product, tag }) {
    return [...this.#rows.review.values()]
      .filter((one) => product === undefined || one.product === product)
      .filter((one) => tag === undefined || one.tags.includes(tag))
      .sort(newestFirst)
      .map((one) => one.id);
  }
}

/** What records are looked up by, beside their id: names of indexes, and where a row has their keys. */
const INDEXES = /** @type {const} */ ({
  editor: { slug: "record.slug" },
  product: { slug: "record.slug", brand: "record.brand.slug" },
  review: { slug: "record.slug", editor: "record.editor_id", product: "product" },
});

/** A copy in the browser's IndexedDB. @implements {Store} */
export class IndexedDbStore {
  #db;

  /** @param {IDBDatabase} db */
  constructor(db) {
    this.#db = db;
  }

  /** Open the copy of this name, empty at first. @param {string} [name] */
  static async open(name = "randomcamerareviews") {
    const request = indexedDB.open(name, 2);
    request.onupgradeneeded = () => {
      const { result: db, transaction } = request;
      for (const kind of KINDS) {
        const rows = db.objectStoreNames.contains(kind)
          ? /** @type {IDBTransaction} */ (transaction).objectStore(kind)
          : db.createObjectStore(kind, { keyPath: "id" });
        for (const [index, path] of Object.entries(INDEXES[kind])) {
          if (!rows.indexNames.contains(index)) rows.createIndex(index, path);
        }
        if (kind === "review" && !rows.indexNames.contains("tags")) rows.createIndex("tags", "tags", { multiEntry: true });
      }
      for (const other of ["facts", "kept"]) {
        if (!db.objectStoreNames.contains(other)) db.createObjectStore(other);
      }
    };
    return new IndexedDbStore(await answer(request));
  }

  /** Close the copy. */
  close() {
    this.#db.close();
  }

  /** @param {string} name @returns {Promise<unknown>} */
  async fact(name) {
    return answer(this.#db.transaction("facts").objectStore("facts").get(name));
  }

  /** @param {string} name @param {unknown} value */
  async set(name, value) {
    const change = this.#db.transaction("facts", "readwrite");
    change.objectStore("facts").put(value, name);
    await done(change);
  }

  /** @param {string} sha256 @returns {Promise<Uint8Array | undefined>} */
  async kept(sha256) {
    return answer(this.#db.transaction("kept").objectStore("kept").get(sha256));
  }

  /** @param {string} sha256 @param {Uint8Array} body */
  async keep(sha256, body) {
    const change = this.#db.transaction("kept", "readwrite");
    change.objectStore("kept").put(body, sha256);
    await done(change);
  }

  /**
   * @param {string[]} sha256s
   * @param {(body: Uint8Array) => Bundle} read
   * @param {Record<string, unknown>} facts
   * @param {boolean} afresh
   */
  async apply(sha256s, read, facts, afresh) {
    const change = this.#db.transaction([...KINDS, "facts", "kept"], "readwrite");
    const end = done(change);
    try {
      if (afresh) for (const kind of KINDS) change.objectStore(kind).clear();
      for (const sha256 of sha256s) {
        const body = await answer(change.objectStore("kept").get(sha256));
        if (!body) throw new Error(`${sha256} was kept and is not there`);
        const bundle = read(body);
        for (const gone of bundle.gone) change.objectStore(gone.kind).delete(gone.id);
        for (const kind of KINDS) {
          for (const record of bundle[`${kind}s`]) change.objectStore(kind).put(row(kind, record));
        }
      }
      for (const [name, value] of Object.entries(facts)) change.objectStore("facts").put(value, name);
      change.objectStore("kept").clear();
    } catch (error) {
      change.abort();
      await end.catch(() => undefined);
      throw error;
    }
    await end;
  }

  /** @param {Kind} kind @param {string} id @returns {Promise<unknown>} */
  async record(kind, id) {
    const found = /** @type {Row | undefined} */ (await answer(this.#rows(kind).get(id)));
    return found?.record;
  }

  /** @param {Kind} kind @returns {Promise<unknown[]>} */
  async records(kind) {
    const rows = /** @type {Row[]} */ (await answer(this.#rows(kind).getAll()));
    return rows.map((one) => one.record);
  }

  /** @param {{product?: string | undefined, tag?: string | undefined}} choice */
  async reviewIds({ product, tag }) {
    const rows = this.#rows("review");
    const found = /** @type {Row[]} */ (
      await answer(
        tag !== undefined ? rows.index("tags").getAll(tag)
          : product !== undefined ? rows.index("product").getAll(product) : rows.getAll(),
      )
    );
    return found.filter((one) => product === undefined || one.product === product).sort(newestFirst).map((one) => one.id);
  }

  /**
   * The records of a kind that an index leads to: those of this `slug`, the products of a `brand`, the reviews of an
   * `editor`.
   *
   * @param {Kind} kind @param {"slug" | "brand" | "editor"} index @param {string} value @returns {Promise<unknown[]>}
   */
  async found(kind, index, value) {
    const rows = /** @type {Row[]} */ (await answer(this.#rows(kind).index(index).getAll(value)));
    return rows.map((one) => one.record);
  }

  /** @param {Kind} kind */
  #rows(kind) {
    return this.#db.transaction(kind).objectStore(kind);
  }
}

/**
 * A copy of one brand in another store: its cameras and lenses, and their reviews. Everything is fetched, and what is of
 * other brands is not kept.
 *
 * @implements {Store}
 */
export class OneBrand {
  #store;
  #brand;

  /** @param {Store} store @param {string} brand Its slug. */
  constructor(store, brand) {
    this.#store = store;
    this.#brand = brand;
  }

  /** @param {string} name */
  fact(name) {
    return this.#store.fact(name);
  }

  /** @param {string} name @param {unknown} value */
  set(name, value) {
    return this.#store.set(name, value);
  }

  /** @param {string} sha256 */
  kept(sha256) {
    return this.#store.kept(sha256);
  }

  /** @param {string} sha256 @param {Uint8Array} body */
  keep(sha256, body) {
    return this.#store.keep(sha256, body);
  }

  /**
   * @param {string[]} sha256s
   * @param {(body: Uint8Array) => Bundle} read
   * @param {Record<string, unknown>} facts
   * @param {boolean} afresh
   */
  async apply(sha256s, read, facts, afresh) {
    const held = afresh ? [] : /** @type {Product[]} */ (await this.#store.records("product"));
    const own = new Set(held.map((product) => product.id));
    let gained = false;
    // A review may come before its product does, so all products are looked at first.
    for (const sha256 of sha256s) {
      const body = await this.#store.kept(sha256);
      for (const product of body ? read(body).products : []) {
        if (product.brand.slug !== this.#brand) own.delete(product.id);
        else if (!own.has(product.id)) {
          own.add(product.id);
          gained = true;
        }
      }
    }
    /** @param {Uint8Array} body @returns {Bundle} */
    const filtered = (body) => {
      const { gone, editors, products, reviews } = read(body);
      const others = [
        ...products.filter((one) => !own.has(one.id)).map((one) => ({ kind: /** @type {const} */ ("product"), id: one.id })),
        ...reviews.filter((one) => !own.has(one.product_id ?? "")).map((one) => ({ kind: /** @type {const} */ ("review"), id: one.id })),
      ];
      return {
        gone: [...gone, ...others],
        editors,
        products: products.filter((one) => own.has(one.id)),
        reviews: reviews.filter((one) => own.has(one.product_id ?? "")),
      };
    };
    // A product may have come from another brand, and its reviews were not kept: the fact `again` says to begin anew.
    const after = gained && !afresh ? { ...facts, again: true } : facts;
    await this.#store.apply(sha256s, filtered, after, afresh);
  }

  /** @param {Kind} kind @param {string} id */
  record(kind, id) {
    return this.#store.record(kind, id);
  }

  /** @param {Kind} kind */
  records(kind) {
    return this.#store.records(kind);
  }

  /** @param {{product?: string | undefined, tag?: string | undefined}} choice */
  reviewIds(choice) {
    return this.#store.reviewIds(choice);
  }
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
function answer(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @param {IDBTransaction} change @returns {Promise<void>} */
function done(change) {
  return new Promise((resolve, reject) => {
    change.oncomplete = () => resolve();
    change.onerror = () => reject(change.error);
    change.onabort = () => reject(change.error ?? new Error("the change was given up"));
  });
}

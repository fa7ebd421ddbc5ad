/**
 * Where a copy is kept: in memory, or in IndexedDB for browsers.
 *
 * @module
 */

/** @typedef {import("./content.js").Store} Store */
/** @typedef {import("./content.js").Bundle} Bundle */
/** @typedef {import("./content.js").Kind} Kind */
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

/** A copy in the browser's IndexedDB. @implements {Store} */
export class IndexedDbStore {
  #db;

  /** @param {IDBDatabase} db */
  constructor(db) {
    this.#db = db;
  }

  /** Open the copy of this name, empty at first. @param {string} [name] */
  static async open(name = "randomcamerareviews") {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => {
      for (const kind of KINDS) {
        const rows = request.result.createObjectStore(kind, { keyPath: "id" });
        if (kind !== "review") continue;
        rows.createIndex("product", "product");
        rows.createIndex("tags", "tags", { multiEntry: true });
      }
      request.result.createObjectStore("facts");
      request.result.createObjectStore("kept");
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

  /** @param {Kind} kind */
  #rows(kind) {
    return this.#db.transaction(kind).objectStore(kind);
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

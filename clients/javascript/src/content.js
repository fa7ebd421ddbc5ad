/**
 * A copy of a site's reviews, brought up to date by `sync` and read without a network.
 *
 * Follows docs/bundles.md of the publisher. One module without imports, so that a page can load it as it is; it needs
 * WebCrypto with Ed25519 (Chrome 137, Firefox 129, Safari 17, Node 20). Where the copy is kept is up to a `Store`
 * (stores.js has one for browsers and one in memory).
 *
 * @module
 */

const FORMAT = 1;
const HEAD_PATH = "/content/sync/head.jws";
const KEYS_PATH = "/.well-known/jwks.json";
const MAX_HEAD = 16384;
const MAX_OBJECT = 256_000_000;
const MAX_DEPTH = 64;
const DAY = 86_400_000;
const KINDS = ["review", "product", "editor"];
const BUNDLED = /** @type {const} */ (["gone", "editors", "products", "reviews"]);

/** @typedef {{name: string, slug: string}} Tag */
/** @typedef {{id: string, slug: string, name: string, url: string}} Editor */
/**
 * @typedef {{id: string, slug: string, kind: "camera" | "lens", version: number, url: string, name: string, brand: Tag,
 *   model: string, aliases: string[], specs: Record<string, unknown>, sources: Record<string, unknown>,
 *   source: string | null}} Product
 */
/**
 * @typedef {{id: string, slug: string, version: number, url: string, title: string, summary: string, lang: string,
 *   byline: string | null, editor_id: string, product_id: string | null, tags: Tag[], rating: number | null,
 *   pros: string[], cons: string[], published_at: string, updated_at: string, content: string, html: string,
 *   text: string}} ReviewRecord
 */
/** @typedef {ReviewRecord & {editor: Editor | null, product: Product | null}} Review */
/** @typedef {"review" | "product" | "editor"} Kind */
/**
 * @typedef {{gone: {kind: Kind, id: string}[], editors: Editor[], products: Product[], reviews: ReviewRecord[]}} Bundle
 */
/** @typedef {{epoch: number, version: number, log: string, issued: number}} Mark How new something is. */
/**
 * Where a copy is kept. `apply` becomes the next version all at once or not at all: it reads the kept objects in this
 * order, begins with nothing when `afresh`, stores the facts, and forgets every kept object.
 *
 * @typedef {object} Store
 * @property {(name: string) => Promise<unknown>} fact
 * @property {(name: string, value: unknown) => Promise<void>} set
 * @property {(sha256: string) => Promise<Uint8Array | undefined>} kept
 * @property {(sha256: string, body: Uint8Array) => Promise<void>} keep
 * @property {(sha256s: string[], read: (body: Uint8Array) => Bundle, facts: Record<string, unknown>, afresh: boolean)
 *   => Promise<void>} apply
 * @property {(kind: Kind, id: string) => Promise<unknown>} record
 * @property {(kind: Kind) => Promise<unknown[]>} records
 * @property {(choice: {product?: string | undefined, tag?: string | undefined}) => Promise<string[]>} reviewIds
 */
/** @typedef {(path: string, limit: number) => Promise<Uint8Array>} Fetch The bytes at a path of the site. */
/** @typedef {{sha256: string, length: number}} Thing An object by its digest and length. */
/** @typedef {{since: number, until: number, object: Thing | null}} Segment */
/** @typedef {{version: number, length: number, index: Thing}} Snapshot */
/**
 * @typedef {{mark: Mark, expires: number, path: string, keys: Thing, snapshot: Snapshot | null,
 *   older: {since: number, object: Thing} | null, segments: Segment[], attribution: string}} Head
 */
/**
 * What a synchronisation came to. `stale`: the site's head has expired; the copy stays, and may not be the newest.
 *
 * @typedef {{version: number, updated: boolean, stale: boolean, requests: number, bytes: number}} Synced
 */
/**
 * `onProgress` is told how many of how many bytes of the next version are there, before and after each object.
 *
 * @typedef {{keys?: Uint8Array, fetch?: Fetch, clock?: () => number, maxObject?: number,
 *   onProgress?: (done: number, total: number) => void}} Options
 */

/** Why a copy was not brought up to date; it is then as it was. `code` is one of docs/bundles.md, or `unreachable`. */
export class SyncError extends Error {
  /** @param {string} code @param {string} reason */
  constructor(code, reason) {
    super(`${code}: ${reason}`);
    this.name = new.target.name;
    this.code = code;
  }
}

/** What came is forged, damaged, older than the copy, or of another site. */
export class RefusedError extends SyncError {}

/** The site did not answer (`unreachable`), or has no such object (`missing`). */
export class UnreachableError extends SyncError {}

/** A copy of the site at `site`, kept in `store`. With `keys` (a JSON Web Key Set) only what they signed is believed. */
export class Client {
  #site;
  #store;
  #fetch;
  #clock;
  #maxObject;
  #pinned;
  #onProgress;
  #requests = 0;
  #bytes = 0;

  /** @param {string} site @param {Store} store @param {Options} [options] */
  constructor(site, store, options = {}) {
    this.#site = site.replace(/\/+$/, "");
    this.#store = store;
    this.#fetch = options.fetch ?? http(this.#site);
    this.#clock = options.clock ?? Date.now;
    this.#maxObject = options.maxObject ?? MAX_OBJECT;
    this.#pinned = options.keys ?? null;
    this.#onProgress = options.onProgress ?? (() => undefined);
  }

  /** The version of the copy; 0 while it is empty. */
  async version() {
    return (await this.#mark("held"))?.version ?? 0;
  }

  /**
   * Bring the copy up to date. Throws RefusedError for what must not be used, UnreachableError when the network fails;
   * the copy is then as it was, and the next call goes on where this one stopped.
   *
   * @returns {Promise<Synced>}
   */
  async sync() {
    this.#requests = this.#bytes = 0;
    let head;
    try {
      head = await this.#head();
    } catch (error) {
      if (!(error instanceof RefusedError) || error.code !== "expired") throw error;
      return this.#synced(false, true);
    }
    const held = await this.#accepted(head);
    if (held && held.epoch === head.mark.epoch && held.version === head.mark.version) return this.#synced(false);
    const { wanted, afresh } = await this.#wanted(head, held);
    const total = wanted.reduce((sum, one) => sum + one.length, 0);
    let done = 0;
    this.#onProgress(done, total);
    for (const one of wanted) {
      await this.#object(head, one);
      this.#onProgress((done += one.length), total);
    }
    const facts = { held: head.mark, attribution: head.attribution };
    const names = wanted.map((one) => one.sha256);
    await this.#store.apply(names, readBundle, facts, afresh);
    return this.#synced(true);
  }

  /**
   * What `sync` would fetch now: bytes before compression, of objects that are not here yet. Throws as `sync` does.
   *
   * @returns {Promise<{version: number, bytes: number}>}
   */
  async cost() {
    const head = await this.#head();
    const held = await this.#accepted(head);
    const version = head.mark.version;
    if (held && held.epoch === head.mark.epoch && held.version === version) return { version, bytes: 0 };
    let bytes = 0;
    for (const one of (await this.#wanted(head, held)).wanted) {
      if (!(await this.#store.kept(one.sha256))) bytes += one.length;
    }
    return { version, bytes };
  }

  /** A review with its product and editor; null when there is none of this id. @param {string} id */
  async review(id) {
    const found = /** @type {ReviewRecord | undefined} */ (await this.#store.record("review", id));
    if (!found) return null;
    const product = found.product_id === null ? null : await this.product(found.product_id);
    return /** @type {Review} */ ({ ...found, editor: await this.editor(found.editor_id), product });
  }

  /**
   * Reviews, the newest first: of a product (its id), with a tag (its slug), both, or all.
   *
   * @param {{product?: string, tag?: string}} [choice]
   */
  async *reviews(choice = {}) {
    for (const id of await this.#store.reviewIds(choice)) {
      const found = await this.review(id);
      if (found) yield found;
    }
  }

  /** A camera or lens; null when there is none of this id. @param {string} id */
  async product(id) {
    return /** @type {Product | null} */ ((await this.#store.record("product", id)) ?? null);
  }

  /** Every camera and lens, by id. */
  async products() {
    return /** @type {Product[]} */ (await this.#store.records("product"));
  }

  /** An editor; null when there is none of this id. @param {string} id */
  async editor(id) {
    return /** @type {Editor | null} */ ((await this.#store.record("editor", id)) ?? null);
  }

  /** Every editor, by id. */
  async editors() {
    return /** @type {Editor[]} */ (await this.#store.records("editor"));
  }

  /** Whom to credit where specifications are shown. */
  async attribution() {
    return /** @type {string} */ ((await this.#store.fact("attribution")) ?? "");
  }

  /** Take note of a head that is no older than the newest that was seen; what the copy is at. @param {Head} head */
  async #accepted(head) {
    requireNewer(head.mark, await this.#mark("seen"));
    await this.#store.set("seen", head.mark);
    await this.#renewKeys(head);
    return this.#mark("held");
  }

  /** The objects that lead to the head, in order. @param {Head} head @param {Mark | undefined} held */
  async #wanted(head, held) {
    const begins = !held || held.epoch !== head.mark.epoch;
    const plan = await this.#plan(head, begins ? 0 : held.version);
    const wanted = plan.segments.flatMap((segment) => segment.object ?? []);
    if (plan.snapshot) wanted.unshift(...readParts(await this.#object(head, plan.snapshot.index), plan.snapshot));
    return { wanted, afresh: begins || plan.snapshot !== null };
  }

  /** @param {boolean} updated @param {boolean} [stale] @returns {Promise<Synced>} */
  async #synced(updated, stale = false) {
    return { version: await this.version(), updated, stale, requests: this.#requests, bytes: this.#bytes };
  }

  /** @param {"held" | "seen"} name */
  async #mark(name) {
    return /** @type {Mark | undefined} */ (await this.#store.fact(name));
  }

  async #head() {
    const signed = await this.#get(HEAD_PATH, MAX_HEAD);
    const trusted = await this.#trusted();
    if (!trusted) return this.#verified(signed, await this.#publishedKeys());
    try {
      return await this.#verified(signed, trusted);
    } catch (error) {
      if (!(error instanceof RefusedError) || error.code !== "unknown_key" || this.#pinned) throw error;
      return this.#verified(signed, await this.#publishedKeys());
    }
  }

  /** The key set that is trusted: the one that an app ships with, until a head names another. */
  async #trusted() {
    const held = /** @type {Uint8Array | undefined} */ (await this.#store.fact("keys"));
    if (!this.#pinned) return held;
    const name = await digest(this.#pinned);
    if (held && (await this.#store.fact("pinned")) === name) return held;
    await this.#store.set("keys", this.#pinned);
    await this.#store.set("pinned", name);
    return this.#pinned;
  }

  /** @param {Uint8Array} signed @param {Uint8Array} keyset */
  async #verified(signed, keyset) {
    const head = await readHead(signed, await readKeys(keyset), this.#site, this.#clock());
    await this.#store.set("keys", keyset);
    return head;
  }

  #publishedKeys() {
    return this.#get(KEYS_PATH, MAX_HEAD);
  }

  /** Trust the key set that the head names; go on with the known one while it cannot be had. @param {Head} head */
  async #renewKeys(head) {
    const known = /** @type {Uint8Array | undefined} */ (await this.#store.fact("keys"));
    if (known && (await digest(known)) === head.keys.sha256) return;
    let keyset;
    try {
      keyset = await this.#publishedKeys();
    } catch (error) {
      if (error instanceof SyncError) return;
      throw error;
    }
    if ((await digest(keyset)) === head.keys.sha256) await this.#store.set("keys", keyset);
  }

  /** @param {Head} head @param {number} version */
  async #plan(head, version) {
    const segments = [...head.segments];
    if (head.older && !segments.some((segment) => segment.since <= version)) {
      segments.push(...readSegments(await this.#object(head, head.older.object), head));
    }
    const plan = choose(head, version, segments);
    if (!plan) throw new RefusedError("inconsistent", `nothing in the head leads from version ${version} to it`);
    return plan;
  }

  /** A verified object: one that was fetched before, or from the site. @param {Head} head @param {Thing} wanted */
  async #object(head, wanted) {
    const kept = await this.#store.kept(wanted.sha256);
    if (kept) return kept;
    if (wanted.length > this.#maxObject) throw new RefusedError("oversized", `an object of ${wanted.length} bytes`);
    const body = await this.#get(head.path.replace("{sha256}", wanted.sha256), wanted.length);
    if (body.length < wanted.length) {
      throw new RefusedError("truncated", `${body.length} bytes came of an object of ${wanted.length}`);
    }
    if ((await digest(body)) !== wanted.sha256) {
      throw new RefusedError("tampered", `the object ${wanted.sha256} has other bytes than its name says`);
    }
    await this.#store.keep(wanted.sha256, body);
    return body;
  }

  /** @param {string} path @param {number} limit */
  async #get(path, limit) {
    this.#requests += 1;
    const body = await this.#fetch(path, limit);
    this.#bytes += body.length;
    if (body.length > limit) throw new RefusedError("oversized", `more than ${limit} bytes at ${path}`);
    return body;
  }
}

/** Fetching from a site with `fetch`: bounded, no redirect followed. @param {string} site @returns {Fetch} */
export function http(site) {
  return async (path, limit) => {
    const pieces = [];
    let size = 0;
    try {
      const cache = path.startsWith("/content/sync/v") ? "default" : "no-cache";
      const answer = await fetch(site + path, { redirect: "error", credentials: "omit", cache });
      if (!answer.ok || !answer.body) {
        await answer.body?.cancel();
        const code = [403, 404, 410].includes(answer.status) ? "missing" : "unreachable";
        throw new UnreachableError(code, `${path} is answered with ${answer.status}`);
      }
      const reader = answer.body.getReader();
      for (let read = await reader.read(); !read.done; read = await reader.read()) {
        pieces.push(read.value);
        size += read.value.length;
        if (size > limit) {
          await reader.cancel();
          throw new RefusedError("oversized", `more than ${limit} bytes at ${path}`);
        }
      }
    } catch (error) {
      if (error instanceof SyncError) throw error;
      throw new UnreachableError("unreachable", `${path}: ${error}`);
    }
    const body = new Uint8Array(size);
    let at = 0;
    for (const piece of pieces) {
      body.set(piece, at);
      at += piece.length;
    }
    return body;
  };
}

/**
 * The cheapest way from `version` to the head: a snapshot to begin with or null, then segments, the oldest first; null
 * when `segments` do not lead there.
 *
 * @param {Head} head @param {number} version @param {Segment[]} segments
 * @returns {{snapshot: Snapshot | null, segments: Segment[]} | null}
 */
export function choose(head, version, segments) {
  /** @type {Map<number, {length: number, count: number, step: Segment | null}>} */
  const cost = new Map([[head.mark.version, { length: 0, count: 0, step: null }]]);
  for (const segment of [...segments].sort((a, b) => b.until - a.until || b.since - a.since)) {
    const after = cost.get(segment.until);
    if (!after) continue;
    const length = after.length + (segment.object?.length ?? 0);
    const count = after.count + (segment.object ? 1 : 0);
    const known = cost.get(segment.since);
    if (!known || length < known.length || (length === known.length && count < known.count)) {
      cost.set(segment.since, { length, count, step: segment });
    }
  }
  const ways = [];
  for (const [start, { length, count }] of cost) {
    if (start <= version) ways.push({ length, count, start, snapshot: null });
    const begin = head.snapshot;
    if (begin && start <= begin.version) {
      ways.push({ length: length + begin.length + begin.index.length, count, start, snapshot: begin });
    }
  }
  const [best] = ways.sort((a, b) => a.length - b.length || a.count - b.count || b.start - a.start);
  if (!best) return null;
  const chain = [];
  for (let step = cost.get(best.start)?.step; step; step = cost.get(step.until)?.step) chain.push(step);
  return { snapshot: best.snapshot, segments: chain };
}

/** @param {Mark} head @param {Mark | undefined} known */
function requireNewer(head, known) {
  if (!known) return;
  if (head.epoch < known.epoch || (head.epoch === known.epoch && head.version < known.version)) {
    throw new RefusedError("rollback", `version ${head.version} comes after ${known.version}`);
  }
  if (head.epoch === known.epoch && head.version === known.version && head.log !== known.log) {
    throw new RefusedError("forked", `version ${head.version} is not the one that is known`);
  }
}

/**
 * The head in a signed head, when it is signed by one of `keys`, of `site`, and good at `now` (milliseconds).
 *
 * @param {Uint8Array} signed @param {Map<string, CryptoKey>} keys @param {string} site @param {number} now
 * @returns {Promise<Head>}
 */
async function readHead(signed, keys, site, now) {
  const head = parseHead(await payload(signed, keys), site);
  if (head.mark.issued > now + DAY) throw new RefusedError("future", "the head was issued after today");
  if (head.expires <= now) throw new RefusedError("expired", `until ${new Date(head.expires).toISOString()}`);
  return head;
}

/** @param {Uint8Array} signed @param {Map<string, CryptoKey>} keys */
async function payload(signed, keys) {
  const parts = Array.from(signed, (byte) => String.fromCharCode(byte)).join("").split(".");
  const [first, second, third] = parts;
  if (parts.length !== 3 || first === undefined || second === undefined || third === undefined) {
    throw new RefusedError("malformed", "not three parts with dots between them");
  }
  const header = parse(base64url(first, "the header"), "the header");
  if (header.typ !== "head+jws") throw new RefusedError("wrong_type", `the signature is of a ${header.typ}`);
  if (header.alg !== "EdDSA" || "crit" in header) throw new RefusedError("wrong_algorithm", `signed by ${header.alg}`);
  const key = typeof header.kid === "string" ? keys.get(header.kid) : undefined;
  if (!key) throw new RefusedError("unknown_key", `signed by ${header.kid}, which is not trusted`);
  const said = base64url(second, "the payload");
  const signature = base64url(third, "the signature");
  const bytes = new TextEncoder().encode(`${first}.${second}`);
  const good = await crypto.subtle.verify("Ed25519", key, signature, bytes).catch(() => false);
  if (!good) throw new RefusedError("bad_signature", "the signature is not that of the key");
  return said;
}

/** @param {Uint8Array} body @param {string} site @returns {Head} */
function parseHead(body, site) {
  const said = parse(body, "the head");
  if (said.format !== FORMAT) throw new RefusedError("unsupported", `format ${said.format}`);
  if (text(said, "site").replace(/\/+$/, "") !== site) {
    throw new RefusedError("other_site", `the head is that of ${said.site}`);
  }
  const mark = {
    epoch: number(said, "epoch"), version: number(said, "version"), log: text(said, "log"), issued: moment(said, "issued"),
  };
  const path = text(said, "objects");
  if (!/^\/[^/]/.test(path) || path.split("{sha256}").length !== 2) {
    throw new RefusedError("malformed", "the path of objects has no place for a digest");
  }
  for (const name of ["snapshot", "older"]) if (said[name] !== null) object(said[name], name);
  return {
    mark,
    expires: moment(said, "expires"),
    path,
    keys: thing(said.keys),
    snapshot: said.snapshot === null ? null : snapshot(object(said.snapshot, "snapshot"), mark.version),
    older: said.older === null ? null : { since: number(object(said.older, "older"), "from"), object: thing(said.older) },
    segments: list(said, "segments").map((one) => segment(one, mark.version)),
    attribution: text(said, "attribution"),
  };
}

/** @param {unknown} value @param {number} newest @returns {Segment} */
function segment(value, newest) {
  const said = object(value, "a segment");
  const since = number(said, "from");
  const until = number(said, "to");
  if (!(since < until && until <= newest)) {
    throw new RefusedError("inconsistent", `a segment leads from ${since} to ${until}, the head is at ${newest}`);
  }
  return { since, until, object: "sha256" in said ? thing(said) : null };
}

/** @param {Record<string, unknown>} said @param {number} newest @returns {Snapshot} */
function snapshot(said, newest) {
  const version = number(said, "version");
  if (version > newest) throw new RefusedError("inconsistent", "the snapshot is newer than the head");
  return { version, length: number(said, "bytes"), index: thing(said.index) };
}

/** @param {Uint8Array} body @param {Head} head */
function readSegments(body, head) {
  return list(formatted(body, "the list of segments"), "segments").map((one) => segment(one, head.mark.version));
}

/** @param {Uint8Array} body @param {Snapshot} whole */
function readParts(body, whole) {
  const index = formatted(body, "the index of the snapshot");
  const parts = list(index, "parts").map(thing);
  if (index.version !== whole.version || parts.reduce((sum, part) => sum + part.length, 0) !== whole.length) {
    throw new RefusedError("inconsistent", "the index is not that of the snapshot that the head names");
  }
  return parts;
}

/** The records of a bundle. @param {Uint8Array} body @returns {Bundle} */
function readBundle(body) {
  const said = formatted(body, "a bundle");
  for (const name of BUNDLED) {
    for (const one of list(said, name)) text(object(one, name), "id");
  }
  const bundle = /** @type {Bundle} */ (/** @type {unknown} */ (said));
  if (!bundle.gone.every((one) => KINDS.includes(one.kind))) {
    throw new RefusedError("malformed", "a bundle removes something that is no record");
  }
  for (const review of bundle.reviews) {
    const record = /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (review));
    text(record, "editor_id");
    text(record, "published_at");
    for (const tag of list(record, "tags")) text(object(tag, "a tag"), "slug");
  }
  return bundle;
}

/** The Ed25519 keys of a JSON Web Key Set; keys of other kinds are passed over. @param {Uint8Array} body */
async function readKeys(body) {
  const keys = new Map();
  for (const value of list(parse(body, "the key set"), "keys")) {
    const key = /** @type {Record<string, unknown> | null} */ (value);
    if (!key || typeof key !== "object" || key.kty !== "OKP" || key.crv !== "Ed25519") continue;
    if (typeof key.kid !== "string" || typeof key.x !== "string") continue;
    const raw = base64url(key.x, "a key");
    if (raw.length === 32) keys.set(key.kid, await crypto.subtle.importKey("raw", raw, "Ed25519", true, ["verify"]));
  }
  return keys;
}

/** The name of an object: its SHA-256 in base64url without padding. @param {Uint8Array} body */
async function digest(body) {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", /** @type {Uint8Array<ArrayBuffer>} */ (body)));
  return encoded(bytes);
}

/** @param {Uint8Array} bytes */
function encoded(bytes) {
  const plain = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return plain.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** @param {string} written @param {string} name */
function base64url(written, name) {
  let plain = "";
  try {
    if (/^[A-Za-z0-9_-]*$/.test(written)) plain = atob(written.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    plain = "";
  }
  const bytes = Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
  if (encoded(bytes) !== written) throw new RefusedError("malformed", `${name} is not base64url as it should be written`);
  return bytes;
}

/** @param {Uint8Array} body @param {string} name */
function formatted(body, name) {
  const said = parse(body, name);
  if (said.format !== FORMAT) throw new RefusedError("malformed", `${name} has another format than the head`);
  return said;
}

/** @param {Uint8Array} body @param {string} name */
function parse(body, name) {
  if (body.length <= MAX_HEAD && depth(body) > MAX_DEPTH) {
    throw new RefusedError("malformed", `${name} is nested too deep`);
  }
  let said;
  try {
    said = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body));
  } catch {
    throw new RefusedError("malformed", `${name} is not JSON`);
  }
  return object(said, name);
}

/** @param {Uint8Array} body */
function depth(body) {
  let deepest = 0;
  let at = 0;
  for (const byte of body) {
    if (byte === 0x5b || byte === 0x7b) deepest = Math.max(deepest, (at += 1));
    else if (byte === 0x5d || byte === 0x7d) at -= 1;
  }
  return deepest;
}

/** @param {unknown} value @returns {Thing} */
function thing(value) {
  const said = object(value, "an object");
  const sha256 = text(said, "sha256");
  if (base64url(sha256, "a digest").length !== 32) throw new RefusedError("malformed", "a digest is none");
  return { sha256, length: number(said, "bytes") };
}

/** @param {unknown} value @param {string} name @returns {Record<string, unknown>} */
function object(value, name) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw missing(name);
  return /** @type {Record<string, unknown>} */ (value);
}

/** @param {Record<string, unknown>} said @param {string} name @returns {unknown[]} */
function list(said, name) {
  const value = said[name];
  if (!Array.isArray(value)) throw missing(name);
  return value;
}

/** @param {Record<string, unknown>} said @param {string} name */
function text(said, name) {
  const value = said[name];
  if (typeof value !== "string") throw missing(name);
  return value;
}

/** @param {Record<string, unknown>} said @param {string} name */
function number(said, name) {
  const value = said[name];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw missing(name);
  return value;
}

/** Milliseconds since 1970. @param {Record<string, unknown>} said @param {string} name */
function moment(said, name) {
  const written = text(said, name);
  const value = /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(written) ? Date.parse(written) : NaN;
  if (Number.isNaN(value)) throw missing(name);
  return value;
}

/** @param {string} name */
function missing(name) {
  return new RefusedError("malformed", `${name} is missing, or is not of its type`);
}

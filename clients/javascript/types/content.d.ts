/** Fetching from a site with `fetch`: bounded, no redirect followed. @param {string} site @returns {Fetch} */
export function http(site: string): Fetch;
/**
 * The cheapest way from `version` to the head: a snapshot to begin with or null, then segments, the oldest first; null
 * when `segments` do not lead there.
 *
 * @param {Head} head @param {number} version @param {Segment[]} segments
 * @returns {{snapshot: Snapshot | null, segments: Segment[]} | null}
 */
export function choose(head: Head, version: number, segments: Segment[]): {
    snapshot: Snapshot | null;
    segments: Segment[];
} | null;
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
    constructor(code: string, reason: string);
    code: string;
}
/** What came is forged, damaged, older than the copy, or of another site. */
export class RefusedError extends SyncError {
}
/** The site did not answer (`unreachable`), or has no such object (`missing`). */
export class UnreachableError extends SyncError {
}
/** A copy of the site at `site`, kept in `store`. With `keys` (a JSON Web Key Set) only what they signed is believed. */
export class Client {
    /** @param {string} site @param {Store} store @param {Options} [options] */
    constructor(site: string, store: Store, options?: Options);
    /** The version of the copy; 0 while it is empty. */
    version(): Promise<number>;
    /**
     * Bring the copy up to date. Throws RefusedError for what must not be used, UnreachableError when the network fails;
     * the copy is then as it was, and the next call goes on where this one stopped.
     *
     * @returns {Promise<Synced>}
     */
    sync(): Promise<Synced>;
    /**
     * What `sync` would fetch now: bytes before compression, of objects that are not here yet. Throws as `sync` does.
     *
     * @returns {Promise<{version: number, bytes: number}>}
     */
    cost(): Promise<{
        version: number;
        bytes: number;
    }>;
    /** A review with its product and editor; null when there is none of this id. @param {string} id */
    review(id: string): Promise<Review | null>;
    /**
     * Reviews, the newest first: of a product (its id), with a tag (its slug), both, or all.
     *
     * @param {{product?: string, tag?: string}} [choice]
     */
    reviews(choice?: {
        product?: string;
        tag?: string;
    }): AsyncGenerator<Review, void, unknown>;
    /** A camera or lens; null when there is none of this id. @param {string} id */
    product(id: string): Promise<Product | null>;
    /** Every camera and lens, by id. */
    products(): Promise<Product[]>;
    /** An editor; null when there is none of this id. @param {string} id */
    editor(id: string): Promise<Editor | null>;
    /** Every editor, by id. */
    editors(): Promise<Editor[]>;
    /** Whom to credit where specifications are shown. */
    attribution(): Promise<string>;
    #private;
}
export type Tag = {
    name: string;
    slug: string;
};
export type Editor = {
    id: string;
    slug: string;
    name: string;
    url: string;
};
export type Product = {
    id: string;
    slug: string;
    kind: "camera" | "lens";
    version: number;
    url: string;
    name: string;
    brand: Tag;
    model: string;
    aliases: string[];
    specs: Record<string, unknown>;
    sources: Record<string, unknown>;
    source: string | null;
};
export type ReviewRecord = {
    id: string;
    slug: string;
    version: number;
    url: string;
    title: string;
    summary: string;
    lang: string;
    byline: string | null;
    editor_id: string;
    product_id: string | null;
    tags: Tag[];
    rating: number | null;
    pros: string[];
    cons: string[];
    published_at: string;
    updated_at: string;
    content: string;
    html: string;
    text: string;
};
export type Review = ReviewRecord & {
    editor: Editor | null;
    product: Product | null;
};
export type Kind = "review" | "product" | "editor";
export type Bundle = {
    gone: {
        kind: Kind;
        id: string;
    }[];
    editors: Editor[];
    products: Product[];
    reviews: ReviewRecord[];
};
/**
 * How new something is.
 */
export type Mark = {
    epoch: number;
    version: number;
    log: string;
    issued: number;
};
/**
 * Where a copy is kept. `apply` becomes the next version all at once or not at all: it reads the kept objects in this
 * order, begins with nothing when `afresh`, stores the facts, and forgets every kept object.
 */
export type Store = {
    fact: (name: string) => Promise<unknown>;
    set: (name: string, value: unknown) => Promise<void>;
    kept: (sha256: string) => Promise<Uint8Array | undefined>;
    keep: (sha256: string, body: Uint8Array) => Promise<void>;
    apply: (sha256s: string[], read: (body: Uint8Array) => Bundle, facts: Record<string, unknown>, afresh: boolean) => Promise<void>;
    record: (kind: Kind, id: string) => Promise<unknown>;
    records: (kind: Kind) => Promise<unknown[]>;
    reviewIds: (choice: {
        product?: string | undefined;
        tag?: string | undefined;
    }) => Promise<string[]>;
};
/**
 * The bytes at a path of the site.
 */
export type Fetch = (path: string, limit: number) => Promise<Uint8Array>;
/**
 * An object by its digest and length.
 */
export type Thing = {
    sha256: string;
    length: number;
};
export type Segment = {
    since: number;
    until: number;
    object: Thing | null;
};
export type Snapshot = {
    version: number;
    length: number;
    index: Thing;
};
export type Head = {
    mark: Mark;
    expires: number;
    path: string;
    keys: Thing;
    snapshot: Snapshot | null;
    older: {
        since: number;
        object: Thing;
    } | null;
    segments: Segment[];
    attribution: string;
};
/**
 * What a synchronisation came to. `stale`: the site's head has expired; the copy stays, and may not be the newest.
 */
export type Synced = {
    version: number;
    updated: boolean;
    stale: boolean;
    requests: number;
    bytes: number;
};
/**
 * `onProgress` is told how many of how many bytes of the next version are there, before and after each object.
 */
export type Options = {
    keys?: Uint8Array;
    fetch?: Fetch;
    clock?: () => number;
    maxObject?: number;
    onProgress?: (done: number, total: number) => void;
};

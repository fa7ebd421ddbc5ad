/** A copy that lives as long as the program. @implements {Store} */
export class MemoryStore implements Store {
    /** @param {string} name */
    fact(name: string): Promise<unknown>;
    /** @param {string} name @param {unknown} value */
    set(name: string, value: unknown): Promise<void>;
    /** @param {string} sha256 */
    kept(sha256: string): Promise<Uint8Array<ArrayBufferLike> | undefined>;
    /** @param {string} sha256 @param {Uint8Array} body */
    keep(sha256: string, body: Uint8Array): Promise<void>;
    /**
     * @param {string[]} sha256s
     * @param {(body: Uint8Array) => Bundle} read
     * @param {Record<string, unknown>} facts
     * @param {boolean} afresh
     */
    apply(sha256s: string[], read: (body: Uint8Array) => Bundle, facts: Record<string, unknown>, afresh: boolean): Promise<void>;
    /** @param {Kind} kind @param {string} id */
    record(kind: Kind, id: string): Promise<unknown>;
    /** @param {Kind} kind */
    records(kind: Kind): Promise<unknown[]>;
    /** @param {{product?: string | undefined, tag?: string | undefined}} choice */
    reviewIds({ product, tag }: {
        product?: string | undefined;
        tag?: string | undefined;
    }): Promise<string[]>;
    #private;
}
/** A copy in the browser's IndexedDB. @implements {Store} */
export class IndexedDbStore implements Store {
    /** Open the copy of this name, empty at first. @param {string} [name] */
    static open(name?: string): Promise<IndexedDbStore>;
    /** @param {IDBDatabase} db */
    constructor(db: IDBDatabase);
    /** Close the copy. */
    close(): void;
    /** @param {string} name @returns {Promise<unknown>} */
    fact(name: string): Promise<unknown>;
    /** @param {string} name @param {unknown} value */
    set(name: string, value: unknown): Promise<void>;
    /** @param {string} sha256 @returns {Promise<Uint8Array | undefined>} */
    kept(sha256: string): Promise<Uint8Array | undefined>;
    /** @param {string} sha256 @param {Uint8Array} body */
    keep(sha256: string, body: Uint8Array): Promise<void>;
    /**
     * @param {string[]} sha256s
     * @param {(body: Uint8Array) => Bundle} read
     * @param {Record<string, unknown>} facts
     * @param {boolean} afresh
     */
    apply(sha256s: string[], read: (body: Uint8Array) => Bundle, facts: Record<string, unknown>, afresh: boolean): Promise<void>;
    /** @param {Kind} kind @param {string} id @returns {Promise<unknown>} */
    record(kind: Kind, id: string): Promise<unknown>;
    /** @param {Kind} kind @returns {Promise<unknown[]>} */
    records(kind: Kind): Promise<unknown[]>;
    /** @param {{product?: string | undefined, tag?: string | undefined}} choice */
    reviewIds({ product, tag }: {
        product?: string | undefined;
        tag?: string | undefined;
    }): Promise<string[]>;
    /**
     * The records of a kind that an index leads to: those of this `slug`, the products of a `brand`, the reviews of an
     * `editor`.
     *
     * @param {Kind} kind @param {"slug" | "brand" | "editor"} index @param {string} value @returns {Promise<unknown[]>}
     */
    found(kind: Kind, index: "slug" | "brand" | "editor", value: string): Promise<unknown[]>;
    #private;
}
/**
 * A copy of one brand in another store: its cameras and lenses, and their reviews. Everything is fetched, and what is of
 * other brands is not kept.
 *
 * @implements {Store}
 */
export class OneBrand implements Store {
    /** @param {Store} store @param {string} brand Its slug. */
    constructor(store: Store, brand: string);
    /** @param {string} name */
    fact(name: string): Promise<unknown>;
    /** @param {string} name @param {unknown} value */
    set(name: string, value: unknown): Promise<void>;
    /** @param {string} sha256 */
    kept(sha256: string): Promise<Uint8Array<ArrayBufferLike> | undefined>;
    /** @param {string} sha256 @param {Uint8Array} body */
    keep(sha256: string, body: Uint8Array): Promise<void>;
    /**
     * @param {string[]} sha256s
     * @param {(body: Uint8Array) => Bundle} read
     * @param {Record<string, unknown>} facts
     * @param {boolean} afresh
     */
    apply(sha256s: string[], read: (body: Uint8Array) => Bundle, facts: Record<string, unknown>, afresh: boolean): Promise<void>;
    /** @param {Kind} kind @param {string} id */
    record(kind: Kind, id: string): Promise<unknown>;
    /** @param {Kind} kind */
    records(kind: Kind): Promise<unknown[]>;
    /** @param {{product?: string | undefined, tag?: string | undefined}} choice */
    reviewIds(choice: {
        product?: string | undefined;
        tag?: string | undefined;
    }): Promise<string[]>;
    #private;
}
export type Store = import("./content.js").Store;
export type Bundle = import("./content.js").Bundle;
export type Kind = import("./content.js").Kind;
export type Product = import("./content.js").Product;
export type ReviewRecord = import("./content.js").ReviewRecord;
export type Rows = Record<Kind, Map<string, Row>>;
export type Row = {
    id: string;
    product: string;
    tags: string[];
    published_at: string;
    record: unknown;
};

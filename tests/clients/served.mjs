// The site of the test vectors: what is found at a path, and everything that a copy holds.

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { UnreachableError } from "../../clients/javascript/src/content.js";

const folder = process.argv[2];
export const HEAD = "/content/sync/head.jws";
export const KEYS = "/.well-known/jwks.json";
export const described = JSON.parse(readFileSync(join(folder, "cases.json"), "utf-8"));

export function read(name) {
  return new Uint8Array(readFileSync(join(folder, name)));
}

export function served(path, overrides, newest) {
  const usual = { [HEAD]: `heads/${newest}.jws`, [KEYS]: "keys.json" }[path] ?? `site${path}`;
  const name = path in overrides ? overrides[path] : usual;
  try {
    if (name !== null) return read(name);
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
  throw new UnreachableError("missing", path);
}

export async function state(client) {
  const reviews = [];
  for await (const { editor, product, ...review } of client.reviews()) {
    if (editor?.id !== review.editor_id || (product?.id ?? null) !== review.product_id) throw new Error("not joined");
    reviews.push(review);
  }
  reviews.sort((a, b) => (a.id < b.id ? -1 : 1));
  return { editors: await client.editors(), products: await client.products(), reviews };
}

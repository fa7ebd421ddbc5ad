// What the JavaScript client makes of every test vector, as one line of JSON.

import { Client, RefusedError, SyncError } from "../../clients/javascript/src/content.js";
import { MemoryStore } from "../../clients/javascript/src/stores.js";
import { described, read, served, state } from "./served.mjs";

async function outcome(one) {
  let [serving, newest, now] = [one.before, one.begin, described.now];
  const store = new MemoryStore();
  const client = new Client(described.site, store, {
    fetch: async (path) => served(path, serving, newest),
    clock: () => Date.parse(now),
    ...(one.pinned ? { keys: read("keys.json") } : {}),
  });
  if (newest) await client.sync();
  [serving, newest, now] = [one.serve, described.newest, one.now ?? described.now];
  const found = { code: "" };
  try {
    const done = await client.sync();
    Object.assign(found, { requests: done.requests, bytes: done.bytes });
    found.outcome = done.stale ? "stale" : done.updated ? "updated" : "current";
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    found.outcome = error instanceof RefusedError ? "refused" : "unreachable";
    found.code = error.code;
  }
  const trusted = await store.fact("keys");
  found.keys = trusted ? JSON.parse(new TextDecoder().decode(trusted)).keys.map((key) => key.kid).sort() : [];
  return { ...found, version: await client.version(), state: await state(client) };
}

const found = [];
for (const one of described.cases) found.push(await outcome(one));
process.stdout.write(JSON.stringify(found));

// The JavaScript client on a connection that breaks at every request in turn, as one line of JSON.

import { Client, UnreachableError } from "../../clients/javascript/src/content.js";
import { MemoryStore } from "../../clients/javascript/src/stores.js";
import { HEAD, KEYS, described, served, state } from "./served.mjs";

const journeys = JSON.parse(process.argv[3]);

function copy(store, overrides, newest, good) {
  const asked = [];
  const fetch = async (path) => {
    if (asked.length >= good) throw new UnreachableError("unreachable", "planted");
    asked.push(path);
    return served(path, overrides, newest);
  };
  const client = new Client(described.site, store, { fetch, clock: () => Date.parse(described.now) });
  return { client, asked };
}

async function prepared(begin) {
  const store = new MemoryStore();
  if (begin) await copy(store, {}, begin, 99).client.sync();
  return store;
}

const snapshot = async (client) => ({ version: await client.version(), state: await state(client) });
const found = [];
for (const [begin, serve] of journeys) {
  const usual = copy(await prepared(begin), serve, described.newest, 99);
  await usual.client.sync();
  for (let good = 0; good < usual.asked.length; good += 1) {
    const store = await prepared(begin);
    const first = copy(store, serve, described.newest, good);
    const failed = await first.client.sync().catch((error) => error);
    if (!(failed instanceof UnreachableError)) throw new Error(`${begin}/${good}: ${failed}`);
    const broken = await snapshot(first.client);
    const second = copy(store, serve, described.newest, 99);
    await second.client.sync();
    const again = second.asked.filter((path) => first.asked.includes(path) && path !== HEAD && path !== KEYS);
    found.push({ begin, broken, whole: await snapshot(second.client), again });
  }
}
process.stdout.write(JSON.stringify(found));

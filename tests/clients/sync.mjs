// One synchronisation of the JavaScript client over HTTP, from nothing, as one line of JSON.

import { Client, http } from "../../clients/javascript/src/content.js";
import { MemoryStore } from "../../clients/javascript/src/stores.js";
import { described, read, state } from "./served.mjs";

const options = { fetch: http(process.argv[3]), clock: () => Date.parse(described.now), keys: read("keys.json") };
const client = new Client(described.site, new MemoryStore(), options);
const done = await client.sync();
process.stdout.write(JSON.stringify({ ...done, state: await state(client) }));

// MiniSearch's index of reviews: `node indexing.mjs <reviews as JSON lines> <index>`.

import { createReadStream, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import MiniSearch from "minisearch";

export const options = { fields: ["title", "tags", "summary", "text"], storeFields: ["title", "summary"], idField: "slug" };

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [reviews, place] = process.argv.slice(2);
  const index = new MiniSearch(options);
  for await (const line of createInterface({ input: createReadStream(reviews) })) index.add(JSON.parse(line));
  writeFileSync(place, JSON.stringify(index));
}

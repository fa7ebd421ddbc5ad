// What the JavaScript client's fetching makes of a bad server: a length, or the code of an error, by path.

import { SyncError, http } from "../../clients/javascript/src/content.js";

const [, , site, limit, paths] = process.argv;
const found = {};
for (const path of JSON.parse(paths)) {
  try {
    found[path] = (await http(site)(path, Number(limit))).length;
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    found[path] = error.code;
  }
}
process.stdout.write(JSON.stringify(found));

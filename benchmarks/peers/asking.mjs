// What a question to a search costs: `node asking.mjs ours|pagefind|minisearch <folder>`, questions as JSON lists on
// standard input. Says for each what was fetched by a reader who just came, and by one who asked all those before.
// Sizes are of bodies as an edge sends them: gzip at level 6, or as they are where files come compressed.

import { existsSync, readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { deflateRawSync } from "node:zlib";

const SHOWN = 8;
const [side, folder] = process.argv.slice(2);
const questions = JSON.parse(readFileSync(0, "utf-8"));
let fetched;
let held;

const packed = (body) => (body[0] === 0x1f && body[1] === 0x8b ? body.length : deflateRawSync(body, { level: 6 }).length);

const sizes = new Map();

function read(path) {
  const body = readFileSync(folder + path);
  if (!held.has(path)) {
    held.add(path);
    if (!sizes.has(path)) sizes.set(path, packed(body));
    fetched.requests += 1;
    fetched.bytes += sizes.get(path);
    const kind = path.split("/").slice(0, 4).join("/").replace(/[^/]*\.json$/, "");
    fetched.parts[kind] = (fetched.parts[kind] ?? 0) + sizes.get(path);
  }
  return body;
}

// Each gives a function that asks one question and says how many reviews were found.
const sides = {
  async ours() {
    const load = (name) => import(pathToFileURL(`${folder}/scripts/${name}`));
    const [{ Cards, Engine }, { Catalogue }] = await Promise.all(["engine.js", "finder.js"].map(load));
    return async () => {
      const get = async (path) => JSON.parse(read(path));
      const finders = [];
      for (let number = 1; existsSync(`${folder}/content/finder/${number}.json`); number += 1) {
        finders.push(`/content/finder/${number}.json`);
      }
      const engine = new Engine(get);
      const cards = new Cards(get);
      const catalogue = await Catalogue.load(finders, get);
      return async (question) => {
        const { ordinals, isWhole } = await engine.search(catalogue.read(question));
        for (const ordinal of ordinals.slice(0, SHOWN)) await cards.of(ordinal);
        return isWhole ? ordinals.length : 0;
      };
    };
  },
  // Its own script, with what it needs of a browser.
  async pagefind() {
    globalThis.window = globalThis;
    globalThis.document = {
      currentScript: null,
      querySelector: () => ({ getAttribute: () => "es" }),
    };
    globalThis.location = new URL("http://127.0.0.1/");
    globalThis.fetch = async (address) => new Response(read(new URL(address, location).pathname));
    let visits = 0;
    return async () => {
      const pagefind = await import(`${pathToFileURL(`${folder}/pagefind/pagefind.js`)}?${(visits += 1)}`);
      await pagefind.options({ basePath: "/pagefind/", noWorker: true });
      await pagefind.init();
      return async (question) => {
        const found = await pagefind.search(question);
        await Promise.all(found.results.slice(0, SHOWN).map((one) => one.data()));
        return found.results.length;
      };
    };
  },
  async minisearch() {
    const { default: MiniSearch } = await import("minisearch");
    const { options } = await import("./indexing.mjs");
    let index;
    return async () => {
      const body = read("/index.json");
      index ??= MiniSearch.loadJSON(body.toString(), options);
      return async (question) => index.search(question, { combineWith: "AND" }).length;
    };
  },
};

const visit = await sides[side]();
const answers = [];
let later;
let laterHeld;
for (const question of questions) {
  fetched = { requests: 0, bytes: 0, parts: {} };
  held = new Set();
  const found = await (await visit())(question);
  const first = fetched;
  fetched = { requests: 0, bytes: 0, parts: {} };
  held = laterHeld ??= new Set();
  const isFirst = !later;
  later ??= await visit();
  await later(question);
  answers.push({ question, found, first, later: isFirst ? null : fetched });
}
console.log(JSON.stringify(answers));

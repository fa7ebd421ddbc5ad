// What the portal's scripts find: `node finding.mjs <folder with the scripts> <folder of a site>`, questions as JSON on
// standard input, answers as JSON on standard output.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [scripts, site] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(`${scripts}/${name}`));
const { normal } = await load("names.js");
const { stem, words } = await load("terms.js");
const { Catalogue } = await load("finder.js");
const { Engine } = await load("engine.js");
const asked = JSON.parse(readFileSync(0, "utf-8"));
const fetched = [];
const get = async (path) => {
  fetched.push(path);
  return JSON.parse(readFileSync(site + path, "utf-8"));
};

const catalogue = asked.finders && (await Catalogue.load(asked.finders, get));
const answers = {
  normals: asked.normals?.map(normal),
  stems: asked.stems?.map(stem),
  words: asked.words?.map(words),
  products: asked.products?.map((question) => catalogue.find(question).slice(0, 3).map(({ kind, name, slug }) => [kind, name, slug])),
};
const engine = new Engine(get);
answers.reviews = [];
for (const { question, isOpen, products, ...filters } of asked.reviews ?? []) {
  const before = fetched.length;
  const narrowed = products ? new Set(products) : undefined;
  const found = await engine.search(catalogue.read(question), { isOpen, products: narrowed, ...filters });
  answers.reviews.push({ ...found, fetched: fetched.slice(before) });
}
if (asked.facets) answers.facets = await engine.facets();
console.log(JSON.stringify(answers));

// Words as the search index knows them: folded, stemmed, without those that say nothing. The publisher's own
// (publisher/site/terms.py) does the same; tests/stems.json holds both.

import { fold } from "./names.js";

const STOP = new Set(
  (
    "a al as com como con da das de del do dos e el em en es esta este estas estos foi for in is it la las le lo los" +
    " mas me muy na nas no nos nao o of on os ou para pela pelo pero por que se ser si sin son su sua sus seu tal tambem" +
    " tambien the their this that to um uma un una uno unos was with y ya and are at be but by from has have not or you" +
    " your we"
  ).split(" "),
);
const PLURALS = [
  ["coes", "cion"], ["ciones", "cion"], ["cao", "cion"], ["tions", "cion"], ["tion", "cion"], ["soes", "sion"],
  ["siones", "sion"], ["sao", "sion"], ["oes", "on"], ["ao", "on"], ["ies", "y"], ["ais", "al"], ["eis", "el"],
];
const VERBS =
  "ando iendo endo indo ados adas idos idas ado ada ido ida acion ing ed ar er ir".split(" ");
const SOUNDS = [["q", "c"], ["z", "c"], ["m", "n"]];
const MARK = ["mark", "mk"];
const GENERATIONS = ["ii", "iii", "iv", "v", "vi", "vii", "viii"];
export const WORD = /[\p{L}\p{N}]+/gu;

function singular(word) {
  const said = word.length > 8 && word.endsWith("mente") ? word.slice(0, -5) : word;
  for (const [end, instead] of PLURALS) {
    if (said.endsWith(end) && said.length >= end.length + 2) return said.slice(0, -end.length) + instead;
  }
  return said.length > 4 && said.endsWith("s") ? said.slice(0, -1) : said;
}

function withoutVerb(word) {
  const end = VERBS.find((one) => word.endsWith(one) && word.length >= one.length + 4);
  return end ? word.slice(0, -end.length) : word;
}

export function stem(word) {
  let said = word;
  if (said.length > 3 && !/\p{N}/u.test(said)) {
    said = withoutVerb(singular(said));
    while ((said.length > 3 && /[aeiouy]$/.test(said)) || (said.length > 4 && said.endsWith("s"))) said = said.slice(0, -1);
  }
  for (const [end, instead] of SOUNDS) if (said.endsWith(end)) return said.slice(0, -1) + instead;
  return said.length > 4 && said.endsWith("il") ? `${said.slice(0, -2)}el` : said;
}

// What a word is indexed under; empty for one that says nothing.
export function term(word) {
  const folded = fold(word);
  return STOP.has(folded) ? "" : stem(folded);
}

// The terms of a question, in order; a model and its generation (`A7 IV`, `5D Mark 4`) are one.
export function words(text) {
  const said = text.normalize("NFC").toLowerCase().match(WORD) ?? [];
  const found = [];
  said.forEach((word, at) => {
    const taken = MARK.includes(said[at - 1]) ? 2 : 1;
    const generation = taken === 2 && /^[2-8]$/.test(word) ? GENERATIONS[word - 2] : word;
    const model = said[at - taken];
    if (GENERATIONS.includes(generation) && model && /\p{N}/u.test(model)) {
      found.splice(-taken, taken, model + generation);
    } else found.push(word);
  });
  return found.map(term).filter(Boolean);
}

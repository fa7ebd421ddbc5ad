// Pages made from the copy that "keep for offline" stored: for the service worker, when there is no network.
//
// A page is the shell's page for offline with another title and matter. All words are escaped; the HTML of a review is what
// the publisher made safe, and came signed.

import { Figures } from "./figures.js";

const KINDS = { cameras: "camera", lenses: "lens" };
const PER_PAGE = 20;

function escape(text) {
  return String(text).replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

function link(address, words) {
  return `<a href="${escape(address)}">${escape(words)}</a>`;
}

// A text as words of a question are looked for: without accents and signs, a space before each word.
function plain(text) {
  return ` ${text.normalize("NFKD").replace(/\p{Mn}/gu, "").toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ")}`;
}

export class Kept {
  #store;
  #words;
  #figures;

  // `words` are those of the portal: its language, labels, and rows of the spec sheet as [key, label, unit].
  constructor(store, words) {
    this.#store = store;
    this.#words = words;
    this.#figures = new Figures(words.language, words);
  }

  close() {
    this.#store.close();
  }

  // The page at a path within `frame` (an answer); a page that says that it is not kept when it is none of the copy.
  async page(path, frame) {
    const [place, slug, ...rest] = path.split("/").filter(Boolean);
    const made = await this.#matter(place, slug, rest);
    const text = await frame.text();
    const words = this.#words;
    const { title, main } = made ?? { title: words.missing, main: this.#missing() };
    const html = text
      .replace(/<title>[^]*?<\/title>/, () => `<title>${escape(title)}</title>`)
      .replace(/<script\b[^>]*\bsrc="[^"]*offline[^"]*"[^>]*><\/script>/, "")
      .replace(/(<main id="main">)[^]*(<\/main>)/, (_, begin, end) => `${begin}${made ? this.#note() : ""}${main}${end}`);
    return new Response(html, { status: made ? 200 : 503, headers: frame.headers });
  }

  // The document of a product for the comparison; undefined when it is not kept.
  async document(path) {
    const slug = /^\/content\/products\/([a-z0-9-]+)\.json$/.exec(path)?.[1];
    const [product] = slug ? await this.#store.found("product", "slug", slug) : [];
    if (!product) return undefined;
    const ids = await this.#store.reviewIds({ product: product.id });
    const reviews = (await this.#records(ids.slice(0, PER_PAGE))).map(({ title, url }) => ({ title, url }));
    return Response.json({ format: 1, ...product, review_count: ids.length, reviews });
  }

  // Reviews that say every word in one of its forms, in rows as a file of cards has them (docs/search.md) with the slugs
  // of their tags: those first that say most of them in the title, then the newest. An error when nothing is kept.
  async search(words) {
    const found = [];
    const ids = await this.#store.reviewIds({});
    if (ids.length === 0) return Response.error();
    for (const id of ids) {
      const review = await this.#store.record("review", id);
      const product = review.product_id === null ? null : await this.#store.record("product", review.product_id);
      const tags = review.tags.map((tag) => tag.name);
      const title = plain(review.title);
      const said = plain([review.title, review.summary, product?.name, ...tags, ...review.pros, ...review.cons, review.text].join(" "));
      const within = (text) => words.filter((forms) => forms.some((form) => text.includes(` ${form}`))).length;
      if (within(said) < words.length) continue;
      const editor = await this.#store.record("editor", review.editor_id);
      const about = product && [product.kind, product.slug, product.name];
      const row = [review.slug, review.title, review.summary, review.byline || editor?.name, review.published_at, review.rating, about];
      found.push({ rank: within(title), row: [...row, review.tags.map((tag) => tag.slug)] });
    }
    return Response.json(found.sort((a, b) => b.rank - a.rank).map(({ row }) => row));
  }

  async #matter(place, slug, rest) {
    if (place === undefined || place === "archive") return this.#newest(slug);
    if (place === "reviews") return this.#review(slug);
    if (place in KINDS) return this.#product(KINDS[place], slug);
    if (place === "brands") return slug === undefined ? this.#brands() : this.#brand(slug);
    if (place === "editors") return this.#editor(slug);
    return place === "tags" ? this.#tag(slug) : null;
  }

  async #newest(number) {
    const ids = await this.#store.reviewIds({});
    if (ids.length === 0) return null;
    const pages = Math.ceil(ids.length / PER_PAGE);
    const at = Number(number ?? pages);
    const end = ids.length - (at - 1) * PER_PAGE;
    const shown = ids.slice(number === undefined ? 0 : Math.max(end - PER_PAGE, 0), number === undefined ? PER_PAGE : Math.max(end, 0));
    const older = number === undefined ? pages - 1 : at - 1;
    const way = older > 0 ? `<nav class="pager"><a rel="next" href="/archive/${older}/">${escape(this.#words.older)} →</a></nav>` : "";
    return this.#listing(this.#words.home, "", await this.#records(shown), way);
  }

  async #review(slug) {
    const [review] = await this.#store.found("review", "slug", slug);
    if (!review) return null;
    const product = review.product_id === null ? null : await this.#store.record("product", review.product_id);
    const editor = await this.#store.record("editor", review.editor_id);
    const points = (list, name, label) =>
      list.length ? `<h2>${escape(label)}</h2><ul class="${name}">${list.map((one) => `<li>${escape(one)}</li>`).join("")}</ul>` : "";
    const rating = review.rating === null ? "" : `<p class="rating"><b>${this.#figures.number(review.rating)}</b>/10</p>`;
    const said = rating + points(review.pros, "pros", this.#words.pros) + points(review.cons, "cons", this.#words.cons);
    const tags = review.tags.map((tag) => `<li>${link(`/tags/${tag.slug}/`, tag.name)}</li>`).join("");
    const main = `<article class="review" lang="${escape(review.lang)}"><header>
${product ? `<p class="kicker">${link(this.#address(product), product.name)}</p>` : ""}
<h1>${escape(review.title)}</h1>
<p class="by">${link(`/editors/${editor?.slug}/`, review.byline || editor?.name)} ${this.#day(review.published_at)}</p></header>
${said && `<div class="verdict">${said}</div>`}
<div class="body"><div class="text">${review.html}</div>${tags && `<ul class="tags">${tags}</ul>`}</div>
${product ? `<aside><h2>${link(this.#address(product), product.name)}</h2>${this.#sheet(product)}</aside>` : ""}
</article>`;
    return { title: review.title, main };
  }

  async #product(kind, slug) {
    const [product] = await this.#store.found("product", "slug", slug);
    if (!product || product.kind !== kind) return null;
    const kicker = link(`/brands/${product.brand.slug}/`, product.brand.name);
    const reviews = await this.#records(await this.#store.reviewIds({ product: product.id }));
    return this.#listing(product.name, kicker, reviews, "", `<section><h2>${escape(this.#words.specifications)}</h2>${this.#sheet(product)}</section>`);
  }

  async #brands() {
    const brands = new Map();
    for (const product of await this.#store.records("product")) brands.set(product.brand.slug, product.brand.name);
    if (brands.size === 0) return null;
    const items = [...brands].sort((a, b) => a[1].localeCompare(b[1])).map(([slug, name]) => `<li>${link(`/brands/${slug}/`, name)}</li>`);
    return { title: this.#words.brands, main: `${this.#masthead(this.#words.brands)}<ul class="brands">${items.join("")}</ul>` };
  }

  async #brand(slug) {
    const products = await this.#store.found("product", "brand", slug);
    if (products.length === 0) return null;
    products.sort((a, b) => a.model.localeCompare(b.model));
    const models = this.#models(this.#words.cameras, products, "camera") + this.#models(this.#words.lenses, products, "lens");
    const ids = await Promise.all(products.map((one) => this.#store.reviewIds({ product: one.id })));
    const reviews = await this.#records(ids.flat());
    reviews.sort((a, b) => (a.published_at < b.published_at ? 1 : -1));
    return this.#listing(products[0].brand.name, "", reviews, models);
  }

  #models(title, products, kind) {
    const items = products.filter((one) => one.kind === kind).map((one) => `<li>${link(this.#address(one), one.model)}</li>`);
    return items.length ? `<section><h2>${escape(title)}</h2><ul class="models">${items.join("")}</ul></section>` : "";
  }

  async #editor(slug) {
    const [editor] = await this.#store.found("editor", "slug", slug);
    if (!editor) return null;
    const reviews = await this.#store.found("review", "editor", editor.id);
    reviews.sort((a, b) => (a.published_at < b.published_at ? 1 : -1));
    return this.#listing(editor.name, "", reviews);
  }

  async #tag(slug) {
    const reviews = await this.#records(await this.#store.reviewIds({ tag: slug }));
    if (reviews.length === 0) return null;
    return this.#listing(reviews[0].tags.find((tag) => tag.slug === slug).name, "", reviews);
  }

  #records(ids) {
    return Promise.all(ids.map((id) => this.#store.record("review", id)));
  }

  // The first reviews as cards, all others as lines: a copy needs no numbered pages.
  #listing(title, kicker, reviews, after = "", before = "") {
    const cards = reviews.slice(0, PER_PAGE).map((one) => this.#card(one)).join("");
    const lines = reviews.slice(PER_PAGE).map((one) => `<li>${link(`/reviews/${one.slug}/`, one.title)}</li>`).join("");
    const main = `${this.#masthead(title, kicker)}${before}<div class="cards">${cards}</div>${lines && `<ul class="models">${lines}</ul>`}${after}`;
    return { title, main };
  }

  #card(review) {
    const rating = review.rating === null ? "" : `<b>${this.#figures.number(review.rating)}<small>/10</small></b> `;
    return `<article><h2>${link(`/reviews/${review.slug}/`, review.title)}</h2><p>${escape(review.summary)}</p>
<p class="by">${rating}${this.#day(review.published_at)}</p></article>`;
  }

  #masthead(title, kicker = "") {
    return `<div class="masthead">${kicker && `<p class="kicker">${kicker}</p>`}<h1>${escape(title)}</h1></div>`;
  }

  #sheet({ specs }) {
    const rows = this.#words.rows.map(([key, label, unit]) => [label, this.#figures.of(specs, key, unit)]);
    const said = rows.filter(([, value]) => value != null);
    return `<dl class="spec">${said.map(([label, value]) => `<div><dt>${escape(label)}</dt><dd>${escape(value)}</dd></div>`).join("")}</dl>`;
  }

  #address(product) {
    return `/${product.kind === "lens" ? "lenses" : "cameras"}/${product.slug}/`;
  }

  #day(moment) {
    const day = new Intl.DateTimeFormat(this.#words.language, { dateStyle: "long", timeZone: "UTC" }).format(new Date(moment));
    return `<time datetime="${escape(moment)}">${escape(day)}</time>`;
  }

  #note() {
    return `<p class="note kept">${escape(this.#words.note)}</p>`;
  }

  #missing() {
    const { missing, explained, home } = this.#words;
    return `<div class="masthead finder"><h1>${escape(missing)}</h1><p>${escape(explained)}</p></div><p>${link("/", home)}</p>`;
  }
}

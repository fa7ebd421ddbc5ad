// Cameras and lenses offered while one types: a combobox with a listbox, as the ARIA Authoring Practices have it.

import { make } from "./making.js";

const MOST = 6;

export class Suggestions {
  #field;
  #list;
  #words;
  #choose;
  #products = [];
  #active = -1;

  // `words` says what a camera and a lens are called; `choose` is told which product was taken.
  constructor(field, list, words, choose) {
    this.#field = field;
    this.#list = list;
    this.#words = words;
    this.#choose = choose;
    field.addEventListener("blur", () => this.show([]));
  }

  show(products) {
    this.#products = products.slice(0, MOST);
    this.#list.replaceChildren(...this.#products.map((product, place) => this.#option(product, place)));
    this.#list.hidden = this.#products.length === 0;
    this.#field.setAttribute("aria-expanded", String(!this.#list.hidden));
    this.#select(-1);
  }

  // Whether a key was meant for the list; it is then done what it asks for.
  takes(event) {
    const count = this.#products.length;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape" && count) this.show([]);
    else if (event.key === "Enter" && this.#active >= 0) this.#take(this.#active);
    else if (step && count && this.#active + step < count) this.#select(Math.max(this.#active + step, -1));
    else return false;
    event.preventDefault();
    return true;
  }

  #take(place) {
    const product = this.#products[place];
    this.show([]);
    this.#choose(product);
  }

  #option(product, place) {
    const kind = make("small", { textContent: this.#words[product.kind] });
    const line = make("li", { id: `${this.#list.id}-${place}` }, make("bdi", { textContent: product.name }), " ", kind);
    line.setAttribute("role", "option");
    line.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      this.#take(place);
    });
    return line;
  }

  #select(place) {
    this.#active = place;
    [...this.#list.children].forEach((line, at) => line.setAttribute("aria-selected", String(at === place)));
    const line = this.#list.children[place];
    if (line) this.#field.setAttribute("aria-activedescendant", line.id);
    else this.#field.removeAttribute("aria-activedescendant");
    line?.scrollIntoView({ block: "nearest" });
  }
}

// What a reader put aside to compare: up to five slugs, kept in this browser. Links with `data-compare` get a button
// beside them that adds or removes the product; the tray leads to the comparison. Without this script the links lead
// to a comparison of that one product, as they do in a browser that keeps nothing.

export const MOST = 5;
const KEPT = "compare";
const words = document.querySelector("#compare-tray")?.dataset ?? {};

export function held() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT));
    return Array.isArray(kept) ? kept.filter((slug) => typeof slug === "string").slice(0, MOST) : [];
  } catch {
    return [];
  }
}

const isKept = (() => {
  try {
    localStorage.setItem(`${KEPT}?`, "");
    localStorage.removeItem(`${KEPT}?`);
    return true;
  } catch {
    return false;
  }
})();

export function hold(slugs) {
  try {
    localStorage.setItem(KEPT, JSON.stringify(slugs.slice(0, MOST)));
  } catch {
    // a browser that keeps nothing compares what the address says
  }
  show();
}

// The button that puts a product aside, or takes it back; a link to its comparison where nothing is kept.
export function toggle(slug, name) {
  if (!isKept) return single(slug, name);
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button aside";
  button.dataset.slug = slug;
  button.textContent = words.compare;
  button.setAttribute("aria-label", words.compareOne.replace("{name}", name));
  button.addEventListener("click", () => {
    const slugs = held();
    hold(slugs.includes(slug) ? slugs.filter((one) => one !== slug) : [...slugs, slug]);
  });
  dress(button, held());
  return button;
}

function single(slug, name) {
  const link = document.createElement("a");
  link.className = "button";
  link.href = `${document.querySelector("#compare-tray a").pathname}?p=${slug}`;
  link.textContent = words.compare;
  link.setAttribute("aria-label", words.compareOne.replace("{name}", name));
  return link;
}

function dress(button, slugs) {
  const isHeld = slugs.includes(button.dataset.slug);
  button.setAttribute("aria-pressed", isHeld);
  button.disabled = !isHeld && slugs.length >= MOST;
}

function show() {
  const slugs = held();
  for (const button of document.querySelectorAll("button.aside")) dress(button, slugs);
  const tray = document.querySelector("#compare-tray");
  if (!tray) return;
  tray.hidden = slugs.length === 0;
  const link = tray.querySelector("a");
  link.href = `${link.pathname}?p=${slugs.join(",")}`;
  link.textContent = words.go.replace("{count}", slugs.length);
}

for (const link of document.querySelectorAll("a[data-compare]")) {
  link.replaceWith(toggle(link.dataset.compare, link.dataset.name));
}
document.querySelector("#compare-tray button")?.addEventListener("click", () => {
  hold([]);
  document.querySelector("button.aside")?.focus(); // this one is gone
});
addEventListener("storage", show);
addEventListener("pageshow", show);
show();

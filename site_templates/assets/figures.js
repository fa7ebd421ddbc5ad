// What a product says in the rows of its spec sheet, as a reader reads it: for the comparison, and for pages made from the
// copy that is kept. The publisher's own pages say the same (spec.html).

export class Figures {
  #language;
  #words;
  #number;
  #plural;

  // `words` has yes, no, stop and stops, and the kinds of viewfinder.
  constructor(language, words) {
    this.#language = language;
    this.#words = words;
    this.#plural = new Intl.PluralRules(language);
    this.#number = new Intl.NumberFormat(language, { maximumFractionDigits: 2, useGrouping: "always" });
  }

  number(value) {
    return this.#number.format(value);
  }

  // What `specs` say in the row of `key`, with its unit; null when it is not known or has no meaning for the product.
  of(specs, key, unit = "") {
    const said = this.#said(specs, key);
    if (said == null) return null;
    return `${typeof said === "number" ? this.number(said) : said}${unit && `\u00a0${unit}`}`;
  }

  #said(specs, key) {
    switch (key) {
      case "mount":
        return specs.mount ?? (specs.mounts?.join(", ") || null);
      case "focal":
        return this.#span(specs.focal_min_mm, specs.focal_max_mm);
      case "aperture":
        return specs.aperture_wide == null ? null : `f/${this.#span(specs.aperture_wide, specs.aperture_tele)}`;
      case "sensor":
        return this.#times(specs.sensor_width_mm, specs.sensor_height_mm);
      case "iso":
        return this.#span(specs.iso_min ?? specs.iso_max, specs.iso_max);
      case "video":
        return this.#video(specs);
      case "stabilised":
        return this.#stabilised(specs);
      case "viewfinder":
        return specs.viewfinder === "none" ? this.#words.no : specs.viewfinder && this.#words[specs.viewfinder];
      case "weather_sealed":
        return this.#answer(specs.weather_sealed);
      case "size":
        return specs.length_mm == null
          ? this.#times(specs.width_mm, specs.height_mm, specs.depth_mm)
          : this.#times(specs.diameter_mm, specs.length_mm);
      case "released":
        return this.#date(specs.released);
      case "price_usd":
        return specs.price_usd == null ? null : `US$\u00a0${this.number(specs.price_usd)}`;
      default:
        return specs[key];
    }
  }

  #span(low, high) {
    if (low == null) return null;
    return high == null || high === low ? this.number(low) : `${this.number(low)}–${this.number(high)}`;
  }

  #times(...sides) {
    const known = sides.filter((side) => side != null);
    return known.length > 1 ? known.map((side) => this.number(side)).join(" × ") : null;
  }

  #answer(value) {
    return value == null ? null : value ? this.#words.yes : this.#words.no;
  }

  #stabilised({ stabilised: has, stabilisation_stops: stops }) {
    if (has === false || stops == null) return this.#answer(has);
    const unit = this.#plural.select(stops) === "one" ? this.#words.stop : this.#words.stops;
    return `${this.#words.yes}, ${this.number(stops)}\u00a0${unit}`;
  }

  #video({ video_height_px: lines, video_fps: rate }) {
    if (lines == null) return null;
    return rate == null ? `${lines}p` : `${lines}p ${this.number(rate)}\u00a0fps`;
  }

  // A year, a month or a day, as precisely as it is known.
  #date(said) {
    if (said == null || !said.includes("-")) return said ?? null;
    const form = { year: "numeric", month: "long", timeZone: "UTC", ...(said.length > 7 && { day: "numeric" }) };
    return new Intl.DateTimeFormat(this.#language, form).format(new Date(said));
  }
}

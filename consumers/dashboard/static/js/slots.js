// Parts of a view that are drawn anew only when what they show has changed: what somebody is
// reading, selecting or has opened stays as it is while new windows arrive.
import { h } from "./dom.js";

export class Slots {
  /** Begin with an empty slot for each name, in this order. */
  constructor(root, names) {
    this.slots = new Map(names.map((name) => [name, { element: h("div", { "data-slot": name }), key: null }]));
    root.replaceChildren(...[...this.slots.values()].map((slot) => slot.element));
  }

  /** Fill a slot with what `make` returns, unless it was made from the same `shown`. */
  fill(name, shown, make) {
    const slot = this.slots.get(name);
    const key = JSON.stringify(shown);
    if (slot.key === key) return;
    slot.key = key;
    slot.element.replaceChildren(...make());
  }
}

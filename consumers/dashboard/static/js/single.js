// One incident by its own address, as a notification links to it.
import { get } from "./api.js";
import { h } from "./dom.js";
import { card, modelUrl } from "./incident.js";

export class Single {
  constructor(root, state, id) {
    this.root = root;
    this.state = state;
    this.id = id;
  }

  async load() {
    this.incident = await get(`incidents/${encodeURIComponent(this.id)}`);
    this.draw();
  }

  onIncident(incident) {
    if (incident.incident !== this.id) return;
    this.incident = incident;
    this.draw();
  }

  onWindow() {}

  draw() {
    this.root.replaceChildren(
      h("p.crumb", h("a", { href: "#/" }, "All models")),
      h("h1.sr", "Incident"),
      card(this.incident, this.state.now()),
      h("p", h("a", { href: modelUrl(this.incident) }, `See ${this.incident.model} over time`)),
    );
  }
}

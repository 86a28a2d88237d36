// A Mapper graph: hover, pan and zoom, dragged nodes stay, a click selects a node's rows, keyboard.

const GRAPH_HELP =
  "Arrow keys go from node to node, Tab to the next smaller one; Enter or Space selects its rows, " +
  "Shift adds or takes away, Escape clears. Shift and arrow keys move and pin a node, R releases all. " +
  "Plus, minus and 0 zoom; the wheel does so while the graph has the focus or Ctrl is held.";
const NUDGE = 12;
// Of so few marks the page says where they are, for tests.
const TOLD = 400;

const GRAPH_TRAITS = ["edition", "points", "radii", "edges", "weights", "pinned", "words", "marks", "noise", "title"];
GRAPH_TRAITS.push("note", "earlier", "colours", "legend", "scale", "picked", "shares", "found", "least", "height");

class MapperView extends PointsView {
  constructor(model, el) {
    super(model, new GraphCamera());
    this.open(el, GRAPH_TRAITS);
  }

  // ---- the page ------------------------------------------------------------------------------

  build(el) {
    // The attribute keeps JupyterLab from taking keys pressed here for its own commands.
    this.root = make("div", "kv-map kv-graph", el, { role: "group", "data-lm-suppress-shortcuts": "true" });
    this.title = make("div", "kv-graph-title", this.root);
    this.note = make("div", "kv-graph-note", this.root);
    const bar = make("div", "kv-map-bar", this.root, { role: "toolbar", "aria-label": "Graph" });
    this.button(bar, "Fit", "Show the whole graph (0)", () => this.fit());
    this.button(bar, "Release", "Unpin all nodes, and lay them out as before (R)", () => this.release());
    this.button(bar, "Clear", "Select nothing (Escape)", () => this.pick([]));
    this.count = make("span", "kv-map-count", bar);
    this.buildStage("kv-graph");
    this.legend = make("div", "kv-graph-legend", this.root);
    this.live = make("div", "kv-map-live", this.root, { "aria-live": "polite" });
    const details = make("details", "kv-map-table", this.root);
    make("summary", "", details).textContent = "Keys, and what the picture means";
    make("div", "kv-map-help", details).textContent =
      `${GRAPH_HELP} The size of a node grows with the logarithm of its rows, the width of an edge with the ` +
      "Jaccard index of its nodes. An arc around a node is the selected share of its rows. Drag a node to pin it. " +
      "Only who is joined with whom means something, not where a piece lies.";
  }

  // ---- what Python sends --------------------------------------------------------------------

  take() {
    const get = (name) => this.model.get(name);
    const fresh = this.edition !== get("edition");
    this.edition = get("edition");
    // What is being dragged is further than what Python knows.
    if (fresh || !this.held) this.positions = numbers(get("points"), Float32Array);
    this.marks = this.positions.length / 2;
    this.own = numbers(get("radii"), Float32Array);
    this.edges = numbers(get("edges"), Int32Array);
    this.weights = numbers(get("weights"), Float32Array);
    this.pinned = new Set(numbers(get("pinned"), Int32Array));
    this.palette = numbers(get("colours"), Uint8Array);
    this.picked = new Set(numbers(get("picked"), Int32Array));
    this.shares = numbers(get("shares"), Float32Array);
    this.found = numbers(get("found"), Float32Array);
    this.stage.style.height = `${get("height")}px`;
    if (fresh) this.begun();
    this.write();
  }

  /** Another graph than before. */
  begun() {
    this.held = undefined;
    this.cursor = -1;
    this.hover(-1);
    this.pixels = new Float32Array(this.positions.length);
    this.springs = new Springs(this.positions, this.edges);
    this.camera.fit(this.positions);
    // Tab goes from the largest node to the smallest.
    this.order = [...this.own.keys()].sort((a, b) => this.own[b] - this.own[a] || a - b);
  }

  write() {
    const get = (name) => this.model.get(name);
    this.title.textContent = get("title");
    this.note.textContent = get("note");
    this.note.classList.toggle("kv-graph-earlier", get("earlier"));
    this.root.setAttribute("aria-label", `Mapper graph, ${get("title")}: ${get("note")}`);
    this.over.setAttribute("aria-label", `Nodes of the graph ${get("title")}. ${GRAPH_HELP}`);
    const [least, all] = [get("least"), this.weights.length];
    const shown = this.weights.filter((weight) => weight >= least).length;
    const edges = least > 0 ? `${written(shown)} of ${written(all)} edges, Jaccard from ${least.toFixed(2)}` : `${written(all)} edges`;
    this.count.textContent = edges;
    this.explain();
  }

  explain() {
    this.legend.replaceChildren();
    const { label, low, high, ramp } = this.model.get("scale");
    if (label) make("span", "kv-graph-label", this.legend).textContent = label;
    if (ramp) {
      make("span", "", this.legend).textContent = written(low);
      make("span", "kv-graph-ramp", this.legend).style.background = `linear-gradient(to right, ${ramp.join(", ")})`;
      make("span", "", this.legend).textContent = written(high);
    }
    for (const [text, colour] of this.model.get("legend")) {
      const item = make("span", "kv-graph-item", this.legend);
      make("span", "kv-graph-swatch", item).style.background = colour;
      make("span", "", item).textContent = text;
    }
  }

  // ---- drawing -------------------------------------------------------------------------------

  /** Whoever looks at a part keeps it. */
  refits() {
    return !this.camera.turned;
  }

  draw() {
    if (!this.ratio || !this.pixels) return;
    const begin = performance.now();
    this.colours = { ...theme(this.stage, this.root), accent: rgb(getComputedStyle(this.legend).borderTopColor) };
    this.camera.project(this.positions, this.pixels);
    const growth = this.camera.growth;
    this.radii = this.own.map((radius) => radius * growth);
    drawGraph(this.canvas, this.scene(), this.colours, this.ratio);
    this.drawOver();
    this.drawn += 1;
    // For tests and timings: how often, which graph, and how long the last one took.
    const took = (performance.now() - begin).toFixed(1);
    Object.assign(this.root.dataset, { took, edition: String(this.edition), drawn: String(this.drawn) });
    if (this.marks <= TOLD) this.root.dataset.middles = this.middles();
  }

  /** Where the marks are, in pixels of the stage. */
  middles() {
    const round = (value) => value.toFixed(1);
    return [...this.own.keys()].map((i) => `${round(this.pixels[2 * i])},${round(this.pixels[2 * i + 1])}`).join(" ");
  }

  drawOver() {
    if (!this.colours || !this.radii) return;
    drawCursor(this.over, this.scene(), this.marked, this.colours, this.ratio);
  }

  scene() {
    const { pixels, radii, edges, weights, palette, shares, found, picked, pinned } = this;
    const [least, noise, marks] = ["least", "noise", "marks"].map((name) => this.model.get(name));
    const anyChosen = shares.some((share) => share > 0);
    return { pixels, radii, edges, weights, palette, shares, found, picked, pinned, least, noise, marks, anyChosen, count: this.marks };
  }

  // ---- gestures ------------------------------------------------------------------------------

  /** The mark under a pixel, of overlapping ones the nearest middle; or -1. */
  markAt(x, y) {
    if (!this.radii) return -1;
    let [best, found] = [Infinity, -1];
    for (let i = 0; i < this.marks; i += 1) {
      const away = Math.hypot(this.pixels[2 * i] - x, this.pixels[2 * i + 1] - y);
      if (away <= this.radii[i] + 3 && away < best) [best, found] = [away, i];
    }
    return found;
  }

  begin(event) {
    if (event.button > 1) return;
    this.over.focus({ preventScroll: true });
    this.over.setPointerCapture(event.pointerId);
    this.from = this.last = this.at(event);
    const mark = event.button === 1 ? -1 : this.markAt(...this.from);
    this.hover(-1);
    this.target = mark;
    this.dragged = false;
    event.preventDefault();
  }

  moved(event) {
    const [x, y] = this.at(event);
    if (!this.from) {
      this.hover(this.markAt(x, y), x, y);
      return;
    }
    if (!this.dragged && Math.hypot(x - this.from[0], y - this.from[1]) < 4) return;
    const [dx, dy] = [x - this.last[0], y - this.last[1]];
    if (!this.dragged && this.target >= 0) this.hold(this.target);
    this.dragged = true;
    this.last = [x, y];
    if (this.target >= 0) this.pull(this.target, dx, dy);
    else this.camera.move(dx, dy);
    this.redraw();
  }

  end(event) {
    if (!this.from) return;
    if (!this.dragged) this.click(this.target, event.shiftKey);
    else if (this.target >= 0) this.drop();
    this.stop();
  }

  stop() {
    this.from = this.held = undefined;
    this.drawOver();
  }

  click(mark, more) {
    if (mark >= 0) this.cursor = mark;
    if (mark >= 0) this.press(more);
    else if (!more) this.pick([]);
  }

  hold(mark) {
    this.held = { mark, edges: this.springs.around(mark) };
    this.pinned.add(mark);
  }

  /** Move a node by pixels; its neighbours follow, pinned ones stay. */
  pull(mark, dx, dy) {
    this.positions[2 * mark] += dx / this.camera.kx;
    this.positions[2 * mark + 1] -= dy / this.camera.ky;
    this.springs.relax(this.positions, this.held.edges, this.pinned);
  }

  drop() {
    const kept = Float32Array.from(this.positions);
    this.model.send({ kind: "move", edition: this.edition, pinned: [...this.pinned] }, undefined, [kept.buffer]);
  }

  release() {
    this.model.send({ kind: "release", edition: this.edition });
    this.live.textContent = "All nodes released";
  }

  // ---- the selection -------------------------------------------------------------------------

  /** Select the rows of these marks; shown at once, Python says what it means for the others. */
  pick(marks) {
    this.picked = new Set(marks);
    this.shares = Float32Array.from({ length: this.marks }, (_, i) => (this.picked.has(i) ? 1 : 0));
    this.model.send({ kind: "pick", edition: this.edition, marks });
    this.live.textContent = marks.length ? `${written(marks.length)} selected` : "Nothing selected";
    this.redraw();
  }

  press(more) {
    if (this.cursor < 0) return;
    if (!more) this.pick([this.cursor]);
    else if (this.picked.has(this.cursor)) this.pick([...this.picked].filter((one) => one !== this.cursor));
    else this.pick([...this.picked, this.cursor]);
  }

  // ---- keyboard ------------------------------------------------------------------------------

  key(event) {
    if (event.altKey || event.metaKey || event.ctrlKey || !this.marks) return;
    // From no node Tab leaves the graph, so nobody is caught in it.
    if (event.key === "Tab" && !this.next(event.shiftKey ? -1 : 1)) return;
    const keys = {
      Tab: () => {},
      " ": () => this.press(event.shiftKey),
      Enter: () => this.press(event.shiftKey),
      Escape: () => this.leave(),
      ...this.zoomKeys(),
      r: () => this.release(),
    };
    const arrow = ARROWS[event.key];
    const act = arrow ? () => this.step(...arrow, event.shiftKey) : keys[event.key] ?? keys[event.key.toLowerCase()];
    if (!act) return;
    act();
    event.preventDefault();
    event.stopPropagation();
  }

  leave() {
    this.cursor = -1;
    this.pick([]);
    this.drawOver();
  }

  next(by) {
    const at = this.order.indexOf(this.cursor) + by;
    if (this.cursor < 0 || at < 0 || at >= this.order.length) return false;
    this.goTo(this.order[at]);
    return true;
  }

  step(dx, dy, nudges) {
    const { width, height } = this.camera;
    if (nudges && this.cursor >= 0) {
      this.hold(this.cursor);
      this.pull(this.cursor, NUDGE * dx, NUDGE * dy);
      this.held = undefined;
      this.drop();
      this.redraw();
    } else if (this.cursor < 0) this.goTo(nearest(this.pixels, width / 2, height / 2, Infinity));
    else this.goTo(towards(this.pixels, this.cursor, dx, dy));
  }

  goTo(mark) {
    super.goTo(mark, this.picked.has(mark));
  }

  // ---- words ---------------------------------------------------------------------------------

  about(mark) {
    return (this.model.get("words")[mark] ?? "").split("\n");
  }

  hover(mark, x = 0, y = 0) {
    this.over.dataset.mode = mark < 0 ? "pan" : "node";
    super.hover(mark, x, y);
  }
}

export default {
  render({ model, el }) {
    const view = new MapperView(model, el);
    return () => view.close();
  },
};

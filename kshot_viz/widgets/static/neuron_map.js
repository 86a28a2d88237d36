// The map of a layer's neurons: hover, pan and zoom, lasso and rectangle, keyboard, table.

const MODES = [
  ["lasso", "Lasso", "Draw a line around neurons (L). Shift adds to the selection."],
  ["rectangle", "Rectangle", "Drag a rectangle around neurons (R). Shift adds to the selection."],
  ["pan", "Pan", "Drag the map (P)."],
];
const HELP =
  "Arrow keys go from neuron to neuron, Space selects, Shift and Space adds or takes away, " +
  "G selects the group, A selects all, Escape none. Plus, minus and 0 zoom; the wheel does so " +
  "while the map has the focus or Ctrl is held.";
const ROWS = 200;
const TRAITS = ["points", "labels", "palette", "numbers", "shapes", "names", "dead", "layer", "axes", "statistics", "height"];

class MapView extends PointsView {
  constructor(model, el) {
    super(model, new Camera());
    this.mode = "lasso";
    this.line = [];
    this.open(el, TRAITS);
    this.takeSelection();
  }

  // ---- the page ------------------------------------------------------------------------------

  build(el) {
    // The attribute keeps JupyterLab from taking keys pressed here for its own commands.
    this.root = make("div", "kv-map", el, { role: "group", "data-lm-suppress-shortcuts": "true" });
    const bar = make("div", "kv-map-bar", this.root, { role: "toolbar", "aria-label": "Map" });
    this.buttons = MODES.map(([mode, text, tip]) => this.button(bar, text, tip, () => this.setMode(mode)));
    this.button(bar, "Fit", "Show all neurons (0)", () => this.fit());
    this.button(bar, "Clear", "Select nothing (Escape)", () => this.select([]));
    this.count = make("span", "kv-map-count", bar);
    this.buildStage();
    this.axes = make("div", "kv-map-axes", this.root);
    this.live = make("div", "kv-map-live", this.root, { "aria-live": "polite" });
    this.details = make("details", "kv-map-table", this.root);
    this.summary = make("summary", "", this.details);
    this.table = make("div", "kv-map-rows", this.details, { tabindex: "0" });
    make("div", "kv-map-help", this.details).textContent = HELP;
    this.setMode(this.mode);
  }

  setMode(mode) {
    this.mode = mode;
    MODES.forEach(([one], i) => this.buttons[i].setAttribute("aria-pressed", String(one === mode)));
    this.over.dataset.mode = mode;
  }

  listen(traits) {
    super.listen(traits);
    const chosen = ["change:selection", () => this.takeSelection()];
    this.listeners.push(chosen);
    this.model.on(...chosen);
    this.details.addEventListener("toggle", () => this.tabulate());
  }

  // ---- what Python sends --------------------------------------------------------------------

  take() {
    const before = this.positions;
    const get = (name) => this.model.get(name);
    this.positions = numbers(get("points"), Float32Array);
    this.labels = numbers(get("labels"), Int32Array);
    this.palette = numbers(get("palette"), Uint8Array);
    this.shown = numbers(get("numbers"), Int32Array);
    this.shapes = numbers(get("shapes"), Uint8Array);
    this.statistics = numbers(get("statistics"), Float32Array);
    if (this.chosen?.length !== this.labels.length) this.takeSelection();
    this.middles = middles(this.positions, this.labels, this.palette.length / 3, NAMED);
    this.pixels = new Float32Array(this.positions.length);
    this.stage.style.height = `${get("height")}px`;
    const [x, y] = get("axes");
    this.axes.textContent = `→ ${x}   ↑ ${y}`;
    this.root.setAttribute("aria-label", `Map of the neurons of ${get("layer")}`);
    this.over.setAttribute("aria-label", `Neurons of ${get("layer")} as points. ${HELP}`);
    const same = before?.length === this.positions.length && before.every((v, i) => v === this.positions[i]);
    if (!same) {
      this.cursor = -1;
      this.hover(-1);
      this.camera.fit(this.positions);
    }
    this.tabulate();
  }

  takeSelection() {
    this.chosen = new Uint8Array(this.labels.length);
    for (const neuron of numbers(this.model.get("selection"), Int32Array)) this.chosen[neuron] = 1;
    this.selected = [...this.chosen.keys()].filter((i) => this.chosen[i]);
    const total = `${written(this.labels.length)} neuron${this.labels.length === 1 ? "" : "s"}`;
    this.count.textContent = this.selected.length ? `${written(this.selected.length)} of ${total} selected` : total;
    this.summary.textContent = `Selection as a table (${written(this.selected.length)})`;
    this.tabulate();
    this.redraw();
  }

  // ---- drawing -------------------------------------------------------------------------------

  draw() {
    if (!this.ratio) return;
    const begin = performance.now();
    this.colours = theme(this.stage, this.root);
    this.camera.project(this.positions, this.pixels);
    drawPoints(this.canvas, this.scene(), this.colours, this.ratio);
    this.drawOver();
    this.drawn += 1;
    // For tests and timings: how often, and how long the last one took.
    this.root.dataset.took = (performance.now() - begin).toFixed(1);
    this.root.dataset.drawn = String(this.drawn);
  }

  drawOver() {
    if (!this.colours) return;
    drawOver(this.over, this.scene(), this.line, this.marked, this.colours, this.ratio);
  }

  scene() {
    const { pixels, labels, palette, shapes, chosen } = this;
    const anyChosen = this.selected.length > 0;
    return { pixels, labels, palette, shapes, chosen, anyChosen, middles: this.middles, name: (g) => this.name(g) };
  }

  name(group) {
    return this.model.get("known") === false ? "" : groupName(this.model, this.shown, group);
  }

  // ---- gestures ------------------------------------------------------------------------------

  begin(event) {
    if (event.button > 1) return;
    this.over.focus({ preventScroll: true });
    this.over.setPointerCapture(event.pointerId);
    this.hover(-1);
    this.from = this.last = this.at(event);
    this.panning = this.mode === "pan" || event.button === 1;
    event.preventDefault();
  }

  moved(event) {
    const [x, y] = this.at(event);
    if (!this.from) {
      this.hover(nearest(this.pixels, x, y, 10), x, y);
    } else if (this.panning) {
      this.camera.move(x - this.last[0], y - this.last[1]);
      this.last = [x, y];
      this.redraw();
    } else {
      this.draggedTo(x, y);
    }
  }

  draggedTo(x, y) {
    const [x0, y0] = this.from;
    if (this.mode === "rectangle") this.line = [[x0, y0], [x, y0], [x, y], [x0, y]];
    else if (!this.line.length) this.line = [this.from, [x, y]];
    else if (Math.hypot(x - this.last[0], y - this.last[1]) >= 3) this.line.push([x, y]);
    else return;
    this.last = [x, y];
    this.drawOver();
  }

  end(event) {
    if (!this.from) return;
    const [x, y] = this.at(event);
    const still = Math.hypot(x - this.from[0], y - this.from[1]) < 4 && this.line.length < 4;
    if (still && !this.panning) this.click(nearest(this.pixels, x, y, 10), event.shiftKey);
    else if (!this.panning) {
      this.draggedTo(x, y);
      this.select(inside(this.pixels, this.line), event.shiftKey);
    }
    this.stop();
  }

  stop() {
    this.from = undefined;
    this.line = [];
    this.drawOver();
  }

  click(neuron, more) {
    if (neuron >= 0) this.cursor = neuron;
    if (more && neuron >= 0) this.toggle(neuron);
    else if (!more) this.select(neuron >= 0 ? [neuron] : []);
  }

  toggle(neuron) {
    if (this.chosen[neuron]) this.select(this.selected.filter((one) => one !== neuron));
    else this.select([neuron], true);
  }

  select(neurons, more = false) {
    const chosen = more ? Uint8Array.from(this.chosen) : new Uint8Array(this.labels.length);
    for (const neuron of neurons) chosen[neuron] = 1;
    const kept = Int32Array.from([...chosen.keys()].filter((i) => chosen[i]));
    this.model.set("selection", new DataView(kept.buffer));
    this.model.save_changes();
    this.takeSelection();
    this.live.textContent = kept.length ? `${written(kept.length)} selected` : "Nothing selected";
  }

  // ---- keyboard ------------------------------------------------------------------------------

  key(event) {
    if (event.altKey || event.metaKey || (event.ctrlKey && event.key !== "a")) return;
    const keys = {
      " ": () => this.press(event.shiftKey),
      Enter: () => this.press(event.shiftKey),
      Escape: () => this.select([]),
      a: () => this.select([...this.labels.keys()]),
      g: () => this.cursor >= 0 && this.selectGroup(this.labels[this.cursor], event.shiftKey),
      ...this.zoomKeys(),
      l: () => this.setMode("lasso"),
      r: () => this.setMode("rectangle"),
      p: () => this.setMode("pan"),
    };
    const act = ARROWS[event.key] ? () => this.step(...ARROWS[event.key]) : keys[event.key] ?? keys[event.key.toLowerCase()];
    if (!act || !this.labels.length) return;
    act();
    event.preventDefault();
    event.stopPropagation();
  }

  step(dx, dy) {
    const { width, height } = this.camera;
    const next =
      this.cursor < 0 ? nearest(this.pixels, width / 2, height / 2, Infinity) : towards(this.pixels, this.cursor, dx, dy);
    this.goTo(next, this.chosen[next]);
  }

  press(more) {
    if (this.cursor < 0) return;
    if (more) this.toggle(this.cursor);
    else this.select([this.cursor]);
  }

  selectGroup(group, more) {
    this.select([...this.labels.keys()].filter((i) => this.labels[i] === group), more);
  }

  // ---- words ---------------------------------------------------------------------------------

  about(neuron) {
    const named = this.model.get("statistic_names");
    const values = named.map((name, i) => `${name} ${written(this.statistics[i * this.labels.length + neuron])}`);
    const group = this.model.get("known") === false ? [] : [`group ${this.name(this.labels[neuron])}`];
    return [`${this.model.get("layer")}, neuron ${neuron}`, ...group, ...values];
  }

  tabulate() {
    if (!this.details.open) return;
    this.table.replaceChildren();
    if (!this.selected.length) {
      this.table.textContent = "Nothing is selected.";
      return;
    }
    const named = this.model.get("statistic_names");
    const table = make("table", "", this.table);
    const head = make("tr", "", make("thead", "", table));
    for (const name of ["neuron", "group", ...named]) make("th", "", head, { scope: "col" }).textContent = name;
    const body = make("tbody", "", table);
    for (const neuron of this.selected.slice(0, ROWS)) {
      const values = named.map((_, i) => written(this.statistics[i * this.labels.length + neuron]));
      const cells = make("tr", "", body);
      for (const text of [neuron, this.name(this.labels[neuron]), ...values]) make("td", "", cells).textContent = text;
    }
    if (this.selected.length > ROWS) {
      make("div", "", this.table).textContent = `The first ${ROWS} of ${written(this.selected.length)}; frame() has them all.`;
    }
  }
}

export default {
  render({ model, el }) {
    const view = new MapView(model, el);
    hideLeft(model);
    return () => view.close();
  },
};

// The correlations between a layer's neurons, ordered by group: hover, and drag to select rows.

const LEFT = 54;
const RIGHT = 62;
const TOP = 6;
const BOTTOM = 16;
const STRIP = 11;
const MATRIX_HELP =
  "Drag along the rows to select neurons, shift adds. Up and Down go from row to row, Left and " +
  "Right from column to column, Space selects the row's neuron, Shift and Space adds or takes " +
  "away, G selects the group, A selects all, Escape none.";

class MatrixView {
  constructor(model, el) {
    this.model = model;
    this.cursor = -1;
    this.column = -1;
    this.drawn = 0;
    this.build(el);
    const on = (event, act) => this.over.addEventListener(event, act);
    on("pointerdown", (event) => this.begin(event));
    on("pointermove", (event) => this.moved(event));
    on("pointerup", (event) => this.end(event));
    on("pointercancel", () => this.stop());
    on("pointerleave", () => this.hide());
    on("keydown", (event) => this.key(event));
    on("focus", () => this.draw());
    on("blur", () => this.draw());
    const data = ["values", "neurons", "labels", "palette", "numbers", "names", "dead", "known", "caption", "ramp", "selection"];
    this.listeners = data.map((name) => [`change:${name}`, () => this.soon()]);
    for (const [event, act] of this.listeners) model.on(event, act);
    this.take();
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.stage);
    this.themes = onTheme(() => this.draw());
  }

  build(el) {
    this.root = make("div", "kv-matrix", el, { role: "group", "data-lm-suppress-shortcuts": "true" });
    this.title = make("div", "kv-matrix-title", this.root);
    this.note = make("div", "kv-matrix-note", this.root);
    this.stage = make("div", "kv-matrix-stage", this.root);
    this.canvas = make("canvas", "kv-matrix-canvas", this.stage, { "aria-hidden": "true" });
    this.over = make("div", "kv-matrix-over", this.stage, { tabindex: "0", role: "application" });
    this.tip = make("div", "kv-map-tip", this.stage, { hidden: "", "aria-hidden": "true" });
    this.live = make("div", "kv-map-live", this.root, { "aria-live": "polite" });
    this.offscreen = document.createElement("canvas");
  }

  close() {
    for (const [event, act] of this.listeners) this.model.off(event, act);
    this.observer.disconnect();
    this.themes.disconnect();
    cancelAnimationFrame(this.waiting);
  }

  // ---- what Python sends --------------------------------------------------------------------

  soon() {
    cancelAnimationFrame(this.waiting);
    this.waiting = requestAnimationFrame(() => {
      this.take();
      this.draw();
    });
  }

  take() {
    const get = (name) => this.model.get(name);
    this.values = numbers(get("values"), Uint8Array);
    this.neurons = numbers(get("neurons"), Int32Array);
    this.labels = numbers(get("labels"), Int32Array);
    this.palette = numbers(get("palette"), Uint8Array);
    this.shown = numbers(get("numbers"), Int32Array);
    this.ramp = numbers(get("ramp"), Uint8Array);
    this.chosen = new Set(numbers(get("selection"), Int32Array));
    const rows = [...this.neurons.keys()];
    this.order = rows.sort((a, b) => this.group(a) - this.group(b) || a - b);
    const [title, note] = get("caption");
    this.title.textContent = title;
    this.note.textContent = note + (this.chosen.size ? `; ${written(this.chosen.size)} selected, marked below` : "");
    this.over.setAttribute("aria-label", `${title}. ${MATRIX_HELP}`);
    if (Math.max(this.cursor, this.column) >= this.order.length) this.cursor = this.column = -1;
    this.paint();
  }

  /** The group of the neuron of a row of the matrix as it was sent. */
  group(row) {
    return this.labels[this.neurons[row]] ?? 0;
  }

  correlation(row, column) {
    return this.values[this.order[row] * this.order.length + this.order[column]] / 127 - 1;
  }

  /** One pixel a cell, in the order of the groups. */
  paint() {
    const { order, values } = this;
    const n = order.length;
    const colours = new Uint8ClampedArray(256 * 4).fill(255);
    for (let i = 0; i < 255; i += 1) for (let c = 0; c < 3; c += 1) colours[4 * i + c] = this.ramp[3 * i + c];
    const words = new Uint32Array(colours.buffer);
    this.offscreen.width = this.offscreen.height = Math.max(1, n);
    const picture = new ImageData(Math.max(1, n), Math.max(1, n));
    const cells = new Uint32Array(picture.data.buffer);
    for (let row = 0; row < n; row += 1) {
      const from = order[row] * n;
      for (let column = 0; column < n; column += 1) cells[row * n + column] = words[values[from + order[column]]];
    }
    this.offscreen.getContext("2d").putImageData(picture, 0, 0);
  }

  // ---- drawing -------------------------------------------------------------------------------

  resize() {
    const width = this.stage.clientWidth;
    if (!width) return;
    this.side = Math.max(40, width - LEFT - RIGHT);
    const height = this.side + TOP + BOTTOM;
    this.stage.style.height = `${height}px`;
    this.ratio = sized(this.canvas, width, height);
    this.draw();
  }

  draw() {
    if (!this.ratio) return;
    const begin = performance.now();
    const pen = this.canvas.getContext("2d");
    const colours = theme(this.stage, this.root);
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    // Cells stay sharp; only where several share a pixel they are mixed.
    pen.imageSmoothingEnabled = this.order.length > this.side * this.ratio;
    pen.drawImage(this.offscreen, LEFT, TOP, this.side, this.side);
    pen.font = "11px system-ui, sans-serif";
    if (this.model.get("known")) this.drawGroups(pen, colours);
    this.drawSelection(pen, colours);
    this.drawScale(pen, colours);
    this.drawn += 1;
    this.root.dataset.took = (performance.now() - begin).toFixed(1);
    this.root.dataset.drawn = String(this.drawn);
  }

  drawGroups(pen, colours) {
    const cell = this.side / this.order.length;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    let end = 0;
    for (let start = 0; start < this.order.length; start = end) {
      const group = this.group(this.order[start]);
      for (end = start; end < this.order.length && this.group(this.order[end]) === group; ) end += 1;
      const [near, size] = [start * cell, (end - start) * cell];
      pen.fillStyle = css(this.palette.subarray(3 * group, 3 * group + 3));
      pen.fillRect(LEFT - STRIP - 4, TOP + near, STRIP, Math.max(1, size));
      // On the matrix itself, whose middle is white in both themes.
      pen.strokeStyle = "rgba(0, 0, 0, 0.85)";
      pen.lineWidth = size > 3 ? 1.2 : 0.5;
      pen.strokeRect(LEFT + near, TOP + near, size, size);
      if (size < 11) continue;
      pen.fillStyle = css(colours.text);
      pen.fillText(this.short(groupName(this.model, this.shown, group)), LEFT - STRIP - 9, TOP + near + size / 2);
    }
  }

  short(name) {
    return name.length > 5 ? `${name.slice(0, 4)}…` : name;
  }

  drawSelection(pen, colours) {
    const cell = this.side / this.order.length;
    const band = this.from === undefined ? null : [this.from, this.to].sort((a, b) => a - b);
    pen.fillStyle = css(colours.text);
    this.order.forEach((row, at) => {
      if (!this.chosen.has(this.neurons[row])) return;
      const width = Math.max(1.6, Math.min(cell - 1, 5));
      pen.fillRect(LEFT + (at + 0.5) * cell - width / 2, TOP + this.side + 4, width, 9);
    });
    pen.strokeStyle = "rgba(0, 0, 0, 0.9)";
    pen.lineWidth = 1.6;
    if (band) pen.strokeRect(LEFT, TOP + band[0] * cell, this.side, (band[1] - band[0] + 1) * cell);
    else if (this.cursor >= 0 && document.activeElement === this.over) this.drawCursor(pen, cell);
  }

  drawCursor(pen, cell) {
    const size = Math.max(2, cell);
    pen.strokeRect(LEFT, TOP + this.cursor * cell, this.side, size);
    pen.strokeRect(LEFT + this.column * cell, TOP + this.cursor * cell, size, size);
  }

  drawScale(pen, colours) {
    const [x, height] = [LEFT + this.side + 14, this.side * 0.7];
    const y = TOP + (this.side - height) / 2;
    const steps = 127;
    for (let i = 0; i < steps; i += 1) {
      pen.fillStyle = css(this.ramp.subarray(6 * i, 6 * i + 3));
      pen.fillRect(x, y + height - ((i + 1) * height) / steps, 11, height / steps + 0.6);
    }
    pen.fillStyle = css(colours.text);
    pen.textAlign = "left";
    pen.textBaseline = "middle";
    for (const value of [-1, -0.5, 0, 0.5, 1]) {
      const text = value.toString().replace("-", "−");
      pen.fillText(text, x + 15, y + (height * (1 - value)) / 2);
    }
  }

  // ---- gestures ------------------------------------------------------------------------------

  at(event) {
    const box = this.over.getBoundingClientRect();
    const cell = this.side / this.order.length;
    const clamp = (value) => Math.min(this.order.length - 1, Math.max(0, Math.floor(value / cell)));
    const [x, y] = [event.clientX - box.left - LEFT, event.clientY - box.top - TOP];
    const inside = x >= 0 && y >= 0 && x < this.side && y < this.side;
    return { row: clamp(y), column: clamp(x), inside, x: x + LEFT, y: y + TOP };
  }

  begin(event) {
    const at = this.at(event);
    if (event.button || !this.order.length || !at.inside) return;
    this.over.focus({ preventScroll: true });
    this.over.setPointerCapture(event.pointerId);
    this.from = this.to = at.row;
    this.cursor = this.column = at.row;
    this.hide();
    this.draw();
    event.preventDefault();
  }

  moved(event) {
    const at = this.at(event);
    if (this.from !== undefined) {
      this.to = at.row;
      this.draw();
    } else if (at.inside) this.showTip(at);
    else this.hide();
  }

  end(event) {
    if (this.from === undefined) return;
    const [low, high] = [this.from, this.at(event).row].sort((a, b) => a - b);
    this.select(this.order.slice(low, high + 1).map((row) => this.neurons[row]), event.shiftKey);
    this.stop();
  }

  stop() {
    this.from = undefined;
    this.draw();
  }

  select(neurons, more = false) {
    const chosen = new Set(more ? [...this.chosen, ...neurons] : neurons);
    this.chosen = chosen;
    const kept = Int32Array.from([...chosen].sort((a, b) => a - b));
    this.model.set("selection", new DataView(kept.buffer));
    this.model.save_changes();
    this.live.textContent = kept.length ? `${written(kept.length)} selected` : "Nothing selected";
  }

  key(event) {
    if (event.altKey || event.metaKey || event.ctrlKey || !this.order.length) return;
    const keys = {
      ArrowDown: () => this.step(1, 0),
      ArrowUp: () => this.step(-1, 0),
      ArrowRight: () => this.step(0, 1),
      ArrowLeft: () => this.step(0, -1),
      " ": () => this.press(event.shiftKey),
      Enter: () => this.press(event.shiftKey),
      a: () => this.select([...this.labels.keys()]),
      g: () => this.cursor >= 0 && this.select(this.members(), event.shiftKey),
      Escape: () => this.select([]),
    };
    const act = keys[event.key] ?? keys[event.key.toLowerCase()];
    if (!act) return;
    act();
    event.preventDefault();
    event.stopPropagation();
  }

  /** All of the layer that share the row's group: not only those that are drawn. */
  members() {
    const group = this.group(this.order[this.cursor]);
    return [...this.labels.keys()].filter((neuron) => this.labels[neuron] === group);
  }

  press(more) {
    if (this.cursor < 0) return;
    const neuron = this.neurons[this.order[this.cursor]];
    if (more && this.chosen.has(neuron)) this.select([...this.chosen].filter((one) => one !== neuron));
    else this.select([neuron], more);
  }

  step(down, right) {
    const moved = (at, by) => Math.min(this.order.length - 1, Math.max(0, at + by));
    // The first step, whatever its direction, comes to the first neuron.
    const begun = this.cursor >= 0;
    this.cursor = begun ? moved(this.cursor, down) : 0;
    this.column = begun ? moved(this.column, right) : 0;
    const chosen = this.chosen.has(this.neurons[this.order[this.cursor]]) ? ["row selected"] : [];
    this.live.textContent = [...this.about(this.cursor, this.column), ...chosen].join("; ");
    this.draw();
  }

  about(row, column) {
    const [a, b] = [row, column].map((at) => this.neurons[this.order[at]]);
    const [first, second] = [a, b].map((neuron) => groupName(this.model, this.shown, this.labels[neuron]));
    const who = a === b ? `neuron ${a} with itself` : `neurons ${a} and ${b}`;
    const lines = [who, `correlation ${this.correlation(row, column).toFixed(2)}`];
    if (!this.model.get("known")) return lines;
    const both = a === b ? "group" : "both in group";
    return [...lines, first === second ? `${both} ${first}` : `groups ${first} and ${second}`];
  }

  showTip({ row, column, x, y }) {
    this.tip.replaceChildren();
    for (const line of this.about(row, column)) make("div", "", this.tip).textContent = line;
    const wide = this.stage.clientWidth;
    this.tip.hidden = false;
    this.tip.style.left = x < wide / 2 ? `${x + 14}px` : "";
    this.tip.style.right = x < wide / 2 ? "" : `${wide - x + 14}px`;
    this.tip.style.top = `${Math.max(4, y - 10)}px`;
  }

  hide() {
    this.tip.hidden = true;
  }
}

export default {
  render({ model, el }) {
    const view = new MatrixView(model, el);
    hideLeft(model);
    return () => view.close();
  },
};

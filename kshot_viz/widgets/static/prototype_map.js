// Features of images, and the prototypes of described classes among them: hover, pan, zoom, keyboard.

const PROTOTYPE_HELP =
  "Arrow keys go from point to point. Plus, minus and 0 zoom; drag to move; the wheel zooms while the " +
  "picture has the focus or Ctrl is held. The network gives an image the class whose prototype is nearest " +
  "to its features; the picture shows two directions of these, which no text changes.";
const PROTOTYPE_TRAITS = ["points", "starts", "labels", "palette", "shapes", "wrong", "words", "names", "axes", "note", "height"];
const STAR = 11;

class PrototypeView extends PointsView {
  constructor(model, el) {
    super(model, new Camera());
    this.open(el, PROTOTYPE_TRAITS);
  }

  build(el) {
    // The attribute keeps JupyterLab from taking keys pressed here for its own commands.
    this.root = make("div", "kv-map kv-prototypes", el, { role: "group", "data-lm-suppress-shortcuts": "true" });
    const bar = make("div", "kv-map-bar", this.root, { role: "toolbar", "aria-label": "Prototypes" });
    this.button(bar, "Fit", "Show everything (0)", () => this.fit());
    this.count = make("span", "kv-map-count", bar);
    this.buildStage();
    this.over.dataset.mode = "pan";
    this.axes = make("div", "kv-map-axes", this.root);
    this.live = make("div", "kv-map-live", this.root, { "aria-live": "polite" });
    const details = make("details", "kv-map-table", this.root);
    make("summary", "", details).textContent = "Keys, and what the picture means";
    make("div", "kv-map-help", details).textContent = PROTOTYPE_HELP;
  }

  // ---- what Python sends --------------------------------------------------------------------

  take() {
    const get = (name) => this.model.get(name);
    this.positions = numbers(get("points"), Float32Array);
    this.starts = numbers(get("starts"), Float32Array);
    this.labels = numbers(get("labels"), Int32Array);
    this.palette = numbers(get("palette"), Uint8Array);
    this.shapes = numbers(get("shapes"), Uint8Array);
    this.wrong = numbers(get("wrong"), Uint8Array);
    this.images = this.wrong.length;
    this.pixels = new Float32Array(this.positions.length);
    this.from_text = new Float32Array(this.starts.length);
    this.stage.style.height = `${get("height")}px`;
    const [x, y] = get("axes");
    this.axes.textContent = `→ ${x}   ↑ ${y}\n${get("note")}`;
    this.count.textContent = `${written(this.images)} images, ${written(get("names").length)} prototypes`;
    this.root.setAttribute("aria-label", "Images' features and prototypes of classes");
    this.over.setAttribute("aria-label", `Images and prototypes as points. ${PROTOTYPE_HELP}`);
    if (this.cursor >= this.labels.length) this.cursor = -1;
    this.hover(-1);
    if (!this.moved_by_hand) this.camera.fit(this.positions);
  }

  // ---- drawing -------------------------------------------------------------------------------

  draw() {
    if (!this.ratio) return;
    this.colours = theme(this.stage, this.root);
    this.camera.project(this.positions, this.pixels);
    this.camera.project(this.starts, this.from_text);
    const { images, pixels, labels, palette, shapes } = this;
    const chosen = new Uint8Array(images);
    const scene = { pixels, labels: labels.subarray(0, images), palette, shapes, chosen, anyChosen: false, middles: [] };
    drawPoints(this.canvas, scene, this.colours, this.ratio);
    const pen = this.canvas.getContext("2d");
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    this.drawCrosses(pen);
    this.drawLines(pen);
    this.drawStars(pen);
    this.drawOver();
    this.drawn += 1;
    // For tests and timings: how often, and where the first image is.
    this.root.dataset.first = this.pixels.subarray(0, 2).join(",");
    this.root.dataset.drawn = String(this.drawn);
  }

  drawCrosses(pen) {
    const arm = radius(this.images) + 2;
    pen.beginPath();
    for (let i = 0; i < this.images; i += 1) {
      if (!this.wrong[i]) continue;
      const [x, y] = [this.pixels[2 * i], this.pixels[2 * i + 1]];
      for (const turn of [-1, 1]) {
        pen.moveTo(x - arm, y - turn * arm);
        pen.lineTo(x + arm, y + turn * arm);
      }
    }
    pen.strokeStyle = css(this.colours.text, 0.9);
    pen.lineWidth = 1.4;
    pen.stroke();
  }

  /** From where a text alone puts a prototype to where images have moved it. */
  drawLines(pen) {
    pen.beginPath();
    for (let i = 0; i < this.from_text.length / 2; i += 1) {
      const at = 2 * (this.images + i);
      pen.moveTo(this.from_text[2 * i], this.from_text[2 * i + 1]);
      pen.lineTo(this.pixels[at], this.pixels[at + 1]);
    }
    pen.strokeStyle = css(this.colours.text, 0.6);
    pen.lineWidth = 1;
    pen.stroke();
  }

  drawStars(pen) {
    const prototypes = this.pixels.subarray(2 * this.images);
    const names = this.model.get("names");
    names.forEach((_, i) => {
      const path = new Path2D();
      star(path, prototypes[2 * i], prototypes[2 * i + 1], STAR);
      const group = this.labels[this.images + i];
      pen.fillStyle = css(this.palette.subarray(3 * group, 3 * group + 3));
      pen.fill(path);
      pen.strokeStyle = css(this.colours.text, 0.95);
      pen.lineWidth = 1.4;
      pen.stroke(path);
    });
    // Names stand above the stars.
    const above = prototypes.map((value, i) => (i % 2 ? value - 8 : value));
    const middles = names.map((_, i) => ({ group: i, member: i }));
    drawNames(pen, { pixels: above, middles, name: (i) => names[i] }, this.colours);
  }

  drawOver() {
    if (!this.colours) return;
    drawOver(this.over, { pixels: this.pixels, labels: this.labels }, [], this.marked, this.colours, this.ratio);
  }

  // ---- gestures ------------------------------------------------------------------------------

  begin(event) {
    if (event.button > 1) return;
    this.over.focus({ preventScroll: true });
    this.over.setPointerCapture(event.pointerId);
    this.hover(-1);
    this.last = this.at(event);
    event.preventDefault();
  }

  moved(event) {
    const [x, y] = this.at(event);
    if (!this.last) {
      this.hover(nearest(this.pixels, x, y, 10), x, y);
      return;
    }
    this.moved_by_hand = true;
    this.camera.move(x - this.last[0], y - this.last[1]);
    this.last = [x, y];
    this.redraw();
  }

  end() {
    this.stop();
  }

  stop() {
    this.last = undefined;
  }

  wheel(event) {
    if (event.ctrlKey || document.activeElement === this.over) this.moved_by_hand = true;
    super.wheel(event);
  }

  zoom(factor) {
    this.moved_by_hand = true;
    super.zoom(factor);
  }

  fit() {
    this.moved_by_hand = false;
    super.fit();
  }

  refits() {
    return !this.moved_by_hand;
  }

  // ---- keyboard ------------------------------------------------------------------------------

  key(event) {
    if (event.altKey || event.metaKey || event.ctrlKey || !this.labels.length) return;
    const act = ARROWS[event.key] ? () => this.step(...ARROWS[event.key]) : this.zoomKeys()[event.key];
    if (!act) return;
    act();
    event.preventDefault();
    event.stopPropagation();
  }

  step(dx, dy) {
    const { width, height } = this.camera;
    const first = () => nearest(this.pixels, width / 2, height / 2, Infinity);
    this.goTo(this.cursor < 0 ? first() : towards(this.pixels, this.cursor, dx, dy), false);
  }

  about(point) {
    return this.model.get("words")[point].split("\n");
  }
}

export default {
  render({ model, el }) {
    const view = new PrototypeView(model, el);
    return () => view.close();
  },
};

// What views of points share: canvases that follow size and theme, camera, pointer, keys, tooltip.
// A subclass has build, take, draw, drawOver, about and the gestures begin, moved, end and key.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

class PointsView {
  constructor(model, camera) {
    this.model = model;
    this.camera = camera;
    this.cursor = -1;
    this.under = -1;
    this.drawn = 0;
  }

  /** Build the page in an element, and follow the traits of the model from then on. */
  open(el, traits) {
    this.build(el);
    this.listen(traits);
    this.take();
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.stage);
    this.themes = onTheme(() => this.redraw());
    this.resize();
  }

  close() {
    for (const [event, act] of this.listeners) this.model.off(event, act);
    this.observer.disconnect();
    this.themes.disconnect();
    cancelAnimationFrame(this.frame);
    cancelAnimationFrame(this.waiting);
  }

  // ---- the page ------------------------------------------------------------------------------

  buildStage(kind = "") {
    this.stage = make("div", "kv-map-stage", this.root);
    this.canvas = make("canvas", `kv-map-points ${kind && `${kind}-nodes`}`, this.stage, { "aria-hidden": "true" });
    this.over = make("canvas", `kv-map-over ${kind && `${kind}-over`}`, this.stage, { tabindex: "0", role: "application" });
    this.tip = make("div", "kv-map-tip", this.stage, { hidden: "", "aria-hidden": "true" });
  }

  button(bar, text, tip, act) {
    const made = make("button", "kv-map-button", bar, { type: "button", title: tip });
    made.textContent = text;
    made.addEventListener("click", act);
    return made;
  }

  listen(traits) {
    const on = (event, act) => this.over.addEventListener(event, act);
    on("pointerdown", (event) => this.begin(event));
    on("pointermove", (event) => this.moved(event));
    on("pointerup", (event) => this.end(event));
    on("pointercancel", () => this.stop());
    on("pointerleave", () => this.hover(-1));
    on("keydown", (event) => this.key(event));
    on("focus", () => this.drawOver());
    on("blur", () => {
      this.hover(-1);
      this.drawOver();
    });
    this.over.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.listeners = traits.map((name) => [`change:${name}`, () => this.soon()]);
    for (const [event, act] of this.listeners) this.model.on(event, act);
  }

  /** Several traits change together; they are read once. */
  soon() {
    cancelAnimationFrame(this.waiting);
    this.waiting = requestAnimationFrame(() => {
      this.take();
      this.redraw();
    });
  }

  // ---- drawing -------------------------------------------------------------------------------

  resize() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!width || !height) return;
    for (const canvas of [this.canvas, this.over]) this.ratio = sized(canvas, width, height);
    const first = this.camera.width === 1;
    this.camera.resize(width, height);
    if (first || this.refits()) this.camera.fit(this.positions);
    this.redraw();
  }

  /** Whether all points are shown again when the size changes. */
  refits() {
    return false;
  }

  redraw() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.draw());
  }

  /** The point that stands out: under the pointer, else under the cursor while there is focus. */
  get marked() {
    const focused = this.over === document.activeElement;
    return this.under >= 0 ? this.under : focused ? this.cursor : -1;
  }

  // ---- camera --------------------------------------------------------------------------------

  at(event) {
    const box = this.over.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  wheel(event) {
    if (!event.ctrlKey && document.activeElement !== this.over) return;
    event.preventDefault();
    this.camera.zoom(Math.exp(-event.deltaY * 0.0015), ...this.at(event));
    this.redraw();
  }

  fit() {
    this.camera.fit(this.positions);
    this.redraw();
  }

  zoom(factor) {
    this.camera.zoom(factor);
    this.redraw();
  }

  /** The keys of the camera. */
  zoomKeys() {
    return {
      0: () => this.fit(),
      "+": () => this.zoom(1.25),
      "=": () => this.zoom(1.25),
      "-": () => this.zoom(0.8),
    };
  }

  /** Put the cursor on a point, bring it into sight, and say what it is. */
  goTo(point, chosen) {
    const { width, height } = this.camera;
    this.cursor = point;
    const [x, y] = [this.pixels[2 * point], this.pixels[2 * point + 1]];
    if (x < 0 || y < 0 || x > width || y > height) this.camera.move(width / 2 - x, height / 2 - y);
    this.hover(-1);
    this.redraw();
    this.live.textContent = this.about(point).join("; ") + (chosen ? "; selected" : "");
  }

  // ---- words ---------------------------------------------------------------------------------

  hover(point, x = 0, y = 0) {
    if (point === this.under && point < 0) return;
    this.under = point;
    this.tip.hidden = point < 0;
    if (point >= 0) this.tell(point, x, y);
    this.drawOver();
  }

  /** Write what a point is beside the pointer, within the stage. */
  tell(point, x, y) {
    this.tip.replaceChildren();
    for (const line of this.about(point)) make("div", "", this.tip).textContent = line;
    const right = x > this.camera.width / 2;
    this.tip.style.left = right ? "" : `${x + 14}px`;
    this.tip.style.right = right ? `${this.camera.width - x + 14}px` : "";
    const most = Math.max(4, this.camera.height - this.tip.offsetHeight - 4);
    this.tip.style.top = `${Math.min(Math.max(4, y - 10), most)}px`;
  }
}

// Views of a notebook that need no kernel: their browser's side gets the state that was saved.

(() => {
  const STATE = 'script[type="application/vnd.jupyter.widget-state+json"]';
  const VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]';
  const NOTE = "Live without a kernel: hover, zoom and select. What needs Python does nothing here.";

  /** What a view asks of its model, as in anywidget; changes stay on this page. */
  class Model {
    constructor(state) {
      this.state = state;
      this.acts = {};
    }

    get(name) {
      return this.state[name];
    }

    set(name, value) {
      this.state[name] = value;
      this.tell(`change:${name}`);
    }

    tell(event) {
      for (const act of this.acts[event] || []) act();
    }

    on(events, act) {
      for (const event of events.split(" ")) (this.acts[event] ||= []).push(act);
    }

    off(events, act) {
      for (const event of events.split(" ")) {
        this.acts[event] = (this.acts[event] || []).filter((one) => one !== act);
      }
    }

    save_changes() {}

    send() {}
  }

  function bytes(text) {
    const raw = atob(text);
    const found = Uint8Array.from(raw, (one) => one.charCodeAt(0));
    return new DataView(found.buffer);
  }

  /** The state of a model, with its bytes at their path. */
  function unpacked(model) {
    const state = { ...model.state };
    for (const { path, data } of model.buffers || []) {
      let at = state;
      for (const step of path.slice(0, -1)) at = at[step];
      at[path.at(-1)] = bytes(data);
    }
    return state;
  }

  /** Models with a live view below one that is shown, in order. */
  function live(states, key, seen = new Set()) {
    const model = states[key];
    if (!model || seen.has(key)) return [];
    seen.add(key);
    if (model.state._esm) return [model];
    const children = model.state.children || [];
    return children.flatMap((one) => live(states, one.replace("IPY_MODEL_", ""), seen));
  }

  async function show(model, box) {
    const state = unpacked(model);
    const style = document.createElement("style");
    style.textContent = state._css || "";
    box.append(style);
    const el = document.createElement("div");
    box.append(el);
    // A module of a page from the file system may not be a file; a blob it may be.
    const address = URL.createObjectURL(new Blob([state._esm], { type: "text/javascript" }));
    try {
      const { default: view } = await import(address);
      view.render({ model: new Model(state), el });
    } finally {
      URL.revokeObjectURL(address);
    }
  }

  /** Fold away the picture that the cell keeps of what is live now. */
  function fold(cell) {
    const pictures = cell ? [...cell.querySelectorAll(":scope > img, :scope > .output:has(img)")] : [];
    if (!pictures.length) return;
    const kept = document.createElement("details");
    kept.className = "kv-kept";
    const title = document.createElement("summary");
    title.textContent = "The picture that the notebook keeps";
    pictures[0].before(kept);
    kept.append(title, ...pictures);
  }

  async function start() {
    const saved = document.querySelector(STATE);
    if (!saved) return;
    const { state: states } = JSON.parse(saved.textContent);
    for (const view of document.querySelectorAll(VIEW)) {
      const found = live(states, JSON.parse(view.textContent).model_id);
      if (!found.length) continue;
      const box = document.createElement("div");
      box.className = "kv-live";
      const note = document.createElement("p");
      note.className = "kv-live-note";
      note.textContent = NOTE;
      box.append(note);
      view.after(box);
      for (const model of found) await show(model, box);
      fold(view.parentElement);
    }
  }

  // The views follow JupyterLab's colours: here they are the theme's.
  const root = document.documentElement;
  const mark = () => {
    document.body.dataset.jpThemeLight = String(root.dataset.theme !== "dark");
  };
  const begin = () => {
    mark();
    new MutationObserver(mark).observe(root, { attributeFilter: ["data-theme"] });
    start();
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();

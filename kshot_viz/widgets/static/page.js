// What every view needs of the page: elements, numbers in words, the theme, bytes from Python.

function make(kind, name, parent, attributes = {}) {
  const element = document.createElement(kind);
  if (name) element.className = name;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.appendChild(element);
  return element;
}

/** Groups of three digits; a few significant ones where there are decimals. */
function written(value) {
  if (!Number.isFinite(value)) return "none";
  return Number.isInteger(value) ? value.toLocaleString("en") : value.toPrecision(3);
}

/** What is written beside a group, as in Python: its name, its number, or "dead". */
function groupName(model, shown, group) {
  return model.get("names")[group] ?? (group === model.get("dead") ? "dead" : String(shown[group]));
}

/** Copy what Python sent: a DataView need not begin where a typed array may. */
function numbers(view, Kind) {
  if (!view || !view.byteLength) return new Kind(0);
  return new Kind(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

/** Red, green and blue of a computed colour. */
function rgb(colour) {
  return (colour.match(/[\d.]+/g) || [255, 255, 255]).slice(0, 3).map(Number);
}

/** The page's colours, as the theme has them now. */
function theme(stage, textElement) {
  return {
    page: rgb(getComputedStyle(stage).backgroundColor),
    text: rgb(getComputedStyle(textElement).color),
  };
}

const css = (colour, alpha = 1) => `rgba(${colour[0]}, ${colour[1]}, ${colour[2]}, ${alpha})`;

/** Call back whenever JupyterLab changes its theme; the observer is returned. */
function onTheme(act) {
  const observer = new MutationObserver(act);
  const attributeFilter = ["data-jp-theme-name", "data-jp-theme-light", "class"];
  observer.observe(document.body, { attributes: true, attributeFilter });
  return observer;
}

/** Hide the picture that stands before a view, for readers without a kernel, while the view lives. */
function hideLeft(model) {
  const hide = () => {
    const tail = model.get("left");
    for (const image of tail ? document.querySelectorAll('img[src^="data:image/png"]') : []) {
      if (!image.src.endsWith(tail)) continue;
      (image.closest(".jp-OutputArea-child") ?? image).style.display = "none";
    }
  };
  // A picture may be put into the page after its view.
  for (const wait of [0, 300, 2000]) setTimeout(hide, wait);
  model.on("change:left", () => setTimeout(hide, 300));
}

/** Give a canvas as many pixels as the screen has there; the ratio is returned. */
function sized(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  return ratio;
}

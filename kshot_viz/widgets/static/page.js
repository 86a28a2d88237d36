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
function groupName(model, group) {
  return model.get("names")[group] ?? (group === model.get("dead") ? "dead" : String(group));
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

/** Give a canvas as many pixels as the screen has there; the ratio is returned. */
function sized(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  return ratio;
}

// Draws a Mapper graph: edges by the rows that nodes share, nodes by size and colour.

const EDGE_STEPS = 6;
const RIMMED = 4000;
const WRITTEN = 1500;
const FAINT = 0.14;

/** How opaque a mark is: noise is faint, and so is what is neither selected nor found. */
function opacity(scene, i) {
  const { shares, found, anyChosen, noise, count } = scene;
  const isNoise = noise > 0 && i === count - 1;
  if (found.length) return found[i] > 0 ? 0.45 + 0.55 * found[i] : FAINT;
  if (anyChosen) return shares[i] > 0 ? 1 : 0.3;
  return isNoise ? 0.4 : 1;
}

function drawGraph(canvas, scene, colours, ratio) {
  const pen = canvas.getContext("2d");
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  const alpha = Float32Array.from({ length: scene.count }, (_, i) => opacity(scene, i));
  drawEdges(pen, scene, colours, alpha);
  drawNodes(pen, scene, colours, alpha);
  drawShares(pen, scene, colours);
  if (scene.count <= WRITTEN) drawMarks(pen, scene, colours, alpha);
  drawNoise(pen, scene, colours);
}

/** A few widths, so that the pen is set a few times only. */
function drawEdges(pen, scene, colours, alpha) {
  const { pixels, edges, weights, least } = scene;
  const paths = new Map();
  for (let e = 0; e < weights.length; e += 1) {
    if (weights[e] < least) continue;
    const [a, b] = [edges[2 * e], edges[2 * e + 1]];
    const faint = Math.min(alpha[a], alpha[b]) < 0.4;
    const key = 2 * Math.min(EDGE_STEPS - 1, Math.floor(weights[e] * EDGE_STEPS)) + (faint ? 1 : 0);
    if (!paths.has(key)) paths.set(key, new Path2D());
    paths.get(key).moveTo(pixels[2 * a], pixels[2 * a + 1]);
    paths.get(key).lineTo(pixels[2 * b], pixels[2 * b + 1]);
  }
  for (const [key, path] of paths) {
    pen.strokeStyle = css(colours.text, key % 2 ? 0.12 : 0.42);
    pen.lineWidth = 0.7 + (4.5 * (Math.floor(key / 2) + 0.5)) / EDGE_STEPS;
    pen.stroke(path);
  }
}

/** Colour by colour; faint marks below the others. */
function drawNodes(pen, scene, colours, alpha) {
  const { pixels, radii, palette, count } = scene;
  const paths = new Map();
  for (let i = 0; i < count; i += 1) {
    const shade = Math.round(alpha[i] * 20) / 20;
    const key = `${shade.toFixed(2)} ${css(palette.subarray(3 * i, 3 * i + 3), shade)}`;
    if (!paths.has(key)) paths.set(key, { path: new Path2D(), shade });
    disc(paths.get(key).path, pixels[2 * i], pixels[2 * i + 1], radii[i]);
  }
  for (const key of [...paths.keys()].sort()) {
    const { path, shade } = paths.get(key);
    // An edge must not show through.
    pen.fillStyle = css(colours.page);
    pen.fill(path);
    pen.fillStyle = key.slice(5);
    pen.fill(path);
    if (count > RIMMED) continue;
    pen.strokeStyle = css(colours.text, 0.65 * shade);
    pen.lineWidth = 0.8;
    pen.stroke(path);
  }
}

/** An arc around every mark, as long as the selected share of its rows; whole rings for picked ones. */
function drawShares(pen, scene, colours) {
  const { pixels, radii, shares, picked, pinned, count } = scene;
  const [arcs, rings, pins] = [new Path2D(), new Path2D(), new Path2D()];
  for (let i = 0; i < count; i += 1) {
    const [x, y, r] = [pixels[2 * i], pixels[2 * i + 1], radii[i]];
    if (pinned.has(i)) disc(pins, x, y, Math.min(2.5, r / 2));
    if (!(shares[i] > 0)) continue;
    if (picked.has(i)) disc(rings, x, y, r + 3);
    const end = 2 * Math.PI * Math.min(1, shares[i]) - Math.PI / 2;
    arcs.moveTo(x, y - r - 3);
    arcs.arc(x, y, r + 3, -Math.PI / 2, end);
  }
  pen.strokeStyle = css(colours.accent);
  pen.lineWidth = 3.4;
  pen.stroke(arcs);
  pen.strokeStyle = css(colours.text);
  pen.lineWidth = 1.4;
  pen.stroke(rings);
  pen.fillStyle = css(colours.text, 0.9);
  pen.fill(pins);
}

/** The class on every mark that has room for it. */
function drawMarks(pen, scene, colours, alpha) {
  const { pixels, radii, palette, marks, noise, count } = scene;
  if (!marks.length) return;
  pen.font = "11px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  const last = count - (noise > 0 ? 1 : 0);
  for (let i = 0; i < last; i += 1) {
    if (alpha[i] < 0.4 || pen.measureText(marks[i]).width > 2 * radii[i] - 3) continue;
    const part = alpha[i];
    const [red, green, blue] = [0, 1, 2].map((c) => part * palette[3 * i + c] + (1 - part) * colours.page[c]);
    pen.fillStyle = 0.299 * red + 0.587 * green + 0.114 * blue > 130 ? "#000000" : "#ffffff";
    pen.fillText(marks[i], pixels[2 * i], pixels[2 * i + 1] + 0.5);
  }
}

/** Rows in no node: a broken ring with their number. */
function drawNoise(pen, scene, colours) {
  const { pixels, radii, noise, count } = scene;
  if (!noise) return;
  const i = count - 1;
  const [x, y, r] = [pixels[2 * i], pixels[2 * i + 1], radii[i]];
  pen.setLineDash([3, 3]);
  pen.strokeStyle = css(colours.text, 0.8);
  pen.lineWidth = 1.2;
  pen.beginPath();
  pen.arc(x, y, r, 0, 2 * Math.PI);
  pen.stroke();
  pen.setLineDash([]);
  pen.font = "11px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "top";
  pen.fillStyle = css(colours.text, 0.85);
  pen.fillText(`noise ${written(noise)}`, x, y + r + 4);
}

/** The ring around the node under the pointer or the keyboard's cursor. */
function drawCursor(canvas, scene, at, colours, ratio) {
  const pen = canvas.getContext("2d");
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, canvas.width, canvas.height);
  if (at < 0 || at >= scene.count) return;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.beginPath();
  pen.arc(scene.pixels[2 * at], scene.pixels[2 * at + 1], scene.radii[at] + 6, 0, 2 * Math.PI);
  pen.strokeStyle = css(colours.text, 0.95);
  pen.lineWidth = 1.6;
  pen.stroke();
}

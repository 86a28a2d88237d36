// Draws points: few as discs with a rim, many as squares written straight into the picture's bytes.

const MANY = 20000;
const NAMED = 60;

/** Of one to five pixels, smaller where there are more. */
function radius(count) {
  return Math.min(6.5, Math.max(1.2, 62 / Math.sqrt(Math.max(1, count))));
}

function drawPoints(canvas, scene, colours, ratio) {
  const pen = canvas.getContext("2d");
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, canvas.width, canvas.height);
  if (scene.labels.length > MANY) drawMany(pen, canvas, scene, colours, ratio);
  else {
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    drawFew(pen, scene, colours);
  }
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  drawNames(pen, scene, colours);
}

function disc(path, x, y, r) {
  path.moveTo(x + r, y);
  path.arc(x, y, r, 0, 2 * Math.PI);
}

/** A closed line through corners around the middle, each as an angle in turns and a share of r. */
const polygon = (corners) => (path, x, y, r) => {
  corners.forEach(([turn, share], i) => {
    const [dx, dy] = [share * r * Math.sin(2 * Math.PI * turn), -share * r * Math.cos(2 * Math.PI * turn)];
    if (i) path.lineTo(x + dx, y + dy);
    else path.moveTo(x + dx, y + dy);
  });
  path.closePath();
};
const regular = (n, turned, share) => polygon([...Array(n).keys()].map((i) => [turned + i / n, share]));
const plus = (turned) =>
  polygon([...Array(4).keys()].flatMap((i) => [-0.063, 0.063, 0.125].map((at, k) => [turned + i / 4 + at, k < 2 ? 1.15 : 0.62])));
const star = polygon([...Array(10).keys()].map((i) => [i / 10, i % 2 ? 0.55 : 1.35]));
/** In the order of the figures' markers: disc, square, triangle, diamond, turned triangle, plus, cross, star. */
const SHAPES = [
  disc,
  regular(4, 0.125, 1.25),
  regular(3, 0, 1.3),
  regular(4, 0, 1.25),
  regular(3, 0.5, 1.3),
  plus(0),
  plus(0.125),
  star,
];

/** Group by group, so that a colour is set once; those selected on top of the others. */
function drawFew(pen, scene, colours) {
  const { pixels, labels, palette, shapes, chosen, anyChosen } = scene;
  const size = radius(labels.length);
  for (const wanted of anyChosen ? [0, 1] : [0]) {
    const paths = new Map();
    for (let i = 0; i < labels.length; i += 1) {
      if (chosen[i] !== wanted) continue;
      if (!paths.has(labels[i])) paths.set(labels[i], new Path2D());
      const path = paths.get(labels[i]);
      const shape = SHAPES[shapes[labels[i]]] ?? disc;
      shape(path, pixels[2 * i], pixels[2 * i + 1], wanted ? size + 1 : size);
    }
    const faint = anyChosen && !wanted;
    for (const [group, path] of paths) {
      pen.fillStyle = css(palette.subarray(3 * group, 3 * group + 3), faint ? 0.4 : 1);
      pen.fill(path);
      if (faint || labels.length > 4000) continue;
      pen.strokeStyle = css(colours.text, wanted ? 0.95 : 0.55);
      pen.lineWidth = wanted ? 1.4 : 0.7;
      pen.stroke(path);
    }
  }
}

function drawMany(pen, canvas, scene, colours, ratio) {
  const { pixels, labels, palette, chosen, anyChosen } = scene;
  const [width, height] = [canvas.width, canvas.height];
  const picture = pen.createImageData(width, height);
  const bytes = new Uint32Array(picture.data.buffer);
  const [full, faint] = [packed(palette, colours.page, 1), packed(palette, colours.page, 0.25)];
  const side = Math.max(2, Math.round(2 * ratio));
  for (const wanted of anyChosen ? [0, 1] : [0]) {
    const shade = anyChosen && !wanted ? faint : full;
    for (let i = 0; i < labels.length; i += 1) {
      if (chosen[i] !== wanted) continue;
      const x = (pixels[2 * i] * ratio - side / 2 + 0.5) | 0;
      const y = (pixels[2 * i + 1] * ratio - side / 2 + 0.5) | 0;
      if (x < 0 || y < 0 || x + side > width || y + side > height) continue;
      const colour = shade[labels[i]];
      for (let row = y; row < y + side; row += 1) {
        const from = row * width + x;
        for (let at = from; at < from + side; at += 1) bytes[at] = colour;
      }
    }
  }
  pen.putImageData(picture, 0, 0);
}

/** Colours of groups as four bytes, mixed with the page's. */
function packed(palette, page, share) {
  const colours = new Uint8ClampedArray((palette.length / 3) * 4);
  for (let group = 0; group < palette.length / 3; group += 1) {
    for (let c = 0; c < 3; c += 1) {
      colours[4 * group + c] = share * palette[3 * group + c] + (1 - share) * page[c];
    }
    colours[4 * group + 3] = 255;
  }
  return new Uint32Array(colours.buffer);
}

/** Each group's number above its middle member, where there is room. */
function drawNames(pen, scene, colours) {
  const taken = [];
  pen.font = "600 12px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "bottom";
  pen.lineJoin = "round";
  for (const { group, member } of scene.middles) {
    const [x, y] = [scene.pixels[2 * member], scene.pixels[2 * member + 1] - 5];
    const text = scene.name(group);
    const half = pen.measureText(text).width / 2 + 2;
    const box = [x - half, y - 14, x + half, y];
    if (taken.some((t) => box[0] < t[2] && box[2] > t[0] && box[1] < t[3] && box[3] > t[1])) continue;
    taken.push(box);
    pen.strokeStyle = css(colours.page, 0.9);
    pen.lineWidth = 3.5;
    pen.strokeText(text, x, y);
    pen.fillStyle = css(colours.text);
    pen.fillText(text, x, y);
  }
}

/** The line of a gesture, and the neuron under the pointer or the keyboard's cursor. */
function drawOver(canvas, scene, line, at, colours, ratio) {
  const pen = canvas.getContext("2d");
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  if (line.length > 1) {
    pen.beginPath();
    line.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    pen.closePath();
    pen.fillStyle = css(colours.text, 0.08);
    pen.fill();
    pen.setLineDash([5, 4]);
    pen.strokeStyle = css(colours.text, 0.9);
    pen.lineWidth = 1.4;
    pen.stroke();
    pen.setLineDash([]);
  }
  if (at >= 0 && at < scene.labels.length) {
    pen.beginPath();
    pen.arc(scene.pixels[2 * at], scene.pixels[2 * at + 1], radius(scene.labels.length) + 5, 0, 2 * Math.PI);
    pen.strokeStyle = css(colours.text, 0.95);
    pen.lineWidth = 2;
    pen.stroke();
  }
}

// Where neurons are on the screen, and which of them a gesture means. Nothing here draws.

/** The part of the plane that is shown: its middle, and pixels per unit along both axes. */
class Camera {
  constructor() {
    Object.assign(this, { x: 0, y: 0, kx: 1, ky: 1, width: 1, height: 1 });
  }

  resize(width, height) {
    this.kx *= width / this.width;
    this.ky *= height / this.height;
    Object.assign(this, { width, height });
  }

  fit(points, margin = 26) {
    let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < points.length; i += 2) {
      left = Math.min(left, points[i]);
      right = Math.max(right, points[i]);
      low = Math.min(low, points[i + 1]);
      high = Math.max(high, points[i + 1]);
    }
    if (!points.length) [left, right, low, high] = [0, 0, 0, 0];
    this.x = (left + right) / 2;
    this.y = (low + high) / 2;
    // A layer whose neurons all coincide along an axis has no width there.
    this.kx = Math.max(1, this.width - 2 * margin) / (right - left || 1);
    this.ky = Math.max(1, this.height - 2 * margin) / (high - low || 1);
  }

  zoom(factor, px = this.width / 2, py = this.height / 2) {
    const [dx, dy] = [px - this.width / 2, py - this.height / 2];
    this.x += (dx / this.kx) * (1 - 1 / factor);
    this.y -= (dy / this.ky) * (1 - 1 / factor);
    this.kx *= factor;
    this.ky *= factor;
  }

  move(dx, dy) {
    this.x -= dx / this.kx;
    this.y += dy / this.ky;
  }

  /** Pixels of every point: x, y, x, y, ... */
  project(points, into) {
    const [ax, ay] = [this.width / 2 - this.x * this.kx, this.height / 2 + this.y * this.ky];
    for (let i = 0; i < points.length; i += 2) {
      into[i] = ax + points[i] * this.kx;
      into[i + 1] = ay - points[i + 1] * this.ky;
    }
  }
}

/** The nearest neuron within reach of a pixel, or -1. */
function nearest(pixels, x, y, reach) {
  let [best, found] = [reach * reach, -1];
  for (let i = 0; i < pixels.length; i += 2) {
    const away = (pixels[i] - x) ** 2 + (pixels[i + 1] - y) ** 2;
    if (away <= best) [best, found] = [away, i / 2];
  }
  return found;
}

/** The nearest neuron in a direction, nearer where it lies straight ahead; `from` if there is none. */
function towards(pixels, from, dx, dy) {
  const [x, y] = [pixels[2 * from], pixels[2 * from + 1]];
  let [best, found] = [Infinity, from];
  for (let i = 0; i < pixels.length / 2; i += 1) {
    const [ax, ay] = [pixels[2 * i] - x, pixels[2 * i + 1] - y];
    const ahead = ax * dx + ay * dy;
    const aside = Math.abs(ax * dy) + Math.abs(ay * dx);
    if (i !== from && ahead > 0 && aside <= ahead && ahead + 2 * aside < best) {
      [best, found] = [ahead + 2 * aside, i];
    }
  }
  return found;
}

/** Neurons inside a closed line of pixels [x, y], by the even-odd rule. */
function inside(pixels, line) {
  const found = [];
  const xs = line.map((point) => point[0]);
  const ys = line.map((point) => point[1]);
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [top, bottom] = [Math.min(...ys), Math.max(...ys)];
  for (let i = 0; i < pixels.length; i += 2) {
    const [x, y] = [pixels[i], pixels[i + 1]];
    if (x < left || x > right || y < top || y > bottom) continue;
    let within = false;
    for (let a = 0, b = xs.length - 1; a < xs.length; b = a, a += 1) {
      const crosses = ys[a] > y !== ys[b] > y;
      if (crosses && x < ((xs[b] - xs[a]) * (y - ys[a])) / (ys[b] - ys[a]) + xs[a]) within = !within;
    }
    if (within) found.push(i / 2);
  }
  return found;
}

/** Of every group the member nearest to its mean, largest groups first. */
function middles(points, labels, groups, atMost) {
  const [sumX, sumY, size] = [0, 1, 2].map(() => new Float64Array(groups));
  for (let i = 0; i < labels.length; i += 1) {
    sumX[labels[i]] += points[2 * i];
    sumY[labels[i]] += points[2 * i + 1];
    size[labels[i]] += 1;
  }
  const member = new Int32Array(groups).fill(-1);
  const away = new Float64Array(groups).fill(Infinity);
  for (let i = 0; i < labels.length; i += 1) {
    const group = labels[i];
    const dx = points[2 * i] - sumX[group] / size[group];
    const dy = points[2 * i + 1] - sumY[group] / size[group];
    if (dx * dx + dy * dy < away[group]) {
      away[group] = dx * dx + dy * dy;
      member[group] = i;
    }
  }
  const order = [...size.keys()].filter((group) => size[group]);
  order.sort((a, b) => size[b] - size[a] || a - b);
  return order.slice(0, atMost).map((group) => ({ group, member: member[group] }));
}

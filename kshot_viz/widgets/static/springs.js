// The camera of a graph, and the springs that let neighbours follow a node that is dragged.

const NEAR = 90;
const FOLLOWING = 4000;
const ROUNDS = 10;

/** Pixels per unit are the same along both axes, and few nodes are not spread over the whole stage. */
class GraphCamera extends Camera {
  resize(width, height) {
    const factor = Math.min(width / this.width, height / this.height);
    Object.assign(this, { kx: this.kx * factor, ky: this.ky * factor, width, height });
  }

  fit(points, margin = 34) {
    super.fit(points, margin);
    this.kx = this.ky = this.fitted = Math.min(this.kx, this.ky, NEAR);
    this.turned = false;
  }

  zoom(factor, ...at) {
    super.zoom(factor, ...at);
    this.turned = true;
  }

  move(dx, dy) {
    super.move(dx, dy);
    this.turned = true;
  }

  /** How much larger marks are than where everything is shown. */
  get growth() {
    return Math.min(3, Math.max(0.5, Math.sqrt(this.kx / (this.fitted || this.kx))));
  }
}

/** Edges keep the lengths that the layout gave them; pinned nodes stay. */
class Springs {
  constructor(positions, edges) {
    this.edges = edges;
    this.lengths = new Float32Array(edges.length / 2);
    this.of = new Map();
    for (let e = 0; e < this.lengths.length; e += 1) {
      const [a, b] = [edges[2 * e], edges[2 * e + 1]];
      this.lengths[e] = Math.hypot(positions[2 * a] - positions[2 * b], positions[2 * a + 1] - positions[2 * b + 1]);
      for (const node of [a, b]) {
        if (!this.of.has(node)) this.of.set(node, []);
        this.of.get(node).push(e);
      }
    }
  }

  /** The edges of a node's component, nearest first; of a large one only so many. */
  around(node) {
    const [found, seen, coming] = [new Set(), new Set([node]), [node]];
    for (let at = 0; at < coming.length && found.size < FOLLOWING; at += 1) {
      for (const edge of this.of.get(coming[at]) ?? []) {
        found.add(edge);
        for (const other of [this.edges[2 * edge], this.edges[2 * edge + 1]]) {
          if (!seen.has(other)) coming.push(other);
          seen.add(other);
        }
      }
    }
    return [...found];
  }

  /** Move the ends of these edges until their lengths are nearly what they were. */
  relax(positions, edges, fixed) {
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const edge of edges) {
        const [a, b] = [this.edges[2 * edge], this.edges[2 * edge + 1]];
        const [dx, dy] = [positions[2 * b] - positions[2 * a], positions[2 * b + 1] - positions[2 * a + 1]];
        const long = Math.hypot(dx, dy) || 1e-6;
        const share = (0.5 * (long - this.lengths[edge])) / long;
        if (!fixed.has(a)) {
          positions[2 * a] += share * dx;
          positions[2 * a + 1] += share * dy;
        }
        if (!fixed.has(b)) {
          positions[2 * b] -= share * dx;
          positions[2 * b + 1] -= share * dy;
        }
      }
    }
  }
}

// A line plot over the last minutes, as SVG, which takes the page's colours, light or dark.

import { el } from '../dom.js';

const kWidth = 600, kHeight = 120;  // in the plot's own units; CSS stretches it
const kSvg = 'http://www.w3.org/2000/svg';

function svg(tag, attributes) {
  const node = document.createElementNS(kSvg, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

// The smallest of 1, 2, 5 times a power of ten that is at least `value`.
export function niceCeiling(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((ceiling) => ceiling >= value);
}

// The points of a series as an SVG path; a point without a value interrupts it.
export function pathOf(points, name, xOf, yOf) {
  let path = '', isDrawing = false;
  for (const point of points) {
    const value = point[name];
    const has = Number.isFinite(value);
    if (has) {
      const at = `${xOf(point.time).toFixed(1)} ${yOf(value).toFixed(1)}`;
      path += isDrawing ? `L${at}` : `M${at}h0.01`;  // so that a lone point is a dot
    }
    isDrawing = has;
  }
  return path;
}

export class Plot {
  // series: [{name (a point's field), label}], drawn in the colours --series-0, -1; format(value)
  // gives a value as text; most: where the axis ends, or null for what the values need.
  constructor({ title, series, format, most = null, note }) {
    Object.assign(this, { series, format, most });
    this.lines = series.map((_, i) => svg('path', { class: `line series-${i}` }));
    this.cursor = svg('path', { class: 'cursor' });
    this.svg = svg('svg', { viewBox: `0 0 ${kWidth} ${kHeight}`, preserveAspectRatio: 'none',
      'aria-hidden': true });
    const grid = `M0 0.5H${kWidth}M0 ${kHeight / 2}H${kWidth}`;
    this.svg.append(svg('path', { class: 'grid', d: grid }), ...this.lines, this.cursor);
    this.values = series.map((_, i) => el('output', { class: `series-${i}` }));
    this.top = el('span', { class: 'top' });
    this.when = el('span', { class: 'when' });
    this.area = el('div', { class: 'area', tabindex: 0, role: 'img' }, this.svg, this.top);
    this.title = title;
    const legend = series.map(({ label }, i) => el('span', { class: 'entry' },
      el('i', { class: `series-${i}` }), label, ' ', this.values[i]));
    this.root = el('figure', { class: 'plot' },
      el('figcaption', { title: note }, el('strong', {}, title), this.when, ...legend), this.area);
    this.bind();
  }

  // The reader points at a time with the mouse or the arrow keys; else the newest point is told.
  bind() {
    this.area.addEventListener('pointermove', (event) => {
      const box = this.area.getBoundingClientRect();
      this.pointAt((event.clientX - box.left) / box.width);
    });
    this.area.addEventListener('pointerleave', () => this.pointAt(null));
    this.area.addEventListener('blur', () => this.pointAt(null));
    this.area.addEventListener('keydown', (event) => {
      const by = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key];
      if (!by) return;
      event.preventDefault();
      this.pointAt(Math.min(1, Math.max(0, (this.pointer ?? 1) + by)));
    });
  }

  pointAt(pointer) {
    this.pointer = pointer;
    if (this.points) this.showValues();
  }

  // points: in order of time (ms); the axis goes from `from` to `to`.
  draw(points, from, to) {
    this.points = points.filter((point) => point.time >= from);
    Object.assign(this, { from, to });
    const values = this.points.flatMap((point) => this.series.map(({ name }) => point[name]))
      .filter(Number.isFinite);
    const most = this.most ?? niceCeiling(Math.max(0, ...values));
    const xOf = (time) => (time - from) / (to - from) * kWidth;
    const yOf = (value) => kHeight - 1 - value / most * (kHeight - 2);
    this.series.forEach(({ name }, i) => {
      this.lines[i].setAttribute('d', pathOf(this.points, name, xOf, yOf));
    });
    this.top.textContent = values.length ? this.format(most) : '';
    this.showValues();
  }

  showValues() {
    const point = this.pointer === null || this.pointer === undefined
      ? this.points.at(-1) : this.nearest(this.from + this.pointer * (this.to - this.from));
    const texts = this.series.map(({ name }) => Number.isFinite(point?.[name])
      ? this.format(point[name]) : '–');
    texts.forEach((text, i) => { this.values[i].textContent = text; });
    const isPast = point && point !== this.points.at(-1);
    this.when.textContent = isPast ? new Date(point.time).toLocaleTimeString() : '';
    const x = isPast ? (point.time - this.from) / (this.to - this.from) * kWidth : -1;
    this.cursor.setAttribute('d', isPast ? `M${x.toFixed(1)} 0V${kHeight}` : '');
    const said = this.series.map(({ label }, i) => `${label} ${texts[i]}`).join(', ');
    this.area.setAttribute('aria-label', `${this.title}: ${said}`);
  }

  nearest(time) {
    return this.points.reduce((best, point) =>
      Math.abs(point.time - time) < Math.abs(best.time - time) ? point : best, this.points[0]);
  }
}

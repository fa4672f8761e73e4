// The status page: looks at /metrics once a second and draws what it finds. Nothing is kept by the
// server for it: the plots begin when the page is opened.

import { ask } from '../ask.js';
import { el } from '../dom.js';
import { parseMetrics, pointOf } from './metrics.js';
import { Plot } from './plot.js';

const kEvery_ms = 1000;
const kKept_ms = 15 * 60 * 1000;
const kPast_ms = 30 * 1000;  // over which shares and quantiles are taken
const kTimeout_ms = 5000;

const count = (value) => Math.round(value).toLocaleString('en');
const percent = (value) => `${(value * 100).toFixed(value > 0 && value < 0.1 ? 1 : 0)} %`;
const rate = (value) => `${value < 10 ? value.toFixed(1) : count(value)} tok/s`;
const milliseconds = (value) => value < 10
  ? `${(value * 1000).toFixed(value < 0.01 ? 1 : 0)} ms` : `${value.toFixed(1)} s`;

const kOver = `over the ${kPast_ms / 1000} s before`;
const plots = [
  new Plot({ title: 'Requests', format: count, series: [
    { name: 'running', label: 'running' }, { name: 'queued', label: 'queued' }] }),
  new Plot({ title: 'Output', format: rate, series: [{ name: 'output', label: 'generated' }] }),
  new Plot({ title: 'Prompts', format: rate, series: [{ name: 'prompt', label: 'taken in' }],
    note: 'cached tokens included' }),
  new Plot({ title: 'KV cache', format: percent, most: 1, series: [
    { name: 'used', label: 'requests' }, { name: 'kept', label: 'with kept prefixes' }],
    note: 'share of the rows; kept prefixes give way to requests' }),
  new Plot({ title: 'Cache hits', format: percent, most: 1, series: [
    { name: 'hits', label: 'of prompt tokens' }], note: kOver }),
  new Plot({ title: 'Time to first token', format: milliseconds, series: [
    { name: 'first50', label: 'median' }, { name: 'first99', label: '99 %' }], note: kOver }),
  new Plot({ title: 'Time between tokens', format: milliseconds, series: [
    { name: 'next50', label: 'median' }, { name: 'next99', label: '99 %' }], note: kOver }),
];

const looks = [];   // {time, values}; values null where the server did not answer
const points = [];
let answered = Date.now();  // when it last did

async function look() {
  try {
    const response = await fetch('metrics', { signal: AbortSignal.timeout(kTimeout_ms) });
    if (!response.ok) throw new Error(`The server answered ${response.status}.`);
    return { time: Date.now(), values: parseMetrics(await response.text()) };
  } catch {
    return { time: Date.now(), values: null };
  }
}

function addLook(now) {
  const last = looks.at(-1)?.values ? looks.at(-1) : null;
  const past = looks.find(({ time, values }) => values && time >= now.time - kPast_ms) ?? null;
  points.push(now.values ? pointOf(now, last, past) : { time: now.time });
  looks.push(now);
  while (looks[0].time < now.time - kPast_ms - kEvery_ms) looks.shift();
  while (points[0].time < now.time - kKept_ms) points.shift();
}

function draw() {
  const to = points.at(-1).time;
  const from = to - Number(document.getElementById('span').value) * 60 * 1000;
  for (const plot of plots) plot.draw(points, from, to);
}

function showTotals({ time, values }) {
  const state = document.getElementById('state');
  state.classList.toggle('bad', !values);
  state.textContent = values ? `live, ${new Date(time).toLocaleTimeString()}`
    : `no answer since ${new Date(answered).toLocaleTimeString()}`;
  if (!values) return;
  const total = (name, family = 'sglang:') => count(values[family + name]);
  showFacts('totals', [
    ['requests ended', total('num_requests_total')],
    ['cancelled', total('num_aborted_requests_total')],
    ['prompt tokens', total('prompt_tokens_total')],
    ['from the cache', percent(values['sglang:cache_hit_rate'])],
    ['output tokens', total('generation_tokens_total')],
    ['sent back for lack of memory', total('retractions_total', 'glint_')],
    ['steps', total('steps_total', 'glint_')],
    ['KV rows', total('max_total_num_tokens')],
  ]);
}

function showFacts(id, facts) {
  document.getElementById(id).replaceChildren(...facts.map(([name, value]) =>
    el('div', {}, el('dt', {}, name), el('dd', {}, value))));
}

async function showServer() {
  const info = await (await ask('get_server_info')).json();
  document.getElementById('model').textContent = info.served_model_name;
  showFacts('server', [
    ['version', info.version], ['weights', info.dtype],
    ['context', `${count(info.context_length)} tokens`],
    ['requests at once', count(info.max_running_requests)],
    ['prompt tokens a step', count(info.chunked_prefill_size)],
    ['prefix cache', info.disable_radix_cache ? 'off' : 'on'],
  ]);
}

function showProblem(error) {
  if (error.name === 'KeyWanted') document.getElementById('model').textContent = error.message;
}

async function step() {
  const now = await look();
  const wasAnswered = Boolean(looks.at(-1)?.values);
  if (now.values) answered = now.time;
  addLook(now);
  draw();
  showTotals(now);
  if (now.values && !wasAnswered) showServer().catch(showProblem);  // it may be another one now
  setTimeout(step, kEvery_ms);
}

document.getElementById('plots').append(...plots.map((plot) => plot.root));
document.getElementById('span').addEventListener('change', draw);
await step();

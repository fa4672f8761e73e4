import { parseMetrics, pointOf, quantileBetween } from '/src/web/pages/status/metrics.js';
import { niceCeiling, pathOf } from '/src/web/pages/status/plot.js';
import { equal, test } from './checks.js';

test('metrics: series and histograms are read, labels aside', () => {
  const text = '# HELP x A {help} 1\nx{model_name="a} b, le=",c="d"} 4\ny 1.5e3\n' +
    'h_bucket{m="n",le="0.5"} 2\nh_bucket{m="n",le="+Inf"} 3\nh_sum{m="n"} 1\n\n';
  const values = parseMetrics(text);
  equal([values.x, values.y, values.h_sum], [4, 1500, 1]);
  equal([values.h.bounds[0], values.h.bounds[1] === Infinity, values.h.counts], [0.5, true, [2, 3]]);
});

test('metrics: a quantile is of what came in between', () => {
  const histogram = (counts) => ({ bounds: [1, 2, Infinity], counts });
  equal(quantileBetween(histogram([10, 10, 10]), histogram([10, 14, 14]), 0.5), 1.5);
  equal(quantileBetween(null, histogram([4, 4, 4]), 0.5), 0.5);
  equal(quantileBetween(histogram([0, 0, 0]), histogram([0, 0, 1]), 0.5), 2);
  equal(quantileBetween(histogram([4, 4, 4]), histogram([4, 4, 4]), 0.5), null);
});

const values = (tokens, cached, prompt) => ({
  'sglang:num_running_reqs': 1, 'sglang:num_queue_reqs': 0, 'sglang:max_total_num_tokens': 200,
  'sglang:num_used_tokens': 50, 'sglang:kv_evictable_tokens': 100,
  'sglang:generation_tokens_total': tokens, 'sglang:prompt_tokens_total': prompt,
  'sglang:cached_tokens_total': cached,
});

test('metrics: a point is rates, shares and states', () => {
  const last = { time: 1000, values: values(10, 0, 0) };
  const now = { time: 3000, values: values(30, 30, 40) };
  const { running, output, prompt, used, kept, hits, first50 } = pointOf(now, last, last);
  equal({ running, output, prompt, used, kept, hits, first50 },
    { running: 1, output: 10, prompt: 20, used: 0.25, kept: 0.75, hits: 0.75, first50: null });
});

test('metrics: at first and after a restart there is no rate', () => {
  const now = { time: 3000, values: values(30, 30, 40) };
  equal(pointOf(now, null, null).output, null);
  equal(pointOf(now, { time: 1000, values: values(50, 0, 0) }, null).output, null);
});

test('plot: a point without a value interrupts the line', () => {
  const points = [1, 2, null, 4].map((value, time) => ({ time, value }));
  const same = (x) => x;
  equal(pathOf(points, 'value', same, same), 'M0.0 1.0h0.01L1.0 2.0M3.0 4.0h0.01');
});

test('plot: an axis ends with a round number', () => {
  equal([0, 0.03, 1, 1.1, 3, 7, 101, NaN].map(niceCeiling), [1, 0.05, 1, 2, 5, 10, 200, 1]);
});

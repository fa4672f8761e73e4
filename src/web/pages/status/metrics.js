// What /metrics says, as numbers, and what two looks at it say of the time between. Pure: no DOM.

// Prometheus text to {name: value} for plain series and {name: {bounds, counts}} for histograms
// (bounds in seconds, the last one Infinity; counts cumulative, as they are sent). Labels other
// than le are ignored: a server serves one model.
export function parseMetrics(text) {
  const values = {};
  for (const line of text.split('\n')) {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!found) continue;
    const [, name, labels = '', value] = found;
    const bound = /(?:^|,)le="([^"]*)"/.exec(labels)?.[1];
    if (bound === undefined) {
      values[name] = Number(value);
    } else {
      const histogram = values[name.replace(/_bucket$/, '')] ??= { bounds: [], counts: [] };
      histogram.bounds.push(bound === '+Inf' ? Infinity : Number(bound));
      histogram.counts.push(Number(value));
    }
  }
  return values;
}

// The q-quantile (0 to 1) in seconds of what came between two states of a histogram, evenly spread
// within a bucket; null if nothing came. Past the last bound it is that bound.
export function quantileBetween(before, now, q) {
  if (!now) return null;
  const counts = now.counts.map((count, i) => count - (before?.counts[i] ?? 0));
  const total = counts.at(-1);
  if (!(total > 0)) return null;
  const wanted = q * total;
  const at = counts.findIndex((count) => count >= wanted);
  const low = at > 0 ? now.bounds[at - 1] : 0;
  if (now.bounds[at] === Infinity) return low;
  const below = at > 0 ? counts[at - 1] : 0;
  return low + (now.bounds[at] - low) * (wanted - below) / (counts[at] - below || 1);
}

// Growth of a counter in units per second; null without a look before or after a restart.
function rateOf(name, before, now) {
  if (!before) return null;
  const growth = now.values[name] - before.values[name];
  return growth >= 0 ? growth / ((now.time - before.time) / 1000) : null;
}

function shareBetween(part, whole, before, now) {
  if (!before) return null;
  const growth = now.values[whole] - before.values[whole];
  return growth > 0 ? (now.values[part] - before.values[part]) / growth : null;
}

// One point of each plot. `now`, `last` and `past` are looks, {time (ms), values}: this one, the
// one before (rates), and one some time ago (shares and quantiles, which need more than a second's
// worth); null if there is none.
export function pointOf(now, last, past) {
  const { values } = now;
  const pool = values['sglang:max_total_num_tokens'] || NaN;
  return {
    time: now.time,
    running: values['sglang:num_running_reqs'],
    queued: values['sglang:num_queue_reqs'],
    output: rateOf('sglang:generation_tokens_total', last, now),
    prompt: rateOf('sglang:prompt_tokens_total', last, now),
    used: values['sglang:num_used_tokens'] / pool,
    kept: (values['sglang:num_used_tokens'] + values['sglang:kv_evictable_tokens']) / pool,
    hits: shareBetween('sglang:cached_tokens_total', 'sglang:prompt_tokens_total', past, now),
    first50: quantile('sglang:time_to_first_token_seconds', 0.5, past, now),
    first99: quantile('sglang:time_to_first_token_seconds', 0.99, past, now),
    next50: quantile('sglang:inter_token_latency_seconds', 0.5, past, now),
    next99: quantile('sglang:inter_token_latency_seconds', 0.99, past, now),
  };
}

function quantile(name, q, past, now) {
  if (!past) return null;
  return quantileBetween(past.values[name], now.values[name], q);
}

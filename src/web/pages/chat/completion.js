// The server's chat endpoint as a stream of its chunks.

import { ask } from '../ask.js';
import { readEvents } from './event_stream.js';

// Yields the parsed chunks of one answer. Throws an Error with a sentence for the reader: a
// refusal's own message, what broke off, or (name AbortError) that `signal` stopped it.
export async function* streamCompletion(request, signal) {
  const response = await post({ ...request, stream: true,
    stream_options: { include_usage: true, continuous_usage_stats: true } }, signal);
  for await (const data of readEvents(response.body)) {
    if (data === '[DONE]') return;
    const chunk = JSON.parse(data);
    if (chunk.error) throw new Error(chunk.error.message ?? 'The server ended the answer.');
    yield chunk;
  }
  throw new Error('The answer broke off: the connection to the server ended.');
}

async function post(body, signal) {
  let response;
  try {
    response = await ask('v1/chat/completions', {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
      signal,
    });
  } catch (error) {
    if (error.name === 'AbortError' || error.name === 'KeyWanted') throw error;
    throw new Error('The server cannot be reached. Is it still running?');
  }
  if (!response.ok) throw new Error(await refusalOf(response));
  return response;
}

async function refusalOf(response) {
  const text = await response.text();
  try {
    const { message, error } = JSON.parse(text);
    return error?.message ?? message ?? text;
  } catch {
    return `The server answered ${response.status}: ${text.slice(0, 500) || response.statusText}`;
  }
}

// {name, contextLength} of the served model; throws if the server does not answer.
export async function fetchModel() {
  const response = await ask('v1/models');
  if (!response.ok) throw new Error(await refusalOf(response));
  const [model] = (await response.json()).data;
  return { name: model.id, contextLength: model.max_model_len };
}

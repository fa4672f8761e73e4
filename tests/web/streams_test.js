import { readEvents } from '/src/web/pages/chat/event_stream.js';
import { parseTools, requestFields } from '/src/web/pages/chat/settings.js';
import { openStorage } from '/src/web/pages/chat/storage.js';
import { equal, test } from './checks.js';

function bodyOf(pieces) {
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
}

async function eventsOf(pieces) {
  const events = [];
  for await (const event of readEvents(bodyOf(pieces))) events.push(event);
  return events;
}

test('event stream: cut at any byte it gives the same events', async () => {
  const text = ': ping\n\ndata: {"a": "ä🙂"}\n\nevent: x\ndata: one\ndata:two\n\r\ndata: [DONE]\n\ndata: half';
  const bytes = new TextEncoder().encode(text);
  const expected = ['{"a": "ä🙂"}', 'one\ntwo', '[DONE]'];
  equal(await eventsOf([bytes]), expected);
  for (let at = 1; at < bytes.length; ++at) {
    equal(await eventsOf([bytes.slice(0, at), bytes.slice(at)]), expected, `cut at ${at}`);
  }
  equal(await eventsOf(Array.from(bytes, (byte) => Uint8Array.of(byte))), expected, 'byte by byte');
});

const kSettings = { system: '', thinking: true, keepThinking: false, useTools: true, tools: '',
  stop: '', numbers: {} };

test('settings: what is left empty is not sent', () => {
  equal(requestFields(kSettings), { chat_template_kwargs: { enable_thinking: true } });
});

test('settings: each field is sent by the name that the API has for it', () => {
  const numbers = { temperature: 0, top_k: -1, seed: 7, max_tokens: 5 };
  const settings = { ...kSettings, thinking: false, keepThinking: true, numbers, stop: 'a\n\n b',
    tools: '{"name": "f"}' };
  equal(requestFields(settings), {
    chat_template_kwargs: { enable_thinking: false, clear_thinking: false },
    temperature: 0, top_k: -1, max_tokens: 5, seed: 7, stop: ['a', ' b'],
    tools: [{ type: 'function', function: { name: 'f' } }],
  });
  equal(requestFields({ ...settings, useTools: false }).tools, undefined);
});

test('settings: tools that are none are refused in a sentence', () => {
  const problemOf = (text) => {
    try {
      parseTools(text);
      return null;
    } catch (error) {
      return error.message;
    }
  };
  equal(problemOf('[{')?.startsWith('The tools are not valid JSON: '), true);
  equal(problemOf('[{"name": "f"}, {"type": "function"}]'),
    'Tool 2 has no name; expected {"type": "function", "function": {"name": …, "parameters": …}}.');
  equal(problemOf('null')?.startsWith('Tool 1 has no name'), true);
  equal(problemOf(' '), null);
});

test('storage: conversations are found again, the newest first, until they are removed', async () => {
  const storage = await openStorage();
  equal(storage.persistent, true);
  await storage.save({ id: 'a', title: 'A', updated: 1, leaf: null, nodes: { n: {} } });
  await storage.save({ id: 'b', title: 'B', updated: 2, leaf: null, nodes: {} });
  equal((await storage.list()).map(({ id }) => id), ['b', 'a']);
  equal((await (await openStorage()).load('a')).nodes, { n: {} });
  await storage.remove('a');
  await storage.remove('b');
  equal([await storage.list(), await storage.load('a')], [[], undefined]);
});

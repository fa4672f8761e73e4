import {
  addAnswer, addNode, apiMessages, applyChunk, endUnfinished, newConversation, openCalls, pathOf,
  showVersion, siblingsOf,
} from '/src/web/pages/chat/conversation.js';
import { equal, test } from './checks.js';

const ask = (conversation, content, parent = conversation.leaf) =>
  addNode(conversation, parent, { role: 'user', content });

function answer(conversation, content, fields = {}) {
  const node = addAnswer(conversation, conversation.leaf);
  return Object.assign(node, { content, finish: 'stop' }, fields);
}

const contents = (conversation) => pathOf(conversation).map((node) => node.content);

test('conversation: it takes its title from the first message', () => {
  const one = newConversation();
  ask(one, `  ${'x'.repeat(80)}\nmore`);
  ask(one, 'other');
  equal(one.title, `${'x'.repeat(59)}…`);
});

test('conversation: an edited message is another version, and the first is not lost', () => {
  const one = newConversation();
  const first = ask(one, 'a');
  answer(one, 'A');
  const second = ask(one, 'b', first.parent);
  second.created = first.created + 1;
  answer(one, 'B');
  equal(contents(one), ['b', 'B']);
  equal(siblingsOf(one, first).map((node) => node.content), ['a', 'b']);
  showVersion(one, first);
  equal(contents(one), ['a', 'A']);
});

test('conversation: a stream of chunks becomes one answer', () => {
  const node = addAnswer(newConversation(), null);
  const chunks = [
    { choices: [{ delta: { role: 'assistant' } }] },
    { choices: [{ delta: { reasoning_content: 'I ', reasoning: 'I ' } }] },
    { choices: [{ delta: { reasoning_content: 'see', reasoning: 'see' } }] },
    { choices: [{ delta: { content: 'So: ' } }], usage: { completion_tokens: 3 } },
    { choices: [{ delta: { tool_calls: [{ index: 0, id: 'c0', function: { name: 'f', arguments: '' } }] } }] },
    { choices: [{ delta: { tool_calls: [{ index: 0, function: { arguments: '{"a"' } }] } }] },
    { choices: [{ delta: { tool_calls: [{ index: 0, function: { arguments: ':1}' } }] } }] },
    { choices: [{ delta: { tool_calls: [{ index: 1, id: 'c1', function: { name: 'g', arguments: '{}' } }] } }] },
    { choices: [{ delta: {}, finish_reason: 'tool_calls' }] },
    { choices: [], usage: { completion_tokens: 9 } },
  ];
  chunks.forEach((chunk, i) => applyChunk(node, chunk, 10 * i));
  const { reasoning, content, calls, finish, usage, timing } = node;
  equal({ reasoning, content, calls, finish, usage, timing }, {
    reasoning: 'I see', content: 'So: ',
    calls: [{ id: 'c0', name: 'f', arguments: '{"a":1}' }, { id: 'c1', name: 'g', arguments: '{}' }],
    finish: 'tool_calls', usage: { completion_tokens: 9 }, timing: { first: 10, thought: 30 },
  });
});

test('conversation: its messages are what the API takes', () => {
  const one = newConversation();
  ask(one, 'weather?');
  answer(one, '', { reasoning: 'a tool', finish: 'tool_calls',
    calls: [{ id: 'c0', name: 'f', arguments: '{}' }] });
  addNode(one, one.leaf, { role: 'tool', callId: 'c0', content: '22' });
  const last = addAnswer(one, one.leaf);
  equal(apiMessages(one, last.parent, 'Be brief.'), [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'weather?' },
    { role: 'assistant', content: '', reasoning_content: 'a tool',
      tool_calls: [{ id: 'c0', type: 'function', function: { name: 'f', arguments: '{}' } }] },
    { role: 'tool', tool_call_id: 'c0', content: '22' },
  ]);
});

test('conversation: an empty failed answer and a call that was cut are not sent', () => {
  const one = newConversation();
  ask(one, 'a');
  answer(one, '', { finish: 'failed' });
  ask(one, 'b');
  answer(one, 'c', { finish: 'length', calls: [{ id: 'c0', name: 'f', arguments: '{"a' }] });
  equal(apiMessages(one, one.leaf, ' '), [
    { role: 'user', content: 'a' }, { role: 'user', content: 'b' },
    { role: 'assistant', content: 'c' },
  ]);
});

test('conversation: calls are open until each has its result or the reader goes on', () => {
  const one = newConversation();
  const calls = ['c0', 'c1'].map((id) => ({ id, name: 'f', arguments: '{}' }));
  ask(one, 'a');
  const called = answer(one, '', { finish: 'tool_calls', calls });
  equal(openCalls(one).map(({ id }) => id), ['c0', 'c1']);
  addNode(one, one.leaf, { role: 'tool', callId: 'c1', content: '' });
  equal(openCalls(one).map(({ id }) => id), ['c0']);
  showVersion(one, called);
  ask(one, 'never mind', called.id);
  equal(openCalls(one), []);
});

test('conversation: an answer whose page went away counts as stopped', () => {
  const one = newConversation();
  addAnswer(one, ask(one, 'a').id);
  endUnfinished(one);
  equal(pathOf(one)[1].finish, 'stopped');
});

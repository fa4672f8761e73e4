// A conversation as plain data that can be stored as it is, and what is done with it. No DOM.
//
// The messages are a tree: editing one or asking again adds a sibling and loses nothing. `leaf` is
// the message that the shown path ends with, null while there is none.
//
//   conversation: {id, title, updated (ms since 1970), leaf, nodes: {id: node}}
//   node: {id, parent, role: 'user' | 'assistant' | 'tool', content, created (ms)}, and
//     of an assistant: reasoning, calls: [{id, name, arguments}], finish (OpenAI's finish_reason;
//       'stopped' by the reader, 'failed', null while it is written), error, usage,
//       timing: {start, first, thought, end} (ms of performance.now(); those that happened);
//     of a tool: callId.

const kMaxTitle = 60;

function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function newConversation() {
  return { id: newId(), title: '', updated: Date.now(), leaf: null, nodes: {} };
}

// Adds a message after `parent` and lets the path end with it.
export function addNode(conversation, parent, fields) {
  const node = { id: newId(), parent, content: '', created: Date.now(), ...fields };
  conversation.nodes[node.id] = node;
  conversation.leaf = node.id;
  conversation.updated = Date.now();
  if (!conversation.title && node.role === 'user') conversation.title = titleOf(node.content);
  return node;
}

export function addAnswer(conversation, parent) {
  return addNode(conversation, parent, {
    role: 'assistant', reasoning: '', calls: [], finish: null, error: null, usage: null, timing: {},
  });
}

function titleOf(text) {
  const line = text.trim().split('\n')[0];
  return line.length > kMaxTitle ? `${line.slice(0, kMaxTitle - 1)}…` : line;
}

// The messages from the first to `leaf`.
export function pathOf(conversation, leaf = conversation.leaf) {
  const path = [];
  for (let id = leaf; id !== null; id = conversation.nodes[id].parent) {
    path.push(conversation.nodes[id]);
  }
  return path.reverse();
}

// The versions of a message, itself included, in the order in which they came.
export function siblingsOf(conversation, node) {
  return Object.values(conversation.nodes).filter((other) => other.parent === node.parent)
    .sort((a, b) => a.created - b.created);
}

// Lets the path go through `node`, to the newest message below it.
export function showVersion(conversation, node) {
  let leaf = node.id;
  for (;;) {
    const children = Object.values(conversation.nodes).filter((other) => other.parent === leaf);
    if (!children.length) break;
    leaf = children.reduce((a, b) => (b.created >= a.created ? b : a)).id;
  }
  conversation.leaf = leaf;
}

// Adds one chunk of a stream to an answer. `now`: ms.
export function applyChunk(node, chunk, now) {
  if (chunk.usage) node.usage = chunk.usage;
  const choice = chunk.choices?.[0];
  if (!choice) return;
  const { reasoning_content: reasoning, content, tool_calls: calls } = choice.delta ?? {};
  if (reasoning || content || calls) node.timing.first ??= now;
  if (content || calls) node.timing.thought ??= now;
  node.reasoning += reasoning ?? '';
  node.content += content ?? '';
  for (const call of calls ?? []) applyCall(node, call);
  if (choice.finish_reason) node.finish = choice.finish_reason;
}

function applyCall(node, { index, id, function: fn = {} }) {
  node.calls[index] ??= { id: '', name: '', arguments: '' };
  node.calls[index].id ||= id ?? '';
  node.calls[index].name += fn.name ?? '';
  node.calls[index].arguments += fn.arguments ?? '';
}

// The calls that want a result: none of an answer that was cut, whose arguments may be half.
export function wholeCalls(node) { return node.finish === 'tool_calls' ? node.calls : []; }

// The calls of the last answer that have none yet.
export function openCalls(conversation) {
  const path = pathOf(conversation);
  const answer = path.findLast((node) => node.role === 'assistant');
  if (!answer) return [];
  const after = path.slice(path.indexOf(answer) + 1);
  if (after.some((node) => node.role === 'user')) return [];
  const answered = new Set(after.map((node) => node.callId));
  return wholeCalls(answer).filter((call) => !answered.has(call.id));
}

// The path up to `leaf` as the API's messages.
export function apiMessages(conversation, leaf, systemPrompt) {
  const system = systemPrompt.trim() ? [{ role: 'system', content: systemPrompt }] : [];
  return [...system, ...pathOf(conversation, leaf).filter(hasSomethingToSay).map(apiMessage)];
}

// An answer that failed before its first word is none.
function hasSomethingToSay(node) {
  return node.role !== 'assistant' || node.content || node.reasoning || wholeCalls(node).length > 0;
}

function apiMessage(node) {
  if (node.role === 'user') return { role: 'user', content: node.content };
  if (node.role === 'tool') {
    return { role: 'tool', tool_call_id: node.callId, content: node.content };
  }
  const message = { role: 'assistant', content: node.content };
  if (node.reasoning) message.reasoning_content = node.reasoning;
  const calls = wholeCalls(node).map(({ id, name, arguments: args }) =>
    ({ id, type: 'function', function: { name, arguments: args } }));
  if (calls.length) message.tool_calls = calls;
  return message;
}

// An answer that was being written when its page went away will not go on.
export function endUnfinished(conversation) {
  for (const node of Object.values(conversation.nodes)) {
    if (node.role === 'assistant' && node.finish === null) node.finish = 'stopped';
  }
}

// What the server proposes, beside the form. Texts only ever become text nodes.
import { node, sentence } from './questions.js';

const PARTS = [
  ['Weights', 'weights_bytes'],
  ['Activations and logits', 'activation_bytes'],
  ['CUDA context, graphs, buffers', 'runtime_bytes'],
  ['KV cache', 'kv_bytes'],
];

const gib = (bytes) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
const count = (value) => Math.round(value).toLocaleString('en');
const ms = (value) => `${value < 100 ? value.toFixed(1) : count(value)} ms`;

// Without https, a page of another machine has no clipboard: then the command is selected instead.
async function copy(code, button) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = 'Copied';
  } catch {
    getSelection().selectAllChildren(code);
    button.textContent = 'Selected';
  }
  setTimeout(() => { button.textContent = 'Copy'; }, 1500);
}

// Lines break between the words, not at the dashes within one.
function words(command) {
  return command.split(' ').flatMap((word) => [' ', node('span', {}, word)]).slice(1);
}

function commandBox(command) {
  const code = node('code', { id: 'command' }, ...words(command));
  const button = node('button', { type: 'button', id: 'copy' }, 'Copy');
  button.addEventListener('click', () => copy(code, button));
  return node('div', { className: 'command' }, code, button);
}

function list(sentences) {
  return node('ul', {}, ...sentences.map((one) => node('li', {}, ...sentence(one))));
}

function row(name, ...values) {
  const cells = values.map((value) => node('td', {}, value));
  return node('tr', {}, node('th', { scope: 'row' }, ...[name].flat()), ...cells);
}

function bar(memory) {
  const parts = PARTS.map(([, key], i) => {
    const part = node('div', { className: `part-${i}` });
    part.style.flexGrow = Math.max(0, memory[key]) / memory.total_bytes;
    return part;
  });
  const all = node('div', { className: 'bar' }, ...parts);
  all.setAttribute('aria-hidden', 'true');
  return all;
}

function memorySection(memory) {
  const rows = PARTS.map(([name, key], i) =>
    row([node('span', { className: `swatch part-${i}` }), name], gib(memory[key])));
  const room = `Room for ${count(memory.kv_tokens)} tokens of ${(memory.kv_bytes_per_token / 1024).toFixed(1)} KiB. `
    + `Requests of full length at once: ${count(memory.fitting_requests)}.`;
  const whose = memory.num_gpus > 1 ? `each of ${memory.num_gpus} GPUs, ` : '';
  return [
    node('h2', {}, `Memory of ${whose}${memory.device}, ${gib(memory.total_bytes)}`),
    bar(memory),
    node('table', { id: 'memory' }, node('tbody', {}, ...rows)),
    node('p', {}, room),
  ];
}

function speedSection(speed) {
  const head = node('thead', {}, node('tr', {}, node('th'), node('th', { scope: 'col' }, 'Expected'),
    node('th', { scope: 'col' }, 'At most')));
  const body = node('tbody', {},
    row('Output of all requests', `${count(speed.tokens_per_s)} tokens/s`, `${count(speed.limit_tokens_per_s)} tokens/s`),
    row('A token of each', ms(speed.step_ms), ms(speed.limit_step_ms)),
    row('First token of a full prompt', ms(speed.first_token_ms), '–'));
  return [
    node('h2', {}, `Speed with ${count(speed.requests)} request${speed.requests === 1 ? '' : 's'}`),
    node('table', { id: 'speed' }, head, body),
    node('details', { open: true }, node('summary', {}, 'Under these conditions'), list(speed.conditions)),
  ];
}

function marks(sentences) {
  return node('div', { className: 'marks', id: 'not_yet' }, node('h2', {}, 'Not possible in this build yet'), list(sentences));
}

export function showProposal(root, proposal) {
  const parts = proposal.problems.map((problem) => node('p', { className: 'problem' }, problem));
  if (proposal.command !== null) parts.push(commandBox(proposal.command));
  if (proposal.not_yet.length > 0) parts.push(marks(proposal.not_yet));
  if (proposal.notes.length > 0) parts.push(list(proposal.notes));
  if (proposal.possible && proposal.memory !== null) parts.push(...memorySection(proposal.memory));
  if (proposal.speed !== null) parts.push(...speedSection(proposal.speed));
  root.replaceChildren(...parts);
}

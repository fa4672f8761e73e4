// One message on the page. A view is made once for its node and updated while that grows.

import { openCalls, siblingsOf } from './conversation.js';
import { button, copyButton, el } from '../dom.js';
import { MarkdownView } from './markdown.js';

// `actions`: edit(node, text), regenerate(node), showVersion(node), answerCall(call, text).
export function makeMessageView(node, actions) {
  return node.role === 'assistant' ? new AnswerView(node, actions) : new TextView(node, actions);
}

// ‹ 2 / 3 ›: the versions that editing and asking again made; nothing where there is one.
class VersionSwitch {
  constructor(node, actions) {
    this.node = node;
    this.actions = actions;
    this.count = el('span', {});
    this.previous = button('‹', { class: 'quiet', 'aria-label': 'Version before',
      onclick: () => this.step(-1) });
    this.next = button('›', { class: 'quiet', 'aria-label': 'Version after',
      onclick: () => this.step(1) });
    this.root = el('span', { class: 'versions' }, this.previous, this.count, this.next);
  }

  update(conversation) {
    this.siblings = siblingsOf(conversation, this.node);
    const at = this.siblings.indexOf(this.node);
    this.root.hidden = this.siblings.length < 2;
    this.count.textContent = `${at + 1} / ${this.siblings.length}`;
    this.previous.disabled = at === 0;
    this.next.disabled = at === this.siblings.length - 1;
  }

  step(by) { this.actions.showVersion(this.siblings[this.siblings.indexOf(this.node) + by]); }
}

// What the reader wrote, or the result of a tool that the reader gave.
class TextView {
  constructor(node, actions) {
    this.node = node;
    this.actions = actions;
    this.versions = new VersionSwitch(node, actions);
    this.text = el('div', { class: 'text' }, node.content);
    this.footer = el('footer', {}, this.versions.root, copyButton(() => node.content),
      button('Edit', { class: 'quiet edit', onclick: () => this.edit() }));
    const label = node.role === 'tool' ? 'Result of the tool' : 'You';
    this.root = el('article', { class: `message ${node.role}`, 'aria-label': label },
      node.role === 'tool' ? el('header', {}, label) : null, this.text, this.footer);
  }

  update(conversation) { this.versions.update(conversation); }

  edit() {
    const area = el('textarea', { 'aria-label': 'Edited message', rows: 3 });
    area.value = this.node.content;
    const close = () => this.root.replaceChild(this.text, form) && (this.footer.hidden = false);
    const form = el('form', { class: 'editor' }, area, el('div', { class: 'row' },
      button('Cancel', { onclick: close }), el('button', { class: 'primary' }, 'Send')));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      close();
      this.actions.edit(this.node, area.value);
    });
    area.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') close();
      if (sendsOn(event)) form.requestSubmit();
      if (event.key === 'Escape' || sendsOn(event)) consume(event);
    });
    this.footer.hidden = true;
    this.root.replaceChild(form, this.text);
    area.focus();
  }
}

// Enter alone; not while an input method composes, whose Enter takes its word, and not on a
// touch screen, whose keyboard has no Shift+Enter for a new line.
export function sendsOn(event) {
  return event.key === 'Enter' && !event.shiftKey && !event.isComposing && !isTouchScreen();
}

export function isTouchScreen() { return matchMedia('(pointer: coarse)').matches; }

export function consume(event) {
  event.preventDefault();
  event.stopPropagation();
}

class AnswerView {
  constructor(node, actions) {
    this.node = node;
    this.actions = actions;
    this.reasoning = new ReasoningView();
    this.content = el('div', { class: 'markdown' });
    this.markdown = new MarkdownView(this.content);
    this.calls = el('div', { class: 'calls' });
    this.error = el('p', { class: 'error', role: 'alert' });
    this.versions = new VersionSwitch(node, actions);
    this.stats = el('span', { class: 'stats' });
    this.copy = copyButton(() => node.content);
    this.regenerate = button('Regenerate',
      { class: 'quiet regenerate', onclick: () => actions.regenerate(node) });
    this.footer = el('footer', {}, this.versions.root, this.copy, this.regenerate, this.stats);
    this.root = el('article', { class: 'message assistant', 'aria-label': 'Answer' },
      this.reasoning.root, this.content, this.calls, this.error, this.footer);
  }

  update(conversation) {
    const { node } = this;
    const isWriting = node.finish === null;
    this.root.setAttribute('aria-busy', isWriting);
    this.root.classList.toggle('waiting', isWriting && !node.timing.first);
    this.reasoning.update(node);
    this.markdown.update(node.content);
    this.updateCalls(conversation);
    this.error.hidden = !node.error;
    this.error.textContent = node.error ?? '';
    this.versions.update(conversation);
    this.stats.textContent = statsText(node);
    this.stats.title = statsTitle(node);
    this.copy.hidden = isWriting || !node.content;
    this.regenerate.hidden = isWriting;
  }

  // Cards are made once and then filled, so that what is typed as a result stays.
  updateCalls(conversation) {
    const open = openCalls(conversation);
    this.node.calls.forEach((call, i) => {
      const card = this.calls.children[i] ?? this.calls.appendChild(this.makeCard(call));
      card.querySelector('.name').textContent = call.name;
      card.querySelector('pre').textContent = prettyJson(call.arguments);
      card.querySelector('form').hidden = !open.includes(call);
      const isCut = this.node.finish !== null && this.node.finish !== 'tool_calls';
      card.querySelector('.cut').hidden = !isCut;
    });
  }

  makeCard(call) {
    const area = el('textarea', { rows: 2, 'aria-label': `Result of ${call.name}`,
      placeholder: 'What the tool gives: text or JSON' });
    const form = el('form', {}, area, el('button', { class: 'primary' }, 'Send result'));
    const send = (event) => {
      consume(event);
      this.actions.answerCall(call, area.value);
    };
    form.addEventListener('submit', send);
    area.addEventListener('keydown', (event) => { if (sendsOn(event)) send(event); });
    return el('section', { class: 'call', 'aria-label': 'Tool call' },
      el('header', {}, 'Calls ', el('code', { class: 'name' }),
        el('span', { class: 'cut' }, ' (cut off: its arguments may not be whole)')),
      el('pre', { tabindex: 0 }), form);
  }
}

// Folded: while the model thinks, the summary shows the line that it is at.
class ReasoningView {
  constructor() {
    this.label = el('span', {});
    this.peek = el('span', { class: 'peek' });
    this.text = document.createTextNode('');
    this.root = el('details', { class: 'reasoning' }, el('summary', {}, this.label, this.peek),
      el('div', { class: 'text' }, this.text));
  }

  update({ reasoning, content, calls, finish, timing, usage }) {
    this.root.hidden = !reasoning;
    if (reasoning.startsWith(this.text.data)) {
      this.text.appendData(reasoning.slice(this.text.length));
    } else {
      this.text.data = reasoning;
    }
    const isThinking = finish === null && !content && !calls.length;
    this.label.textContent = isThinking ? 'Thinking…' : thoughtText(timing, usage);
    this.peek.textContent = isThinking ? reasoning.trimEnd().split('\n').at(-1) : '';
  }
}

function thoughtText({ first, thought, end }, usage) {
  const until = thought ?? end;
  const tokens = usage?.completion_tokens_details?.reasoning_tokens ?? usage?.reasoning_tokens;
  const time = first && until ? ` for ${((until - first) / 1000).toFixed(1)} s` : '';
  return `Thought${time}${tokens ? ` (${tokens} tokens)` : ''}`;
}

const kEndings = {
  length: 'ended at the limit of tokens', stopped: 'stopped', abort: 'ended by the server',
};

function statsText({ usage, timing, finish }) {
  const parts = [];
  if (usage?.completion_tokens) parts.push(`${usage.completion_tokens} tokens`);
  const rate = tokensPerSecond(usage, timing);
  if (rate) parts.push(`${rate.toFixed(rate < 100 ? 1 : 0)} tok/s`);
  if (finish in kEndings) parts.push(kEndings[finish]);
  return parts.join(' · ');
}

// Of the tokens after the first, whose time is the prompt's.
function tokensPerSecond(usage, { first, end }) {
  const tokens = (usage?.completion_tokens ?? 0) - 1;
  return tokens > 0 && first && end > first ? tokens / ((end - first) / 1000) : 0;
}

function statsTitle({ usage, timing: { start, first } }) {
  if (!usage) return '';
  const cached = usage.prompt_tokens_details?.cached_tokens ?? 0;
  const wait = first ? `; the first token after ${((first - start) / 1000).toFixed(2)} s` : '';
  return `${usage.prompt_tokens} prompt tokens, ${cached} of them from the prefix cache${wait}`;
}

function prettyJson(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;  // still being written, or cut
  }
}

// Markdown as DOM nodes, built one by one with text nodes: whatever a model writes, no tag, handler
// or script of it comes to life, and nothing is fetched (an image is shown as a link).

import { copyButton, el } from '../dom.js';
import { parseBlocks } from './markdown_blocks.js';
import { parseInline } from './markdown_inline.js';

const kSchemes = ['http:', 'https:', 'mailto:'];
const kMaxDepth = 32;  // of spans within each other

export function renderMarkdown(text) {
  const fragment = document.createDocumentFragment();
  fragment.append(...parseBlocks(text).map(renderBlock));
  return fragment;
}

// The address if following it can only open a page or write a mail, else null.
export function safeHref(href) {
  const url = URL.canParse(href) ? new URL(href) : null;
  return url && kSchemes.includes(url.protocol) ? url.href : null;
}

// Shows a text that grows. What stands before its last block is final and is kept as it is, so
// that a long answer costs its last block at each update.
export class MarkdownView {
  constructor(root) {
    this.root = root;
    this.reset();
  }

  reset() {
    this.final = '';    // the text that will not be looked at again
    this.numFinal = 0;  // how many of the root's children show it
    this.root.replaceChildren();
  }

  update(text) {
    text = text.replace(/\r\n?/g, '\n');  // as parseBlocks counts lines
    if (!text.startsWith(this.final)) this.reset();
    const rest = text.slice(this.final.length);
    const blocks = parseBlocks(rest);
    while (this.root.childNodes.length > this.numFinal) this.root.lastChild.remove();
    this.root.append(...blocks.map(renderBlock));
    const lines = rest.split('\n');
    // The last block may go on. While its last line is unfinished it may even turn out to be no
    // block of its own, but a part of the one before.
    const firstOpen = blocks.length - (rest.endsWith('\n') ? 1 : 2);
    if (firstOpen <= 0) return;
    this.numFinal += firstOpen;
    this.final += lines.slice(0, blocks[firstOpen].line).join('\n') + '\n';
  }
}

function renderBlock(block) {
  switch (block.type) {
    case 'heading': return el(`h${block.level}`, {}, ...renderInline(block.text));
    case 'code': return renderCode(block);
    case 'math': return el('div', { class: 'math' }, block.text);
    case 'rule': return el('hr');
    case 'quote': return el('blockquote', {}, ...block.children.map(renderBlock));
    case 'list': return renderList(block);
    case 'table': return renderTable(block);
    default: return el('p', {}, ...renderInline(block.text));
  }
}

function renderCode({ language, text }) {
  const head = el('div', { class: 'code-head' }, el('span', {}, language), copyButton(() => text));
  return el('div', { class: 'code-block' }, head, el('pre', { tabindex: 0 }, el('code', {}, text)));
}

function renderList({ start, items, loose }) {
  const tag = start === null ? 'ul' : 'ol';
  const first = start === null || start === 1 ? null : start;
  return el(tag, { start: first }, ...items.map((item) => renderItem(item, loose)));
}

// In a tight list a paragraph is no paragraph of its own.
function renderItem({ task, children }, loose) {
  const nodes = children.flatMap((child) => child.type === 'paragraph' && !loose
    ? renderInline(child.text) : [renderBlock(child)]);
  if (task === null) return el('li', {}, ...nodes);
  const box = el('input', { type: 'checkbox', disabled: true, checked: task });
  return el('li', { class: 'task' }, box, ...nodes);
}

function renderTable({ align, head, rows }) {
  const cell = (tag) => (text, i) =>
    el(tag, { class: align[i] && `align-${align[i]}` }, ...renderInline(text));
  return el('div', { class: 'table' }, el('table', {},
    el('thead', {}, el('tr', {}, ...head.map(cell('th')))),
    el('tbody', {}, ...rows.map((row) => el('tr', {}, ...row.map(cell('td')))))));
}

function renderInline(text) { return parseInline(text).map((span) => renderSpan(span, 0)); }

// Deeper than any text means it, a span is its text alone: a tree of any depth is no stack of ours.
function renderSpan(span, depth) {
  const inner = () => depth > kMaxDepth ? [textOf(span)]
    : span.children.map((child) => renderSpan(child, depth + 1));
  switch (span.type) {
    case 'code': return el('code', {}, span.text);
    case 'math': return el('span', { class: 'math' }, span.text);
    case 'break': return el('br');
    case 'strong': case 'em': case 'del': return el(span.type, {}, ...inner());
    case 'link': case 'image': return renderLink(span, inner());
    default: return document.createTextNode(span.text);
  }
}

function textOf(span) {
  let text = '';
  const todo = [span];
  while (todo.length) {
    const { text: own = '', children = [] } = todo.pop();
    text += own;
    for (let i = children.length - 1; i >= 0; --i) todo.push(children[i]);
  }
  return text;
}

function renderLink({ type, href }, inner) {
  if (type === 'image') inner.unshift('🖼 ');
  const safe = safeHref(href);
  if (!safe) return el('span', { class: 'no-link', title: href }, ...inner);
  return el('a', { href: safe, rel: 'noopener noreferrer', target: '_blank' }, ...inner);
}

// Markdown's blocks as a tree. Pure: no DOM. The text inside a block stays text, for parseInline.
//
// parseBlocks(text) gives an array of blocks, each with `line`, the line it begins on (from 0):
//   {type: 'paragraph', text}, {type: 'heading', level, text}, {type: 'code', language, text},
//   {type: 'math', text}, {type: 'rule'}, {type: 'quote', children},
//   {type: 'list', start (null: bullets), items: [{task (null | bool), children}], loose},
//   {type: 'table', align: ['left' | 'right' | 'center' | null], head: [text], rows: [[text]]}.
// CommonMark and GitHub's tables and tasks, without indented code (models mean lists by it), HTML
// (it is text) and link references. What is nested in a list needs two blanks only.

const kMaxDepth = 12;  // quotes and lists within each other; deeper is text

const kFence = /^( {0,3})(`{3,}|~{3,}) *([^`]*)$/;
const kHeading = /^ {0,3}(#{1,6})(?= |$)/;
const kRule = /^ {0,3}([-*_])(?: *\1){2,} *$/;
const kQuote = /^ {0,3}> ?/;
const kMarker = /^( {0,3})([-*+]|\d{1,9}[.)])(?:[ \t](.*)|)$/;
const kUnderline = /^ {0,3}(={2,}|-{3,}) *$/;  // one dash is a list that is just being written
const kTableRule = /^ {0,3}\|? *:?-+:? *(?:\| *:?-+:? *)*\|? *$/;
const kMathStart = /^ {0,3}(\\\[|\$\$)/;
const kMaxMathLines = 100;
const kTask = /^\[([ xX])\] (?=\S)/;

export function parseBlocks(text) {
  return blocksOf(text.replace(/\r\n?/g, '\n').split('\n'), 0);
}

function blocksOf(lines, depth) {
  const blocks = [];
  for (let at = 0; at < lines.length;) {
    if (isBlank(lines[at])) {
      ++at;
      continue;
    }
    const block = takeBlock(lines, at, depth);
    blocks.push({ ...block, line: at });
    at = block.end;
  }
  return blocks;
}

function isBlank(line) { return !line.trim(); }

// One block from line `at`; `end` is the line after it.
function takeBlock(lines, at, depth) {
  return takeFence(lines, at) ?? takeHeading(lines, at) ?? takeRule(lines, at) ??
    takeMath(lines, at) ?? (depth < kMaxDepth ? takeQuote(lines, at, depth) : null) ??
    (depth < kMaxDepth ? takeList(lines, at, depth) : null) ?? takeTable(lines, at) ??
    takeParagraph(lines, at);
}

// An unclosed fence goes to the end: so it looks while it is being written.
function takeFence(lines, at) {
  const opener = kFence.exec(lines[at]);
  if (!opener) return null;
  const [, indent, fence, info] = opener;
  const closer = new RegExp(`^ {0,3}${fence[0]}{${fence.length},}[ \\t]*$`);
  const text = [];
  let end = at + 1;
  while (end < lines.length && !closer.test(lines[end])) {
    text.push(lines[end++].replace(new RegExp(`^ {0,${indent.length}}`), ''));
  }
  const language = info.trim().split(/\s/)[0];
  return { type: 'code', language, text: text.join('\n'), end: Math.min(end + 1, lines.length) };
}

function takeHeading(lines, at) {
  const found = kHeading.exec(lines[at]);
  if (!found) return null;
  const text = lines[at].slice(found[0].length).trim().replace(/(?:^| )#+$/, '').trimEnd();
  return { type: 'heading', level: found[1].length, text, end: at + 1 };
}

function takeRule(lines, at) {
  return kRule.test(lines[at]) ? { type: 'rule', end: at + 1 } : null;
}

function takeMath(lines, at) {
  const opener = kMathStart.exec(lines[at])?.[1];
  if (!opener) return null;
  const closer = opener === '$$' ? '$$' : '\\]';
  const first = lines[at].trim();
  if (first.length > opener.length && first.endsWith(closer)) {
    return { type: 'math', text: first, end: at + 1 };
  }
  const limit = Math.min(lines.length, at + kMaxMathLines);
  for (let end = at + 1; end < limit && !isBlank(lines[end]); ++end) {
    if (!lines[end].trim().endsWith(closer)) continue;
    return { type: 'math', text: lines.slice(at, end + 1).join('\n'), end: end + 1 };
  }
  return null;
}

// A line without > goes on with the quote's last paragraph.
function takeQuote(lines, at, depth) {
  if (!kQuote.test(lines[at])) return null;
  const inner = [];
  let end = at;
  for (; end < lines.length; ++end) {
    const quoted = kQuote.test(lines[end]);
    if (!quoted && (isBlank(lines[end]) || isBlank(inner.at(-1)) || startsBlock(lines, end))) break;
    inner.push(quoted ? lines[end].replace(kQuote, '') : lines[end]);
  }
  return { type: 'quote', children: blocksOf(inner, depth + 1), end };
}

// indent: where the marker stands; content: where the item's text begins.
function markerOf(line) {
  const found = kRule.test(line) ? null : kMarker.exec(line);
  if (!found) return null;
  const [, blanks, mark, rest = ''] = found;
  const more = /^ {0,3}(?=\S)/.exec(rest)?.[0].length ?? 0;
  return {
    kind: mark.length > 1 ? mark.at(-1) : mark, start: mark.length > 1 ? parseInt(mark, 10) : null,
    indent: blanks.length, content: blanks.length + mark.length + 1 + more, text: rest.slice(more),
  };
}

function takeList(lines, at, depth) {
  const first = markerOf(lines[at]);
  if (!first) return null;
  const items = [];
  let loose = false;
  let end = at;
  for (let marker = first; marker && marker.kind === first.kind;) {
    const item = takeItem(lines, end, marker, depth);
    items.push(item);
    let next = item.end;
    while (next < lines.length && isBlank(lines[next])) ++next;
    marker = next < lines.length ? markerOf(lines[next]) : null;
    loose ||= item.loose || (marker?.kind === first.kind && next > item.end);
    end = marker?.kind === first.kind ? next : item.end;
  }
  return { type: 'list', start: first.start, loose, items, end };
}

function takeItem(lines, at, marker, depth) {
  const task = kTask.exec(marker.text);
  const inner = [task ? marker.text.slice(task[0].length) : marker.text];
  let end = at + 1;
  while (end < lines.length) {
    const taken = itemLines(lines, end, marker, inner);
    if (!taken) break;
    inner.push(...taken);
    end += taken.length;
  }
  const children = blocksOf(inner, depth + 1);
  const loose = children.some((child, i) => i > 0 && child.type === 'paragraph');
  return { task: task ? task[1] !== ' ' : null, children, loose, end };
}

// The next lines of an item: indented ones, blank ones before those, and a paragraph's lazy ones.
function itemLines(lines, at, marker, inner) {
  let next = at;
  while (next < lines.length && isBlank(lines[next])) ++next;
  if (next === lines.length) return null;
  const line = lines[next].replace(/^[ \t]+/, (blanks) => blanks.replaceAll('\t', '    '));
  const indent = line.length - line.trimStart().length;
  const needed = Math.min(marker.content, marker.indent + 2);
  if (indent >= needed) {
    const blanks = lines.slice(at, next).map(() => '');
    return [...blanks, line.slice(Math.min(indent, marker.content))];
  }
  const isLazy = next === at && !isBlank(inner.at(-1)) && !markerOf(line) &&
    !startsBlock(lines, next);
  return isLazy ? [line] : null;
}

function cellsOf(line) {
  const inner = line.trim().replace(/^\|/, '').replace(/(?<!\\)\|$/, '');
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replace(/\\\|/g, '|'));
}

function startsTable(lines, at) {
  return lines[at].includes('|') && at + 1 < lines.length && kTableRule.test(lines[at + 1]) &&
    lines[at + 1].includes('|') && cellsOf(lines[at]).length === cellsOf(lines[at + 1]).length;
}

function alignmentOf(rule) {
  if (/^:.*:$/.test(rule)) return 'center';
  if (rule.endsWith(':')) return 'right';
  return rule.startsWith(':') ? 'left' : null;
}

function takeTable(lines, at) {
  if (!startsTable(lines, at)) return null;
  const head = cellsOf(lines[at]);
  const align = cellsOf(lines[at + 1]).map(alignmentOf);
  const rows = [];
  let end = at + 2;
  for (; end < lines.length && !isBlank(lines[end]) && !startsBlock(lines, end); ++end) {
    const cells = cellsOf(lines[end]);
    rows.push(head.map((_, i) => cells[i] ?? ''));
  }
  return { type: 'table', align, head, rows, end };
}

// Whether line `at` ends a paragraph before it. Numbers other than 1 do not: "in\n2024. Then".
function startsBlock(lines, at) {
  const line = lines[at];
  if ([kFence, kHeading, kRule, kQuote].some((pattern) => pattern.test(line))) return true;
  if (takeMath(lines, at)) return true;
  const marker = markerOf(line);
  if (marker && marker.text && (marker.start === null || marker.start === 1)) return true;
  return startsTable(lines, at);
}

function takeParagraph(lines, at) {
  let end = at + 1;
  for (; end < lines.length && !isBlank(lines[end]); ++end) {
    const underline = kUnderline.exec(lines[end]);
    if (underline) {
      const level = underline[1][0] === '=' ? 1 : 2;
      return { type: 'heading', level, text: paragraphText(lines, at, end), end: end + 1 };
    }
    if (startsBlock(lines, end)) break;
  }
  return { type: 'paragraph', text: paragraphText(lines, at, end), end };
}

function paragraphText(lines, at, end) {
  return lines.slice(at, end).map((line) => line.trimStart()).join('\n').trimEnd();
}

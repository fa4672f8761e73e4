// The inside of a Markdown paragraph as a tree: emphasis, code, links, math. Pure: no DOM.
//
// parseInline(text) gives an array of
//   {type: 'text', text}, {type: 'code', text}, {type: 'math', text}, {type: 'break'},
//   {type: 'strong' | 'em' | 'del', children}, {type: 'link' | 'image', href, children}.
// CommonMark's rules and GitHub's for ~~ and bare addresses, but that a line's end is a break
// (models write verse and addresses so), HTML is text, and a formula between \( \), \[ \], $ $ or
// $$ $$ is kept as written, so that its stars and underscores stay.

const kPunctuation = /[!-/:-@[-`{-~\p{P}\p{S}]/u;
const kEscapable = /[!-/:-@[-`{-~]/;
const kEntities = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0' };
const kEntity = /&(?:(amp|lt|gt|quot|apos|nbsp)|#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6}));/y;
const kAutolink = /<((?:https?|mailto):[^\s<>]*|[\w.+-]+@[\w-]+(?:\.[\w-]+)+)>/y;
const kBareUrl = /https?:\/\/[^\s<>`*"]+/y;
// (address "title"): the address in < >, or without blanks and with its brackets in pairs.
const kAddress = String.raw`<([^<>\n]*)>|([^\s()<]*(?:\([^\s()]*\)[^\s()]*)*)`;
const kTitle = String.raw`"[^"]*"|'[^']*'`;
const kDestination =
  new RegExp(String.raw`\([ \n]*(?:${kAddress})(?:[ \n]+(?:${kTitle}))?[ \n]*\)`, 'y');
const kMaxBrackets = 64;  // open at once; more are text

export function parseInline(text) {
  const parser = new InlineParser(text);
  parser.run();
  return joinText(resolveEmphasis(parser.items));
}

function matchAt(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

class InlineParser {
  constructor(text) {
    this.text = text;
    this.at = 0;
    this.items = [];
    this.brackets = [];       // indices into items of [ and ![ that may begin a link
    this.missing = new Set();  // closers that are known not to follow: keeps the scan linear
  }

  run() {
    const special = /[\\`*_~[\]!<&$\n]|https?:/g;
    while (this.at < this.text.length) {
      special.lastIndex = this.at;
      const next = special.exec(this.text)?.index ?? this.text.length;
      if (next > this.at) this.push('text', { text: this.text.slice(this.at, next) });
      this.at = next;
      if (next < this.text.length) this.takeSpecial();
    }
  }

  push(type, fields) { this.items.push({ type, ...fields }); }

  literal(length) {
    this.push('text', { text: this.text.slice(this.at, this.at + length) });
    this.at += length;
  }

  takeSpecial() {
    switch (this.text[this.at]) {
      case '\\': return this.takeBackslash();
      case '`': return this.takeCode();
      case '$': return this.takeDollar();
      case '*': case '_': case '~': return this.takeDelimiters();
      case '[': return this.openBracket(1);
      case '!': return this.text[this.at + 1] === '[' ? this.openBracket(2) : this.literal(1);
      case ']': return this.closeBracket();
      case '<': return this.takeAutolink();
      case '&': return this.takeEntity();
      case '\n': return this.takeLineEnd();
      default: return this.takeBareUrl();
    }
  }

  // Where `closer` next stands, or -1; what is missing once is missing from here on.
  find(closer, from) {
    if (this.missing.has(closer)) return -1;
    const found = this.text.indexOf(closer, from);
    if (found < 0) this.missing.add(closer);
    return found;
  }

  takeBackslash() {
    const next = this.text[this.at + 1];
    if (next === '(' && this.takeMath('\\(', '\\)')) return;
    if (next === '[' && this.takeMath('\\[', '\\]')) return;
    if (next === '\n') {
      this.at += 1;
      return this.takeLineEnd();
    }
    if (next === undefined || !kEscapable.test(next)) return this.literal(1);
    this.push('text', { text: next });
    this.at += 2;
  }

  takeMath(opener, closer) {
    const end = this.find(closer, this.at + opener.length);
    if (end < 0) return false;
    this.push('math', { text: this.text.slice(this.at, end + closer.length) });
    this.at = end + closer.length;
    return true;
  }

  // A single $ is money unless a formula hugs it on both sides.
  takeDollar() {
    if (this.text.startsWith('$$', this.at)) {
      if (!this.takeMath('$$', '$$')) this.literal(2);
      return;
    }
    const found = matchAt(/\$(?![\s$])(?:[^$\n\\]|\\.)*?(?<!\s)\$(?!\d)/y, this.text, this.at);
    if (!found || found[0].length < 3) return this.literal(1);
    this.push('math', { text: found[0] });
    this.at += found[0].length;
  }

  takeCode() {
    const opener = matchAt(/`+/y, this.text, this.at)[0];
    const end = this.findBackticks(opener.length, this.at + opener.length);
    if (end < 0) return this.literal(opener.length);
    let code = this.text.slice(this.at + opener.length, end).replace(/\n/g, ' ');
    if (/^ .* $/.test(code) && code.trim()) code = code.slice(1, -1);
    this.push('code', { text: code });
    this.at = end + opener.length;
  }

  // The next run of exactly `count` backticks.
  findBackticks(count, from) {
    const key = `run of ${count}`;
    if (this.missing.has(key)) return -1;
    const runs = /`+/g;
    runs.lastIndex = from;
    for (let run = runs.exec(this.text); run; run = runs.exec(this.text)) {
      if (run[0].length === count) return run.index;
    }
    this.missing.add(key);
    return -1;
  }

  // A run can open before a word and close after one; _ inside a word does neither.
  takeDelimiters() {
    const mark = this.text[this.at];
    let end = this.at;
    while (this.text[end] === mark) ++end;
    if (mark === '~' && end - this.at !== 2) return this.literal(end - this.at);
    const before = this.text[this.at - 1] ?? ' ', after = this.text[end] ?? ' ';
    const spaceBefore = /\s/.test(before), spaceAfter = /\s/.test(after);
    const markBefore = kPunctuation.test(before), markAfter = kPunctuation.test(after);
    const left = !spaceAfter && (!markAfter || spaceBefore || markBefore);
    const right = !spaceBefore && (!markBefore || spaceAfter || markAfter);
    const inWord = mark === '_' && left && right;
    this.push('delimiter', {
      mark, count: end - this.at, length: end - this.at,
      opens: left && (!inWord || markBefore), closes: right && (!inWord || markAfter),
    });
    this.at = end;
  }

  openBracket(length) {
    if (this.brackets.length < kMaxBrackets) this.brackets.push(this.items.length);
    this.literal(length);
  }

  closeBracket() {
    const opener = this.brackets.pop();
    const target = opener === undefined ? null
      : matchAt(kDestination, this.text, this.at + 1);
    if (!target) return this.literal(1);
    const isImage = this.items[opener].text === '![';
    const children = joinText(resolveEmphasis(this.items.splice(opener).slice(1)));
    const href = (target[1] ?? target[2]).replace(/\\([!-/:-@[-`{-~])/g, '$1');
    this.push(isImage ? 'image' : 'link', { href, children });
    if (!isImage) this.brackets = [];  // no link inside a link
    this.at += 1 + target[0].length;
  }

  takeAutolink() {
    const found = matchAt(kAutolink, this.text, this.at);
    if (!found) return this.literal(1);
    const href = found[1].includes(':') ? found[1] : `mailto:${found[1]}`;
    this.push('link', { href, children: [{ type: 'text', text: found[1] }] });
    this.at += found[0].length;
  }

  takeBareUrl() {
    const inWord = /\w/.test(this.text[this.at - 1] ?? ' ');
    const found = inWord ? null : matchAt(kBareUrl, this.text, this.at);
    if (!found) return this.literal(1);
    const url = withoutTrailingMarks(found[0]);
    if (/^https?:\/\/$/.test(url)) return this.literal(url.length);
    this.push('link', { href: url, children: [{ type: 'text', text: url }] });
    this.at += url.length;
  }

  takeEntity() {
    const found = matchAt(kEntity, this.text, this.at);
    if (!found) return this.literal(1);
    const code = found[2] ? parseInt(found[2], 10) : parseInt(found[3], 16);
    const known = code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd';
    this.push('text', { text: found[1] ? kEntities[found[1]] : known });
    this.at += found[0].length;
  }

  takeLineEnd() {
    const last = this.items.at(-1);
    if (last?.type === 'text') last.text = last.text.replace(/ +$/, '');
    this.push('break', {});
    this.at += 1;
    while (this.text[this.at] === ' ') ++this.at;
  }
}

// A sentence's end and an unopened bracket are not part of an address.
function withoutTrailingMarks(url) {
  for (;;) {
    const last = url.at(-1);
    const unopened = last === ')' && url.split(')').length > url.split('(').length;
    if (!unopened && !/[.,:;!?'\]}]/.test(last)) return url;
    url = url.slice(0, -1);
  }
}

// Pairs the delimiter runs, each closer with the nearest opener (CommonMark's "process emphasis").
function resolveEmphasis(items) {
  const bottoms = new Map();  // for a kind of closer, the item before which no opener is left
  for (let at = 0; at < items.length; ++at) {
    while (items[at]?.type === 'delimiter' && items[at].closes && items[at].count > 0) {
      const key = `${items[at].mark}${items[at].opens}${items[at].length % 3}`;
      const opener = findOpener(items, at, bottoms.get(key));
      if (opener < 0) {
        bottoms.set(key, items[at - 1]);
        break;
      }
      at = wrap(items, opener, at);
    }
  }
  return items.map((item) => item.type === 'delimiter'
    ? { type: 'text', text: item.mark.repeat(item.count) } : item);
}

function findOpener(items, closerAt, bottom) {
  const closer = items[closerAt];
  for (let at = closerAt - 1; at >= 0 && items[at] !== bottom; --at) {
    const item = items[at];
    if (item.type !== 'delimiter' || item.mark !== closer.mark || !item.opens) continue;
    if (item.count > 0 && !isOddMatch(item, closer)) return at;
  }
  return -1;
}

// The "multiple of 3" rule: **a*b* does not pair two stars with one.
function isOddMatch(opener, closer) {
  return (opener.closes || closer.opens) && (opener.length + closer.length) % 3 === 0 &&
    (opener.length % 3 !== 0 || closer.length % 3 !== 0);
}

// Puts what stands between the two into one node; returns where the closer then is.
function wrap(items, openerAt, closerAt) {
  const opener = items[openerAt], closer = items[closerAt];
  const used = opener.count >= 2 && closer.count >= 2 ? 2 : 1;
  const type = closer.mark === '~' ? 'del' : used === 2 ? 'strong' : 'em';
  const children = items.slice(openerAt + 1, closerAt)
    .map((item) => item.type === 'delimiter'
      ? { type: 'text', text: item.mark.repeat(item.count) } : item);
  opener.count -= used;
  closer.count -= used;
  items.splice(openerAt + 1, closerAt - openerAt - 1, { type, children: joinText(children) });
  return openerAt + 2;
}

function joinText(items) {
  const joined = [];
  for (const item of items) {
    const last = joined.at(-1);
    if (item.type === 'text' && last?.type === 'text') {
      joined[joined.length - 1] = { type: 'text', text: last.text + item.text };
    } else if (item.type !== 'text' || item.text) {
      joined.push(item);
    }
  }
  return joined;
}

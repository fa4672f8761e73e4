// Builds DOM nodes. A string always becomes a text node or an attribute's value; nothing in these
// pages is ever read as HTML.

// el('a', {class: 'x', href: url, onclick: f}, 'text', child, null): false, null and undefined
// leave an attribute or a child out, true sets the attribute without a value.
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) setAttribute(node, name, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function setAttribute(node, name, value) {
  if (value === false || value === null || value === undefined) return;
  if (name.startsWith('on')) {
    node.addEventListener(name.slice(2), value);
  } else {
    node.setAttribute(name, value === true ? '' : value);
  }
}

export function button(label, attributes = {}) {
  return el('button', { type: 'button', ...attributes }, label);
}

// Only a page from https or from this machine may use navigator.clipboard; elsewhere a selection
// is copied the old way.
export async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = el('textarea', { class: 'offscreen', readonly: true });
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
}

// A button that copies what `text()` gives, and says for a moment whether it could.
export function copyButton(text, label = 'Copy') {
  const node = button(label, { class: 'quiet copy' });
  node.addEventListener('click', async () => {
    node.textContent = await copyText(text()).then(() => 'Copied', () => 'Not allowed');
    setTimeout(() => { node.textContent = label; }, 1500);
  });
  return node;
}

// Makes `nodes` the children of `root`, leaving what is in place where it is: moving a node would
// drop its selection, its focus and a press on it.
export function setChildren(root, nodes) {
  const wanted = new Set(nodes);
  for (const child of Array.from(root.children)) if (!wanted.has(child)) child.remove();
  nodes.forEach((node, i) => {
    if (root.children[i] !== node) root.insertBefore(node, root.children[i] ?? null);
  });
}

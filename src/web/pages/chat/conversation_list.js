// The list of stored conversations.

import { button, el, setChildren } from '../dom.js';

export class ConversationList {
  // `actions`: open(id), rename(id, title), remove(id).
  constructor(root, actions) {
    this.root = root;
    this.actions = actions;
    this.rows = new Map();  // by conversation id
  }

  // summaries: {id, title} in the order of the list.
  show(summaries, currentId) {
    const rows = summaries.map((summary) => {
      const row = this.rows.get(summary.id) ?? new Row(summary.id, this.actions);
      row.update(summary.title, summary.id === currentId);
      return [summary.id, row];
    });
    this.rows = new Map(rows);
    setChildren(this.root, rows.map(([, row]) => row.root));
  }
}

class Row {
  constructor(id, actions) {
    this.id = id;
    this.actions = actions;
    this.open = button('', { class: 'open', onclick: () => actions.open(id) });
    this.renameButton = button('✎', { class: 'quiet rename', onclick: () => this.rename() });
    this.removeButton = button('✕', { class: 'quiet remove', onclick: () => this.remove() });
    const actionsOfRow = el('span', { class: 'row-actions' }, this.renameButton, this.removeButton);
    this.parts = [this.open, actionsOfRow];
    this.root = el('li', {}, ...this.parts);
  }

  update(title, isCurrent) {
    this.title = title;
    this.open.textContent = this.open.title = title || 'Untitled';
    this.open.ariaCurrent = isCurrent ? 'page' : null;
    this.renameButton.title = this.renameButton.ariaLabel = `Rename ${title}`;
    this.removeButton.title = this.removeButton.ariaLabel = `Delete ${title}`;
  }

  // Enter and leaving the field keep the new title, Escape the old one.
  rename() {
    const input = el('input', { value: this.title, 'aria-label': 'Title' });
    let isKept = true;
    input.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' && event.key !== 'Escape') return;
      event.stopPropagation();
      isKept = event.key === 'Enter';
      input.blur();
      this.open.focus();
    });
    input.addEventListener('blur', () => {
      this.root.replaceChildren(...this.parts);
      const title = input.value.trim();
      if (isKept && title) this.actions.rename(this.id, title);
    });
    this.root.replaceChildren(input);
    input.select();
  }

  // The first press asks, the second deletes; what is lost cannot be had again.
  remove() {
    const { removeButton } = this;
    if (removeButton.classList.contains('sure')) return this.actions.remove(this.id);
    removeButton.classList.add('sure');
    removeButton.textContent = 'Delete?';
    removeButton.addEventListener('blur', () => {
      removeButton.classList.remove('sure');
      removeButton.textContent = '✕';
    }, { once: true });
  }
}

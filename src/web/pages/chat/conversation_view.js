// The shown path of a conversation: a column of messages that follows its end while the reader is
// there.

import { pathOf } from './conversation.js';
import { setChildren } from '../dom.js';
import { makeMessageView } from './message_view.js';

const kNearEnd_px = 48;

export class ConversationView {
  constructor(root, actions) {
    this.root = root;
    this.column = root.querySelector('.column');
    this.welcome = root.querySelector('.welcome');
    this.actions = actions;
    this.views = new Map();  // by node id
    this.follows = true;
    this.frame = 0;
    root.addEventListener('scroll', () => {
      this.follows = root.scrollTop + root.clientHeight >= root.scrollHeight - kNearEnd_px;
    });
  }

  show(conversation) {
    if (conversation !== this.conversation) {
      this.views.clear();
      this.follows = true;
    }
    this.conversation = conversation;
    this.update();
  }

  // Soon, once a frame: chunks come faster than anyone reads.
  scheduleUpdate() {
    this.frame ||= requestAnimationFrame(() => this.update());
  }

  update() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const path = pathOf(this.conversation);
    const views = path.map((node) => this.viewOf(node));
    this.welcome.hidden = path.length > 0;
    setChildren(this.column, views.map((view) => view.root));
    const unfinished = (node, i) => node.finish === null || i >= path.length - 2;
    views.forEach((view, i) => {
      if (view.isNew || unfinished(path[i], i)) view.update(this.conversation);
      view.isNew = false;
    });
    if (this.follows) this.root.scrollTop = this.root.scrollHeight;
  }

  // All of them: after a change that is not at the path's end.
  updateAll() {
    for (const view of this.views.values()) view.isNew = true;
    this.update();
  }

  viewOf(node) {
    if (!this.views.has(node.id)) {
      this.views.set(node.id, Object.assign(makeMessageView(node, this.actions), { isNew: true }));
    }
    return this.views.get(node.id);
  }

  // Opens the editor of the last message that the reader wrote.
  editLast() {
    const last = pathOf(this.conversation).findLast((node) => node.role === 'user');
    if (last) this.viewOf(last).edit();
  }
}

// What happens on the chat page: sending, stopping, editing, asking again, and which conversation
// is shown.

import { fetchModel } from './completion.js';
import {
  addAnswer, addNode, endUnfinished, newConversation, openCalls, showVersion,
} from './conversation.js';
import { ConversationList } from './conversation_list.js';
import { ConversationView } from './conversation_view.js';
import { Generation } from './generation.js';
import { consume, isTouchScreen, sendsOn } from './message_view.js';
import { SettingsDialog, loadSettings, parseTools, saveSettings } from './settings.js';
import { loadValue, saveValue } from './storage.js';

const kSaveEvery_ms = 1000;  // while an answer is written: what a crash of the browser may lose

const byId = (id) => document.getElementById(id);

export class ChatPage {
  constructor(storage) {
    this.storage = storage;
    this.settings = loadSettings();
    this.generations = new Map();  // by conversation id: one may write while another is shown
    this.removed = new Set();  // conversations that a stopped answer must not bring back
    this.conversation = newConversation();
    this.view = new ConversationView(byId('messages'), {
      edit: (node, text) => this.edit(node, text),
      regenerate: (node) => this.generate(node.parent),
      showVersion: (node) => this.showVersion(node),
      answerCall: (call, text) => this.answerCall(call, text),
    });
    this.list = new ConversationList(byId('conversations'), {
      open: (id) => this.open(id),
      rename: (id, title) => this.rename(id, title),
      remove: (id) => this.remove(id),
    });
    this.dialog = new SettingsDialog(byId('settings'), this.settings, () => this.onSettings());
    this.input = byId('input');
    this.channel = new BroadcastChannel('glint');  // to the other pages that this browser shows
    this.bind();
  }

  async start() {
    this.showKept(this.storage.persistent);
    this.view.show(this.conversation);
    this.showControls();
    await this.takeUnfinished().catch(() => this.showKept(false));
    await Promise.all([this.showModel(), this.openFromAddress()]);
    this.refocusInput();
  }

  bind() {
    byId('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.current() ? this.current().stop() : this.send();
    });
    this.input.addEventListener('input', () => this.resizeInput());
    this.input.addEventListener('keydown', (event) => this.onInputKey(event));
    document.addEventListener('keydown', (event) => this.onKey(event));
    byId('new').addEventListener('click', () => this.startNew());
    byId('open-settings').addEventListener('click', () => this.dialog.open());
    byId('settings').addEventListener('close', () => this.refocusInput());
    byId('menu').addEventListener('click', () => this.toggleSidebar());
    byId('shade').addEventListener('click', () => this.toggleSidebar(false));
    byId('thinking').addEventListener('change', () => this.switchSetting('thinking'));
    byId('useTools').addEventListener('change', () => this.switchSetting('useTools'));
    this.channel.addEventListener('message', ({ data }) => this.onOtherPage(data));
    addEventListener('hashchange', () => this.openFromAddress());
    addEventListener('pagehide', () => this.keepUnfinished());
  }

  onSettings() {
    this.showControls();
    this.showModel();
  }

  // ---- keys

  onInputKey(event) {
    if (sendsOn(event)) {
      consume(event);
      if (!this.current()) this.send();
    } else if (event.key === 'ArrowUp' && !this.input.value) {
      consume(event);
      this.view.editLast();
    }
  }

  onKey(event) {
    if (byId('settings').open) return;
    if (event.key === 'Escape') return this.onEscape();
    const isTyping = event.target.matches?.('input, textarea, select');
    if (event.key === '/' && !isTyping && !event.ctrlKey && !event.metaKey) {
      consume(event);
      return this.input.focus();
    }
    if (!event.altKey || event.ctrlKey || event.metaKey) return;
    const work = { KeyN: () => this.startNew(), KeyT: () => byId('thinking').click(),
      KeyS: () => this.dialog.open() }[event.code];
    if (!work) return;
    consume(event);
    work();
  }

  onEscape() {
    if (document.body.classList.contains('sidebar-open')) return this.toggleSidebar(false);
    this.current()?.stop();
  }

  // ---- messages

  current() { return this.generations.get(this.conversation.id); }

  send() {
    const text = this.input.value;
    if (!text.trim()) return;
    this.input.value = '';
    this.resizeInput();
    this.generate(addNode(this.conversation, this.conversation.leaf,
      { role: 'user', content: text }).id);
  }

  edit(node, text) {
    if (!text.trim() && node.role === 'user') return;
    this.current()?.stop();
    const { role, callId } = node;
    const edited = addNode(this.conversation, node.parent, { role, callId, content: text });
    this.generateUnlessCallsAreOpen(edited);
  }

  answerCall(call, text) {
    this.generateUnlessCallsAreOpen(addNode(this.conversation, this.conversation.leaf,
      { role: 'tool', callId: call.id, content: text }));
  }

  generateUnlessCallsAreOpen(node) {
    if (!openCalls(this.conversation).length) return this.generate(node.id);
    this.save(this.conversation);
    this.view.updateAll();
  }

  async generate(parent) {
    const { conversation } = this;
    this.generations.get(conversation.id)?.stop();
    const node = addAnswer(conversation, parent);
    const generation = new Generation(conversation, node, () => this.onChunk(generation));
    this.generations.set(conversation.id, generation);
    this.showConversation();
    this.save(conversation);
    await generation.run(this.settings);
    if (this.generations.get(conversation.id) === generation) {
      this.generations.delete(conversation.id);
    }
    conversation.updated = Date.now();
    this.save(conversation);
    if (conversation === this.conversation) this.showEnd(node);
  }

  onChunk(generation) {
    const { conversation } = generation;
    if (conversation === this.conversation) {
      this.view.scheduleUpdate();
      this.showUsage();
    }
    if (performance.now() - (generation.saved ?? -kSaveEvery_ms) < kSaveEvery_ms) return;
    generation.saved = performance.now();
    this.save(conversation);
  }

  showEnd(node) {
    this.view.updateAll();
    this.showControls();
    byId('announcer').textContent = node.error ?? 'The answer is complete.';
  }

  showVersion(node) {
    this.current()?.stop();
    showVersion(this.conversation, node);
    this.save(this.conversation);
    this.showConversation();
  }

  // ---- conversations

  startNew() {
    this.conversation = newConversation();
    history.replaceState(null, '', location.pathname);
    this.showConversation();
    this.input.focus();
  }

  async openFromAddress() {
    const id = location.hash.slice(1);
    if (id && id !== this.conversation.id) return this.open(id);
    await this.showList();
  }

  async open(id) {
    const loaded = this.generations.get(id)?.conversation ?? await this.storage.load(id);
    if (!loaded) return this.startNew();
    if (!this.generations.has(id)) endUnfinished(loaded);
    this.conversation = loaded;
    this.toggleSidebar(false);
    this.showConversation();
  }

  async rename(id, title) {
    const open = this.generations.get(id)?.conversation ??
      (this.conversation.id === id ? this.conversation : await this.storage.load(id));
    if (open) await this.save(Object.assign(open, { title }));
  }

  async remove(id) {
    this.generations.get(id)?.stop();
    this.removed.add(id);
    await this.storage.remove(id);
    if (this.conversation.id === id) this.startNew();
    await this.showList();
    this.channel.postMessage(id);
  }

  // Of the two sentences about what is kept, the true one.
  showKept(isKept) {
    byId('kept').hidden = !isKept;
    byId('not-kept').hidden = isKept;
  }

  async save(conversation) {
    if (!conversation.leaf || this.removed.has(conversation.id)) return;
    try {
      await this.storage.save(conversation);
      await this.showList();
    } catch {
      this.showKept(false);  // no room, or the reader had the browser clear its data
    }
    // While it is written, the others have no use for it.
    if (!this.generations.has(conversation.id)) this.channel.postMessage(conversation.id);
  }

  // Another page changed or removed a conversation: what is shown here must not be saved over it.
  async onOtherPage(id) {
    await this.showList();
    if (id !== this.conversation.id || this.current()) return;
    const loaded = await this.storage.load(id);
    if (!loaded) return this.startNew();
    this.conversation = loaded;
    this.showConversation();
  }

  // A page that goes away has no time for the database: what is being written is put where it
  // takes none, and the next page stores it.
  keepUnfinished() {
    const unfinished = Array.from(this.generations.values(), ({ conversation }) => conversation);
    for (const conversation of unfinished) conversation.updated = Date.now();
    if (unfinished.length) saveValue('unfinished', unfinished);
  }

  async takeUnfinished() {
    const unfinished = loadValue('unfinished', []);
    for (const conversation of unfinished) {
      const stored = await this.storage.load(conversation.id);
      if (stored && stored.updated <= conversation.updated) await this.storage.save(conversation);
    }
    if (unfinished.length) saveValue('unfinished', []);
  }

  // ---- what is shown

  showConversation() {
    if (this.conversation.leaf) history.replaceState(null, '', `#${this.conversation.id}`);
    this.view.show(this.conversation);
    this.view.updateAll();
    this.showControls();
    this.showList();
  }

  async showList() {
    const summaries = await this.storage.list();
    this.list.show(summaries, this.conversation.id);
  }

  showControls() {
    const isWriting = Boolean(this.current());
    byId('send').textContent = isWriting ? 'Stop' : 'Send';
    byId('send').classList.toggle('stop', isWriting);
    byId('thinking').checked = this.settings.thinking;
    byId('useTools').checked = this.settings.useTools;
    const numTools = this.numTools();
    byId('tools-switch').hidden = numTools === 0;
    byId('tools-label').textContent = `Tools (${numTools})`;
    this.showUsage();
  }

  numTools() {
    try {
      return parseTools(this.settings.tools).length;
    } catch {
      return 0;
    }
  }

  switchSetting(name) {
    this.settings[name] = byId(name).checked;
    saveSettings(this.settings);
  }

  async showModel() {
    try {
      this.model = await fetchModel();
      byId('model').textContent = this.model.name;
      document.title = `${this.model.name} · glint`;
      byId('welcome-model').textContent = `Ask ${this.model.name}`;
    } catch (error) {
      const isKey = error.name === 'KeyWanted';
      byId('model').textContent = isKey ? error.message : 'The server does not answer';
    }
    this.showUsage();
  }

  // How much of the context the conversation holds so far.
  showUsage() {
    const { leaf, nodes } = this.conversation;
    const used = nodes[leaf]?.usage?.total_tokens;
    const limit = this.model?.contextLength;
    const of = limit ? ` of ${limit.toLocaleString('en')}` : '';
    byId('context').textContent = used ? `${used.toLocaleString('en')}${of} tokens` : '';
  }

  toggleSidebar(open = !document.body.classList.contains('sidebar-open')) {
    document.body.classList.toggle('sidebar-open', open);
    byId('menu').setAttribute('aria-expanded', open);
  }

  // A dialog gives the focus back to where it was; Chromium (156) then leaves a text field without
  // a caret, and what is typed is lost, unless the field is entered anew.
  refocusInput() {
    if (isTouchScreen()) return;  // the keyboard would cover half of it
    this.input.blur();
    this.input.focus();
  }

  resizeInput() {
    this.input.style.height = 'auto';
    const borders_px = this.input.offsetHeight - this.input.clientHeight;
    this.input.style.height = `${this.input.scrollHeight + borders_px}px`;
  }
}

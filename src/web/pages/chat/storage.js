// Conversations in this browser: IndexedDB, one record each, because localStorage ends at some
// 5 MB and two pages would write over each other's list. Settings are small: localStorage.

const kDatabase = 'glint';
const kVersion = 1;

// {persistent, list(), load(id), save(conversation), remove(id)}, all but the first asynchronous.
// list() gives {id, title, updated}, the newest first. Where the browser allows no database (a
// private window of some), conversations last as long as the page.
export async function openStorage() {
  try {
    return new DatabaseStorage(await openDatabase());
  } catch {
    return new MemoryStorage();
  }
}

function openDatabase() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(kDatabase, kVersion);
    request.onupgradeneeded = () => {
      request.result.createObjectStore('conversations', { keyPath: 'id' });
      request.result.createObjectStore('summaries', { keyPath: 'id' });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error('another page holds an older database'));
  });
}

function summaryOf({ id, title, updated }) { return { id, title, updated }; }

function newestFirst(summaries) { return summaries.sort((a, b) => b.updated - a.updated); }

class DatabaseStorage {
  constructor(database) {
    this.persistent = true;
    this.database = database;
  }

  async list() {
    return newestFirst(await this.run('readonly', (_, summaries) => summaries.getAll()));
  }
  load(id) { return this.run('readonly', (conversations) => conversations.get(id)); }
  save(conversation) {
    return this.run('readwrite', (conversations, summaries) => {
      summaries.put(summaryOf(conversation));
      return conversations.put(conversation);
    });
  }
  remove(id) {
    return this.run('readwrite', (conversations, summaries) => {
      summaries.delete(id);
      return conversations.delete(id);
    });
  }

  // One transaction over both stores; gives the result of the request that `work` returns.
  run(mode, work) {
    return new Promise((resolve, reject) => {
      const transaction = this.database.transaction(['conversations', 'summaries'], mode);
      const request = work(transaction.objectStore('conversations'),
                           transaction.objectStore('summaries'));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
  }
}

class MemoryStorage {
  constructor() {
    this.persistent = false;
    this.conversations = new Map();
  }
  async list() { return newestFirst([...this.conversations.values()].map(summaryOf)); }
  async load(id) { return this.conversations.get(id); }
  async save(conversation) { this.conversations.set(conversation.id, conversation); }
  async remove(id) { this.conversations.delete(id); }
}

// A small value under a name, or `fallback` where there is none or it cannot be read.
export function loadValue(name, fallback) {
  try {
    return JSON.parse(localStorage.getItem(`glint.${name}`)) ?? fallback;
  } catch {
    return fallback;
  }
}

export function saveValue(name, value) {
  try {
    localStorage.setItem(`glint.${name}`, JSON.stringify(value));
  } catch {
    // No room or not allowed: it lasts as long as the page.
  }
}

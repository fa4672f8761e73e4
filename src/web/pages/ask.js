// Asking this server, with the API key that the reader gave, if any. The key stays in this browser
// and is sent to this server alone.

const kName = 'glint.api-key';
let key = '';

try {
  key = localStorage.getItem(kName) ?? '';
} catch {
  // Not allowed: a key lasts as long as the page.
}

export function apiKey() { return key; }

export function setApiKey(text) {
  key = text.trim();
  try {
    key ? localStorage.setItem(kName, key) : localStorage.removeItem(kName);
  } catch {
    // As above.
  }
}

// fetch() with the key. Throws an Error for the reader (name KeyWanted) if the server wants another.
export async function ask(path, options = {}) {
  const headers = { ...options.headers, ...(key && { Authorization: `Bearer ${key}` }) };
  const response = await fetch(path, { ...options, headers });
  if (response.status !== 401) return response;
  const problem = key ? 'The server does not know this API key' : 'The server wants an API key';
  throw Object.assign(new Error(`${problem}: give one in the chat's settings.`), { name: 'KeyWanted' });
}

// What the reader sets for the next answers: kept in this browser, sent with each request.

import { apiKey, setApiKey } from '../ask.js';
import { el } from '../dom.js';
import { loadValue, saveValue } from './storage.js';

// A number that is left empty is the model's own default: the request then has no such field.
const kNumbers = [
  { name: 'temperature', label: 'Temperature', min: 0, max: 2, step: 0.05, hint: '0 is greedy' },
  { name: 'top_p', label: 'Top-p', min: 0.01, max: 1, step: 0.01, hint: 'above 0, to 1' },
  { name: 'top_k', label: 'Top-k', min: -1, step: 1, hint: '-1 is off' },
  { name: 'min_p', label: 'Min-p', min: 0, max: 1, step: 0.01, hint: '0 is off' },
  { name: 'repetition_penalty', label: 'Repetition penalty', min: 0.05, max: 2, step: 0.05,
    hint: '1 is off' },
  { name: 'presence_penalty', label: 'Presence penalty', min: -2, max: 2, step: 0.1,
    hint: '0 is off' },
  { name: 'frequency_penalty', label: 'Frequency penalty', min: -2, max: 2, step: 0.1,
    hint: '0 is off' },
  { name: 'max_tokens', label: 'Tokens at most', min: 1, step: 1, hint: 'what fits' },
  { name: 'seed', label: 'Seed', min: 0, max: Number.MAX_SAFE_INTEGER, step: 1,
    hint: 'a new one each time' },
];

const kDefaults = {
  system: '', thinking: true, keepThinking: false, useTools: true, tools: '', stop: '', numbers: {},
};

export const kExampleTools = [{
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'Get the current weather for a location',
    parameters: {
      type: 'object',
      properties: { location: { type: 'string', description: 'The city name' } },
      required: ['location'],
    },
  },
}];

export function loadSettings() {
  return { ...structuredClone(kDefaults), ...loadValue('settings', {}) };
}

export function saveSettings(settings) { saveValue('settings', settings); }

// The tools that the text describes, in OpenAI's form; a lone tool and a bare function are taken
// too. Throws an Error that says what is wrong with it.
export function parseTools(text) {
  if (!text.trim()) return [];
  const parsed = parseToolsJson(text);
  return (Array.isArray(parsed) ? parsed : [parsed]).map((tool, i) => {
    const fn = tool?.function ?? tool;
    if (typeof fn?.name !== 'string' || !fn.name) {
      throw new Error(`Tool ${i + 1} has no name; expected ` +
        '{"type": "function", "function": {"name": …, "parameters": …}}.');
    }
    return { type: 'function', function: fn };
  });
}

function parseToolsJson(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`The tools are not valid JSON: ${error.message}.`);
  }
}

// The fields of a chat request but its messages.
export function requestFields(settings) {
  const fields = { chat_template_kwargs: { enable_thinking: settings.thinking } };
  if (settings.keepThinking) fields.chat_template_kwargs.clear_thinking = false;
  for (const { name } of kNumbers) {
    if (Number.isFinite(settings.numbers[name])) fields[name] = settings.numbers[name];
  }
  const stop = settings.stop.split('\n').filter((line) => line !== '');
  if (stop.length) fields.stop = stop;
  const tools = settings.useTools ? parseTools(settings.tools) : [];
  if (tools.length) fields.tools = tools;
  return fields;
}

// The settings' form, in a <dialog>. It writes into `settings` when it is accepted, saves them and
// calls `changed`.
export class SettingsDialog {
  constructor(dialog, settings, changed) {
    this.dialog = dialog;
    this.form = dialog.querySelector('form');
    this.settings = settings;
    this.changed = changed;
    this.form.querySelector('.numbers').append(...kNumbers.map(numberField));
    this.form.addEventListener('submit', (event) => this.accept(event));
    this.field('tools').addEventListener('input', () => this.checkTools());
    dialog.querySelector('.cancel').addEventListener('click', () => dialog.close());
    dialog.querySelector('.reset').addEventListener('click', () => this.fill(kDefaults));
    dialog.querySelector('.example').addEventListener('click', () => this.insertExample());
  }

  field(name) { return this.form.elements.namedItem(name); }

  open() {
    this.fill(this.settings);
    this.field('apiKey').value = apiKey();
    this.dialog.showModal();
  }

  fill(settings) {
    for (const name of ['system', 'tools', 'stop']) this.field(name).value = settings[name];
    this.field('keepThinking').checked = settings.keepThinking;
    for (const { name } of kNumbers) this.field(name).value = settings.numbers[name] ?? '';
    this.checkTools();
  }

  insertExample() {
    this.field('tools').value = JSON.stringify(kExampleTools, null, 2);
    this.checkTools();
  }

  checkTools() {
    let problem = '';
    try {
      parseTools(this.field('tools').value);
    } catch (error) {
      problem = error.message;
    }
    this.field('tools').setCustomValidity(problem);
    this.form.querySelector('.tools-problem').textContent = problem;
  }

  accept(event) {
    event.preventDefault();
    for (const name of ['system', 'tools', 'stop']) this.settings[name] = this.field(name).value;
    this.settings.keepThinking = this.field('keepThinking').checked;
    this.settings.numbers = {};
    for (const { name } of kNumbers) {
      const value = this.field(name).valueAsNumber;
      if (Number.isFinite(value)) this.settings.numbers[name] = value;
    }
    setApiKey(this.field('apiKey').value);
    saveSettings(this.settings);
    this.dialog.close();
    this.changed();
  }
}

function numberField({ name, label, hint, ...limits }) {
  const input = el('input', { type: 'number', name, placeholder: 'default', ...limits });
  return el('label', {}, el('span', {}, label), input, el('small', {}, hint));
}

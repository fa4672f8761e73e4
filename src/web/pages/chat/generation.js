// One answer being written: the stream's chunks go into its node until it ends or is stopped.

import { streamCompletion } from './completion.js';
import { apiMessages, applyChunk } from './conversation.js';
import { requestFields } from './settings.js';

export class Generation {
  // `onChange()` is called after every chunk and once after the end, when node.finish is set.
  constructor(conversation, node, onChange) {
    this.conversation = conversation;
    this.node = node;
    this.onChange = onChange;
    this.abort = new AbortController();
  }

  async run(settings) {
    const { node } = this;
    node.timing.start = performance.now();
    try {
      const messages = apiMessages(this.conversation, node.parent, settings.system);
      const request = { messages, ...requestFields(settings) };
      for await (const chunk of streamCompletion(request, this.abort.signal)) {
        applyChunk(node, chunk, performance.now());
        this.onChange();
      }
    } catch (error) {
      node.finish = this.abort.signal.aborted ? 'stopped' : 'failed';
      if (node.finish === 'failed') node.error = error.message;
    }
    node.finish ??= 'stopped';
    node.timing.end = performance.now();
    this.onChange();
  }

  stop() { this.abort.abort(); }
}

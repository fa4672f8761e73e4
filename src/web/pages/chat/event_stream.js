// Server-sent events over fetch (EventSource cannot POST).

// Yields the data of each event of a body, a ReadableStream of bytes, as text. Comments and other
// fields than data are left out. Ends with the body; a stream that breaks off throws what the
// reader throws.
export async function* readEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const events = (pending + value.replace(/\r/g, '')).split('\n\n');
      pending = events.pop();
      for (const event of events) {
        const data = dataOf(event);
        if (data !== null) yield data;
      }
    }
  } finally {
    reader.cancel().catch(() => {});  // a reader that failed has nothing left to cancel
  }
}

function dataOf(event) {
  const lines = event.split('\n').filter((line) => line.startsWith('data:'));
  return lines.length ? lines.map((line) => line.slice(5).replace(/^ /, '')).join('\n') : null;
}

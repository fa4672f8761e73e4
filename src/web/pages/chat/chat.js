// The chat page: puts its parts together.

import { ChatPage } from './chat_page.js';
import { openStorage } from './storage.js';

const page = new ChatPage(await openStorage());
await page.start();

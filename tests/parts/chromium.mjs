// Debian's Chromium for the tests of the pages: a new profile each time, and nothing that goes outside.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';

const BINARY = '/usr/bin/chromium';
const FLAGS = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--no-sandbox'];

// A profile of its own: { context, close }. `options` are Playwright's for a context: locale, colorScheme, viewport….
// What the pages print to the console ends up in `messages`; a violated policy is an error there.
export async function startChromium(options = {}, flags = []) {
  if (!fs.existsSync(BINARY)) throw new Error(`${BINARY} is missing (Debian package chromium)`);
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-authd-chromium-'));
  const context = await chromium.launchPersistentContext(profile, { executablePath: BINARY, headless: true,
    args: [...FLAGS, ...flags], chromiumSandbox: false, ...options });
  const messages = [];
  context.on('console', (message) => {
    const noIcon = message.location().url.endsWith('/favicon.ico') && message.text().includes('status of 404');
    if (['error', 'warning'].includes(message.type()) && !noIcon) messages.push(`${message.page()?.url()}: ${message.text()}`);
  });
  context.on('weberror', (error) => messages.push(String(error.error())));
  return {
    context, messages,
    page: context.pages()[0] ?? await context.newPage(),
    async close() {
      await context.close();
      fs.rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}

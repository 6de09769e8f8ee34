// The audit lines in a log: each an object, in order.

import assert from 'node:assert/strict';

export function auditLines(text) {
  return text.slice(0, text.lastIndexOf('\n') + 1).split('\n').filter((line) => line.startsWith('{')).map((line) => {
    assert.ok(Buffer.byteLength(line) < 4096, 'a line is one write');
    return { ...JSON.parse(line), line };
  });
}

// Sends HUP, and waits until the workers of the new generation have taken over. Gives back what was logged meanwhile.
export async function reload(site, until, expected = 'event=reload_ok') {
  const before = site.daemon.log.length;
  site.daemon.signal('SIGHUP');
  const said = () => site.daemon.log.slice(before);
  await until(() => `${expected} in: ${said()}`, () => said().includes(expected));
  return said();
}

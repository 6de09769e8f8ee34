// The audit lines in a log: each an object, in order.

import assert from 'node:assert/strict';
import { workersOf } from './daemon.mjs';
import { SITES } from './one-of-many.mjs';
import { until } from './util.mjs';

export function auditLines(text) {
  return text.slice(0, text.lastIndexOf('\n') + 1).split('\n').filter((line) => line.startsWith('{')).map((line) => {
    assert.ok(Buffer.byteLength(line) < 4096, 'a line is one write');
    return { ...JSON.parse(line), line };
  });
}

// Sends HUP, and waits until the workers of the new generation have taken over and the old ones, which answer what is
// waiting, are gone; or until the reload was refused, by each service that uses what is wrong. Gives back what was logged meanwhile.
export async function reload(site, { refused = false } = {}) {
  const before = site.daemon.log.length;
  const old = workersOf(site.daemon);
  const said = () => site.daemon.log.slice(before);
  const expected = refused ? /event=reload_failed hint=|event=reload_ok/ : /event=reload_ok/;
  const daemons = site.daemon.pids?.length ?? 1;
  site.daemon.signal('SIGHUP');
  await until(() => `${expected} in: ${said()}`, () => said().split(expected).length > daemons);
  // Of several sites a wrong one stays as it was, and the others are reloaded.
  if (refused) assert.match(said(), SITES ? /event=sites_refused sites=1 / : /event=reload_failed/);
  else await until('the end of the old workers', () => !workersOf(site.daemon).some((pid) => old.includes(pid)));
  return said();
}

// A web server that was started: what the tests may do with it, once it accepts connections.

import fs from 'node:fs';
import { accepts } from './util.mjs';

export async function webServer({ child, port, errorLog }) {
  await child.ready(`accepting on port ${port}`, () => accepts({ port, host: '127.0.0.1' }));
  return {
    port,
    get pid() { return child.pid; },
    get log() { return child.output + (fs.existsSync(errorLog) ? fs.readFileSync(errorLog, 'utf8') : ''); },
    stop: () => child.stop(),
  };
}

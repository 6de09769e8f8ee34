// A process of its own that starts wrk: a child has its parent's priority, and the rest of the bench gives way.

import { measureCalls } from '../parts/load-calls.mjs';

process.on('message', async (args) => process.send(await measureCalls(...args)));
process.send('ready');

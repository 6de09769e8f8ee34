// How long something took, not counting the time in which the whole machine stood still: while we wait for an answer our own
// loop goes on, and a pause of the machine stops it, too. So a bound on it is one on the program.

const STEP_MS = 10;
const STEP_MAX_MS = 3 * STEP_MS;      // what takes longer is the machine's doing

let paced = 0;
let last = performance.now();
setInterval(() => {
  const now = performance.now();
  paced += Math.min(now - last, STEP_MAX_MS);
  last = now;
}, STEP_MS).unref();

export const paceMs = () => Math.round(paced);

// The longest time but two: a pause of a single process makes one or two calls slow, and a fault of the program most of them.
export const almostSlowest = (times) => times.toSorted((a, b) => b - a)[2];

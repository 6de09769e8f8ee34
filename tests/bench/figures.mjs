// What the benches print: a line for each figure, with its goal. With FIGURES=FILE each is also added to that file, for `make bench-all`.

import fs from 'node:fs';

let missed = 0;

function keep(entry) {
  if (process.env.FIGURES) fs.appendFileSync(process.env.FIGURES, `${JSON.stringify(entry)}\n`);
}

// `table`: a heading of docs/performance.md. `value` and `goal` are texts.
export function figure(table, what, value, { goal = '', met = true } = {}) {
  console.log(`  ${what}: ${value}${goal && `; goal ${goal}`}${met ? '' : ', MISSED'}`);
  keep({ table, cells: [what, goal, met ? value : `**${value}**`] });
  missed += !met;
}

// A row of a table that has columns of its own; `head` has their titles.
export function row(table, head, cells) {
  console.log(`  ${cells.map((cell, i) => (head[i] && cell ? `${head[i]}: ${cell}` : cell)).filter(Boolean).join('; ')}`);
  keep({ table, head, cells });
}

export const exitStatus = () => (missed > 0 ? 1 : 0);

// Instructions in user space, counted by callgrind from one entry of a function to the next: it writes a file, and counts from 0 again, each
// time the program enters that function. The first file has the start, and each further one what came between two entries.

import fs from 'node:fs';
import path from 'node:path';

// `out`: the name that the files begin with. Run the program by `under`; when it has ended, `median` gives { file, total } of the median of so
// many files of a process, from the number `first` on, and removes all others.
export function callgrind(out, functionName) {
  return {
    under: ['valgrind', '-q', '--tool=callgrind', `--dump-before=${functionName}`, `--callgrind-out-file=${out}.%p`],
    median(pid, first, count) {
      const each = Array.from({ length: count }, (_, i) => `${out}.${pid}.${first + i}`)
        .map((file) => ({ file, total: Number(/^totals: (\d+)$/m.exec(fs.readFileSync(file, 'utf8'))[1]) }));
      const { file, total } = each.toSorted((one, other) => one.total - other.total)[Math.floor(each.length / 2)];
      fs.renameSync(file, out);
      for (const other of fs.readdirSync(path.dirname(out)))
        if (other.startsWith(`${path.basename(out)}.`)) fs.rmSync(path.join(path.dirname(out), other));
      return { file: out, total };
    },
  };
}

// What the calls of a function cost with all that it called, in one such file.
export function inclusive(file, functionName) {
  const names = new Map(); // callgrind writes a name once, and then its number
  let sum = 0;
  let counts;
  for (const line of fs.readFileSync(file, 'utf8').split('\n')) {
    const [, id, name] = /^c?fn=(\(\d+\))(?: (.*))?$/.exec(line) ?? [];
    if (name) names.set(id, name);
    if (id) counts = line.startsWith('cfn=') && names.get(id) === functionName ? 'next' : undefined;
    else if (counts === 'next' && line.startsWith('calls=')) counts = 'now';
    else if (counts === 'now') [sum, counts] = [sum + Number(line.split(' ')[1]), undefined];
  }
  return sum;
}

// A disk that is full or hangs, for the daemon alone: full-disk.c, preloaded.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ROOT } from './util.mjs';

// `env`: of the daemon. `fill`: nothing more can be written to LMDB's files, or to those with this text in their path, as with a quota, until
// `empty`; so `hang` and `go`.
export function makeFullDisk() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'full-disk-'));
  const [shim, full, hangs] = ['full-disk.so', 'full', 'hangs'].map((name) => path.join(dir, name));
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', shim, path.join(ROOT, 'tests/parts/full-disk.c'), '-ldl'], { stdio: ['ignore', 'pipe', 'pipe'] });
  const put = (file, text) => {
    fs.writeFileSync(`${file}.new`, text);
    fs.renameSync(`${file}.new`, file);
  };
  return {
    env: { LD_PRELOAD: shim, TEST_DISK_FULL: full, TEST_DISK_HANGS: hangs, ASAN_OPTIONS: 'verify_asan_link_order=0' },
    fill: (where = '') => put(full, where),
    empty: () => fs.rmSync(full, { force: true }),
    hang: () => put(hangs, ''),
    go: () => fs.rmSync(hangs, { force: true }),
    remove: () => fs.rmSync(dir, { recursive: true, force: true }),
  };
}

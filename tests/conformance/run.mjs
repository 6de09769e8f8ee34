// The official conformance suite against mcp-authd behind lighttpd, with a real token: every check of both requirement
// sets has to pass, scored or not, and of every scenario for servers that is in no set. The suite sends no token, so the
// web server of this test puts one in.
//
//   tests/node tests/conformance/run.mjs [REVISION [SCENARIO]]      with ONE_OF_SITES=50 as one of fifty sites

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { startLighttpd } from '../parts/lighttpd.mjs';
import { SITES } from '../parts/one-of-many.mjs';
import { startSite } from '../parts/site.mjs';
import { freePort, ROOT } from '../parts/util.mjs';
import { NOTES, readResults, REVISIONS, runSuite } from './suite.mjs';

const FIXTURES = path.join(ROOT, 'tests/conformance');

// A scenario without code: the suite skips it before it has asked the server anything, and so no server and no fixture can
// make it run. That it is skipped for this reason is checked; once it runs, it has to pass.
const NOT_WRITTEN = new Map([['tasks-status-notifications', /harness needs a rewrite/]]);

// The scenario that gives the server 0.5 to 1.5 s for each answer and takes what comes later for missing. If nothing else
// fails, it is run again: a fault fails each time, a pause of a busy machine does not.
const TIMED = 'server-stateless';
const AGAIN_MAX = 2;

// The fixtures are copied, because some of the tools change the lists.
function copyFixtures() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-conformance-'));
  for (const kind of ['tools.d', 'resources.d', 'prompts.d', 'skills.d']) fs.cpSync(path.join(FIXTURES, kind), path.join(dir, kind), { recursive: true });
  return dir;
}

// --force: extensions belong to no revision.
async function runScenarios(revision, url, out, scenario) {
  const what = scenario ? ['--scenario', scenario, '--spec-version', revision, '--force'] : ['--requirements', revision];
  return runSuite('server', '--url', url, ...what, '--output-dir', out);
}

// The names of all scenarios for servers.
async function listScenarios() {
  const { output } = await runSuite('list', '--server');
  return [...output.matchAll(/^ {2}- (\S+) \[/gm)].map(([, name]) => name);
}

const isNotWritten = ({ id, status, errorMessage }) => status === 'SKIPPED' && NOT_WRITTEN.get(id)?.test(errorMessage);

const isTrouble = (check) => !NOTES.has(check.id) && check.status !== 'SUCCESS' && !isNotWritten(check);

// Has the suite run to its end, and found something wrong in that scenario only?
function onlyTimedFailed({ output, results }) {
  const count = Number(/^Running requirements \S+ \((\d+) scenarios\)/m.exec(output)?.[1] ?? 1);
  const failed = results.filter(({ checks }) => checks.some(isTrouble));
  return results.length === count && failed.length > 0 && failed.every(({ scenario }) => scenario === TIMED);
}

// Runs the suite, and the one scenario again if need be. Is all well?
async function check(revision, url, out, scenario) {
  const run = async (dir, what) => {
    const { code, output } = await runScenarios(revision, url, dir, what);
    const results = readResults(dir);
    const passed = report(revision, results) && code === 0;
    if (code !== 0 || process.env.VERBOSE) console.log(output.split('\n').slice(process.env.VERBOSE ? 0 : -40).join('\n'));
    return { output, results, passed };
  };
  let last = await run(out, scenario);
  for (let again = 1; again <= AGAIN_MAX && !last.passed && onlyTimedFailed(last); again += 1) {
    console.log(`${revision}: nothing failed but ${TIMED}, which allows 0.5 to 1.5 s for an answer: it is run again alone (${again} of ${AGAIN_MAX}), ` +
      'in case the machine was busy.');
    last = await run(`${out}-again-${again}`, TIMED);
  }
  return last.passed;
}

function report(revision, results) {
  const counts = { SUCCESS: 0, FAILURE: 0, WARNING: 0, SKIPPED: 0, INFO: 0 };
  let notWritten = 0;
  for (const { scenario, checks } of results) {
    for (const check of checks.filter((each) => !NOTES.has(each.id))) {
      if (isNotWritten(check)) notWritten++;
      else counts[check.status]++;
      if (check.status !== 'SUCCESS') {
        console.log(`${revision} ${scenario} ${check.id}: ${check.status} ${check.errorMessage ?? check.details?.message ?? check.details?.note ?? ''}`);
      }
    }
  }
  const total = Object.values(counts).reduce((sum, n) => sum + n, 0);
  console.log(`${revision}: ${results.length} scenarios, ${counts.SUCCESS} of ${total} checks pass (${counts.FAILURE} failed, ` +
    `${counts.WARNING} warnings, ${counts.SKIPPED} skipped, ${counts.INFO} notes)` +
    (notWritten ? `; ${notWritten} that the suite skips for every server` : ''));
  return total > 0 && counts.SUCCESS === total;
}

const [only, scenario] = process.argv.slice(2);
const fixtures = copyFixtures();
const port = await freePort();
const url = `http://127.0.0.1:${port}/mcp`;
let site;
let web;
let good = true;
try {
  site = await startSite({ port, config: {
    ALLOWED_ORIGINS: `http://127.0.0.1:${port}`, TOOLS_DIR: path.join(fixtures, 'tools.d'),
    RESOURCES_DIR: path.join(fixtures, 'resources.d'), PROMPTS_DIR: path.join(fixtures, 'prompts.d'),
    SKILLS_DIR: path.join(fixtures, 'skills.d'),
  } });
  const dir = path.join(site.dir, 'conformance');
  fs.mkdirSync(dir);
  await site.web.stop();      // this one takes its place
  web = await startLighttpd({ dir, port, socket: site.keys.LISTEN, rules: SITES ? 'mcp-authd-sites' : undefined, more: `server.modules += ( "mod_setenv" )
setenv.set-request-header = ( "Authorization" => "Bearer ${await site.cognito.accessToken()}" )
` });
  for (const revision of only ? [only] : REVISIONS) {
    const out = path.join(dir, revision);
    if (!await check(revision, url, out, scenario)) good = false;
  }
  if (!only) {
    const done = new Set(readResults(dir).map((each) => each.scenario));
    for (const name of (await listScenarios()).filter((each) => !done.has(each)))
      if (!await check(REVISIONS.at(-1), url, path.join(dir, name), name)) good = false;
  }
  if (process.env.VERBOSE) console.log(site.daemon.log);
} finally {
  await web?.stop();
  await site?.close();
  fs.rmSync(fixtures, { recursive: true, force: true });
}
process.exitCode = good ? 0 : 1;
